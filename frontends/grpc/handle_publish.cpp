// Publish and PublishStream.
#include "broker/publication.hpp"
#include "broker/router.hpp"
#include "frontends/grpc/call_desk.hpp"
#include "frontends/grpc/status.hpp"
#include "frontends/net/message_json.hpp"
#include "fulmar/v1/broker.pb.h"

#include <deque>
#include <optional>
#include <utility>

namespace fulmar::grpc {

namespace {

struct refusal
{
    status_code code = status_code::ok;
    std::string text;
};

[[nodiscard]] broker::publication_view view_of(v1::Publication const& p) noexcept
{
    auto const level = p.qos() == v1::QOS_AT_MOST_ONCE ? broker::qos::at_most_once : broker::qos::at_least_once;
    return {p.topic(), p.payload(), p.event(), p.content_type(), level, p.retain(), p.expiry_seconds()};
}

[[nodiscard]] std::optional<refusal> refusal_of(v1::Publication const& p, broker::publication_view const& view,
                                                broker::permissions const& allowed, grpc_options const& options)
{
    if (!v1::Qos_IsValid(p.qos()))
        return refusal{status_code::invalid_argument, "qos is neither QOS_AT_MOST_ONCE nor QOS_AT_LEAST_ONCE"};
    if (auto const problem = broker::problem_of(view, options.event_bytes_max))
        return refusal{problem->too_large ? status_code::resource_exhausted : status_code::invalid_argument,
                       std::string{problem->what}};
    if (!allowed.may_publish(view.topic))
        return refusal{status_code::permission_denied, "not allowed to publish to '" + p.topic() + "'"};
    if (p.retain() && !options.retain_available)
        return refusal{status_code::invalid_argument, "retained messages are switched off: mqtt.retain_available"};
    return std::nullopt;
}

// What both have in common: a publisher on the shard.
class publisher : public broker::endpoint
{
protected:
    void publish(call_desk& desk, broker::app_id app, broker::publication_view const& what, std::uint64_t token)
    {
        auto& home = desk.home();
        desk.metrics().published.add();
        home.metrics().messages_in[static_cast<std::size_t>(what.level)].add();
        broker::router::publish_request request;
        request.message = broker::message_of(what, app, home.turn_wall());
        request.publisher = id_;
        request.token = token;
        home.routes().publish(std::move(request));
    }
    void attach(broker::shard& home) { id_ = home.attach(*this); }
    void detach(broker::shard& home) { home.detach(std::exchange(id_, {})); }
    [[nodiscard]] broker::endpoint_id id() const noexcept { return id_; }

private:
    broker::endpoint_id id_;
};

class publish_call final : public unary_call, private publisher
{
public:
    using unary_call::unary_call;

    void on_ended() override { detach(home()); }

private:
    void run(std::string const& bytes) override
    {
        v1::PublishRequest request;
        if (!parse(bytes, request))
            return;
        auto const view = view_of(request.publication());
        if (auto const refused = refusal_of(request.publication(), view, *who.allowed, desk().options()))
            return finish(refused->code, refused->text);
        if (home().congested())
            return finish(status_code::unavailable, "too many publishes are under way");
        attach(home());
        publish(desk(), who.app, view, 1);
    }

    void on_published(std::uint64_t, broker::publish_outcome const& outcome) override
    {
        if (outcome.error)
            return finish(outcome.error);
        v1::PublishResponse answer;
        if (outcome.sequence != 0)
            answer.set_position(net::cursor_text(outcome.sequence));
        answer.set_matched(outcome.matched);
        reply(answer);
    }
};

class publish_stream final : public call, private publisher
{
public:
    using call::call;

    void begin() override
    {
        attach(home());
        read(desk().options().publish_window, home().limit().outbox_bytes);
    }

    void on_message(std::string&& bytes) override
    {
        if (finished() || ending_)
            return;
        if (who.expires_at != 0 && who.expires_at <= home().turn_wall())
            return wind_up(status_code::unauthenticated, "the token with which the stream was opened has expired");
        thread_local v1::PublishStreamRequest request;  // keeps its memory
        if (!request.ParseFromString(bytes))
            return wind_up(status_code::invalid_argument, "the request is no fulmar.v1.PublishStreamRequest");
        auto const count = request.publications_size();
        if (count == 0 || static_cast<std::size_t>(count) > broker::batch_messages_max)
            return wind_up(status_code::invalid_argument, "a request has 1 to 1000 publications");
        requests_.push_back({taken_ + static_cast<std::uint64_t>(count), bytes.size()});
        for (auto const& each : request.publications())
            take(each);
    }

