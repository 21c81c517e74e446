#include "frontends/grpc/call.hpp"

#include "broker/topic.hpp"
#include "frontends/grpc/call_desk.hpp"
#include "frontends/grpc/status.hpp"

#include <array>

namespace fulmar::grpc {

namespace {

constexpr std::array<method, 14> all_methods{{
    {"/fulmar.v1.Broker/Publish", audience::identified, make_publish},
    {"/fulmar.v1.Broker/PublishStream", audience::identified, make_publish_stream},
    {"/fulmar.v1.Broker/Subscribe", audience::identified, make_subscribe},
    {"/fulmar.v1.Broker/GetHistory", audience::identified, make_get_history},
    {"/fulmar.v1.Broker/ListTopics", audience::administrators, make_list_topics},
    {"/fulmar.v1.Broker/GetPresence", audience::identified, make_get_presence},
    {"/fulmar.v1.Broker/ListSessions", audience::administrators, make_list_sessions},
    {"/fulmar.v1.Broker/GetSession", audience::administrators, make_get_session},
    {"/fulmar.v1.Broker/KickSession", audience::administrators, make_kick_session},
    {"/fulmar.v1.Broker/DropSession", audience::administrators, make_drop_session},
    {"/grpc.health.v1.Health/Check", audience::everybody, make_health_check},
    {"/grpc.health.v1.Health/Watch", audience::everybody, make_health_watch},
    {"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", audience::everybody, make_reflection},
    {"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", audience::everybody, make_reflection},
}};

}  // namespace

std::span<method const> methods() noexcept { return all_methods; }

broker::shard& call::home() const noexcept { return desk_.home(); }

void call::order(call_order&& what)
{
    what.id = id_;
    desk_.order(std::move(what));
}

void call::read(std::uint32_t messages, std::size_t bytes)
{
    if (finished_)
        return;
    call_order what;
    what.what = call_order::kind::read;
    what.messages = messages;
    what.amount = bytes;
    order(std::move(what));
}

void call::write(std::string bytes)
{
    if (finished_)
        return;
    call_order what;
    what.what = call_order::kind::write;
    what.bytes = std::move(bytes);
    order(std::move(what));
}

void call::reply(google::protobuf::MessageLite const& answer)
{
    if (std::exchange(finished_, true))
        return;
    call_order what;
    what.what = call_order::kind::reply;
    what.bytes = answer.SerializeAsString();
    order(std::move(what));
}

void call::finish(status_code code, std::string_view text, std::string resume)
{
    if (std::exchange(finished_, true))
        return;
    if (code != status_code::ok)
        desk_.metrics().failed.add();
    call_order what;
    what.what = call_order::kind::finish;
    what.code = code;
    what.text = text;
    what.resume = std::move(resume);
    order(std::move(what));
}

void call::finish(broker::error_code error) { finish(code_of(error), error.message()); }

void call::cancel()
{
    finished_ = true;
    call_order what;
    what.what = call_order::kind::cancel;
    order(std::move(what));
}

void call::at_turn_end()
{
    if (!std::exchange(dirty_, true))
        desk_.mark(*this);
}

// --- calls of one answer -----------------------------------------------------------------------------

void unary_call::begin() { read(1, desk().options().message_bytes_max); }

void unary_call::on_message(std::string&& bytes)
{
    asked_ = true;
    run(bytes);
}

void unary_call::on_no_more()
{
    if (!asked_)
        finish(status_code::invalid_argument, "the call ended without a request");
}

bool unary_call::parse(std::string const& bytes, google::protobuf::MessageLite& into)
{
    if (into.ParseFromString(bytes))
        return true;
    finish(status_code::invalid_argument, "the request is no " + into.GetTypeName());
    return false;
}

bool unary_call::may_read(std::string const& topic)
{
    if (!broker::valid_utf8(topic) || !broker::valid_topic_name(topic))
        finish(status_code::invalid_argument, "the topic is no valid topic name");
    else if (!who.allowed->may_receive(topic))
        finish(status_code::permission_denied, "not allowed to read '" + topic + "'");
    else
        return true;
    return false;
}

}  // namespace fulmar::grpc
