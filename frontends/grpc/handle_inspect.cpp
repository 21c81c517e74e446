// ListTopics, GetPresence, and the administration of sessions.
#include "broker/inspection.hpp"
#include "broker/presence_directory.hpp"
#include "broker/session_table.hpp"
#include "frontends/grpc/call_desk.hpp"
#include "fulmar/v1/broker.pb.h"

namespace fulmar::grpc {

namespace {

template <class Call>
[[nodiscard]] std::shared_ptr<Call> held(Call& call)
{
    return std::static_pointer_cast<Call>(call.shared_from_this());
}

// A call whose request is what a listing needs.
class listing_call : public unary_call
{
public:
    using unary_call::unary_call;

protected:
    template <class Request>
    [[nodiscard]] bool read_listing(Request const& request, broker::listing& out)
    {
        if (request.limit() > broker::listed_max) {
            finish(status_code::invalid_argument, "limit is more than 1000");
            return false;
        }
        out.app = who.app;
        out.prefix = request.prefix();
        out.after = request.after();
        out.limit = request.limit() == 0 ? broker::listed_default : request.limit();
        return true;
    }
};

class topics_call final : public listing_call
{
public:
    using listing_call::listing_call;

private:
    void run(std::string const& bytes) override
    {
        v1::ListTopicsRequest request;
        broker::listing wanted;
        if (!parse(bytes, request) || !read_listing(request, wanted))
            return;
        broker::list_topics(home(), wanted,
                            [self = held(*this)](broker::listed<broker::router::listed_filter> const& found) {
                                v1::ListTopicsResponse out;
                                for (auto const& row : found.rows) {
                                    auto& topic = *out.add_topics();
                                    topic.set_topic(row.filter);
                                    topic.set_subscribers(row.subscribers);
                                }
                                if (found.more)
                                    out.set_next(found.rows.back().filter);
                                self->reply(out);
                            });
    }
};

void fill_session(broker::session_row const& row, v1::Session& out)
{
    out.set_client_id(row.client_id);
    out.set_user(row.user);
    out.set_connected(row.connected);
    out.set_shard(row.shard);
}

class sessions_call final : public listing_call
{
public:
    using listing_call::listing_call;

private:
    void run(std::string const& bytes) override
    {
        v1::ListSessionsRequest request;
        broker::session_query wanted;
        if (!parse(bytes, request) || !read_listing(request, wanted))
            return;
        if (request.connected_only())
            wanted.connected = true;
        broker::list_sessions(home(), wanted, [self = held(*this)](broker::listed<broker::session_row> const& found) {
            v1::ListSessionsResponse out;
            for (auto const& row : found.rows)
                fill_session(row, *out.add_sessions());
            if (found.more)
                out.set_next(found.rows.back().client_id);
            self->reply(out);
        });
    }
};

// Looks at one session, and does something to it.
template <class Request, class Answer>
class session_call final : public unary_call
{
public:
    using unary_call::unary_call;

private:
    void run(std::string const& bytes) override
    {
        Request request;
        if (!parse(bytes, request))
            return;
        constexpr bool connected_only = std::is_same_v<Request, v1::KickSessionRequest>;
        broker::find_session(home(), who.app, request.client_id(), connected_only,
                             [self = held(*this)](std::optional<broker::session_row> const& row) {
                                 row ? self->found(*row)
                                     : self->finish(status_code::not_found, "there is no such client");
                             });
    }

    void found(broker::session_row const& row)
    {
        Answer out;
        if constexpr (std::is_same_v<Answer, v1::Session>)
            fill_session(row, out);
        else
            home().sessions().kick(who.app, row.client_id, std::is_same_v<Request, v1::DropSessionRequest>);
        reply(out);
    }
};

class presence_call final : public unary_call
{
public:
    using unary_call::unary_call;

private:
    void run(std::string const& bytes) override
    {
        v1::GetPresenceRequest request;
        if (!parse(bytes, request) || !may_read(request.topic()))
            return;
        desk().presence().members(
            home(), who.app, request.topic(), [self = held(*this)](broker::channel_members const& members) {
                if (!members)
                    return self->finish(status_code::not_found,
                                        "only presence channels have members: their names begin with presence-");
                v1::GetPresenceResponse out;
                for (auto const& each : *members) {
                    auto& row = *out.add_members();
                    row.set_id(each.id);
                    row.set_info_json(each.info_json);
                    row.set_connections(each.connections);
                }
                self->reply(out);
            });
    }
};

}  // namespace

std::shared_ptr<call> make_list_topics(call_desk& desk, call_id id) { return std::make_shared<topics_call>(desk, id); }
std::shared_ptr<call> make_list_sessions(call_desk& desk, call_id id)
{
    return std::make_shared<sessions_call>(desk, id);
}
std::shared_ptr<call> make_get_session(call_desk& desk, call_id id)
{
    return std::make_shared<session_call<v1::GetSessionRequest, v1::Session>>(desk, id);
}
std::shared_ptr<call> make_kick_session(call_desk& desk, call_id id)
{
    return std::make_shared<session_call<v1::KickSessionRequest, v1::KickSessionResponse>>(desk, id);
}
std::shared_ptr<call> make_drop_session(call_desk& desk, call_id id)
{
    return std::make_shared<session_call<v1::DropSessionRequest, v1::DropSessionResponse>>(desk, id);
}
std::shared_ptr<call> make_get_presence(call_desk& desk, call_id id)
{
    return std::make_shared<presence_call>(desk, id);
}

}  // namespace fulmar::grpc