    void on_no_more() override
    {
        no_more_ = true;
        at_turn_end();
    }

    void on_written() override
    {
        writing_ = false;
        answer();
    }

    void on_turn_end() override { answer(); }

    // What was taken is settled and acknowledged first.
    void wind_up(status_code code, std::string_view text) override
    {
        if (!ending_)
            ending_ = refusal{code, std::string{text}};
        at_turn_end();
    }

    void on_tick(broker::wall_ms now) override
    {
        if (who.expires_at != 0 && who.expires_at <= now)
            wind_up(status_code::unauthenticated, "the token with which the stream was opened has expired");
    }

    void on_ended() override { detach(home()); }

private:
    struct slot
    {
        bool settled = false;
        status_code code = status_code::ok;
        std::string text;
    };
    struct request_end
    {
        std::uint64_t last = 0;  // number of its last publication
        std::size_t bytes = 0;
    };

    void take(v1::Publication const& p)
    {
        auto const number = ++taken_;
        slots_.emplace_back();
        auto const view = view_of(p);
        if (auto refused = refusal_of(p, view, *who.allowed, desk().options()))
            return settle(number, refused->code, std::move(refused->text));
        publish(desk(), who.app, view, number);
    }

    void on_published(std::uint64_t number, broker::publish_outcome const& outcome) override
    {
        last_logged_ = std::max(last_logged_, outcome.sequence);
        settle(number, code_of(outcome.error), outcome.error ? outcome.error.message() : std::string{});
    }

    void settle(std::uint64_t number, status_code code, std::string text)
    {
        auto& settled = slots_[number - settled_ - 1];
        settled.settled = true;
        settled.code = code;
        settled.text = std::move(text);
        for (; !slots_.empty() && slots_.front().settled; slots_.pop_front()) {
            ++settled_;
            if (slots_.front().code != status_code::ok)
                add_failure(slots_.front());
        }
        at_turn_end();
    }

    void add_failure(slot const& failed)
    {
        auto& row = *answer_.add_failures();
        row.set_number(settled_);
        row.set_code(static_cast<std::int32_t>(failed.code));
        row.set_message(failed.text);
    }

    // The client is told, and may send as much again.
    void answer()
    {
        if (finished() || writing_)
            return;
        if (settled_ > told_) {
            told_ = settled_;
            answer_.set_acknowledged(told_);
            if (last_logged_ != 0)
                answer_.set_position(net::cursor_text(last_logged_));
            writing_ = true;
            write(answer_.SerializeAsString());
            answer_.Clear();
            grant();
        }
        if (settled_ != taken_)
            return;
        if (ending_)
            finish(ending_->code, ending_->text);
        else if (no_more_)
            finish(status_code::ok);
    }

    void grant()
    {
        for (; !requests_.empty() && requests_.front().last <= told_; requests_.pop_front()) {
            ++owed_messages_;
            owed_bytes_ += requests_.front().bytes;
        }
        if (waiting_ || owed_messages_ == 0)
            return;
        if (!home().congested())
            return read(std::exchange(owed_messages_, 0), std::exchange(owed_bytes_, 0));
        waiting_ = true;
        home().when_relieved(id(), [this] {
            waiting_ = false;
            grant();
        });
    }

    std::deque<slot> slots_;  // of publications settled_ + 1 to taken_
    std::deque<request_end> requests_;
    v1::PublishStreamResponse answer_;  // the failures since the last one
    std::uint64_t taken_ = 0;
    std::uint64_t settled_ = 0;
    std::uint64_t told_ = 0;
    broker::log_sequence last_logged_ = 0;
    std::uint32_t owed_messages_ = 0;
    std::size_t owed_bytes_ = 0;
    bool writing_ = false;
    bool waiting_ = false;  // for congestion to end
    bool no_more_ = false;
    std::optional<refusal> ending_;
};

}  // namespace

std::shared_ptr<call> make_publish(call_desk& desk, call_id id) { return std::make_shared<publish_call>(desk, id); }
std::shared_ptr<call> make_publish_stream(call_desk& desk, call_id id)
{
    return std::make_shared<publish_stream>(desk, id);
}

}  // namespace fulmar::grpc
