// GET and DELETE of /v1/sessions and /v1/connections: MQTT sessions of the caller's app, and those that are connected.
#include "broker/session_table.hpp"
#include "frontends/net/http_problem.hpp"
#include "frontends/rest/rest_frontend.hpp"

#include <algorithm>

namespace fulmar::rest {

namespace {

constexpr std::size_t listed_default = 100;
constexpr std::size_t listed_max = 1'000;
constexpr std::size_t sessions_looked_at = 200'000;  // per shard and request

struct session_row
{
    std::string client_id;
    std::string user;
    bool connected = false;
    broker::shard_id shard = 0;
};

struct wanted_sessions
{
    broker::app_id app{};
    std::string prefix;
    std::string after;
    std::size_t limit = listed_default;  // and one more, to know whether there are more
    bool connected_only = false;
};

[[nodiscard]] bool before(session_row const& a, session_row const& b) { return a.client_id < b.client_id; }

[[nodiscard]] std::vector<session_row> sessions_of(broker::shard& there, wanted_sessions const& wanted)
{
    std::vector<session_row> out;  // a heap: the last of those kept is in front
    std::size_t looked_at = 0;
    there.sessions().for_each([&](broker::app_id app, broker::session const& s) {
        auto const id = s.client_id();
        auto const listed = app == wanted.app && id.starts_with(wanted.prefix) && id > wanted.after &&
                            (s.connected() || !wanted.connected_only);
        if (listed && (out.size() <= wanted.limit || id < out.front().client_id)) {
            if (out.size() > wanted.limit) {
                std::pop_heap(out.begin(), out.end(), before);
                out.pop_back();
            }
            out.push_back({std::string{id}, std::string{s.user()}, s.connected(), there.id()});
            std::push_heap(out.begin(), out.end(), before);
        }
        return ++looked_at < sessions_looked_at;
    });
    return out;
}

void append_row(std::string& out, session_row const& row)
{
    out += "{\"client_id\":";
    net::append_json_text(out, row.client_id);
    out += ",\"user\":";
    net::append_json_text(out, row.user);
    out.append(",\"connected\":").append(row.connected ? "true" : "false");
    out.append(",\"shard\":").append(std::to_string(row.shard)).append("}");
}

void list(call_ptr const& call, std::string_view name, bool connected_only)
{
    wanted_sessions wanted{call->who.app, call->parameter("prefix"), call->parameter("after"), listed_default,
                           connected_only};
    if (!call->read_limit(wanted.limit, listed_max))
        return;
    auto const found = std::make_shared<std::vector<std::vector<session_row>>>(call->owner.node().shards.size());
    call->owner.on_each_shard(
        *call->request.home,
        [found, wanted](broker::shard& there) { (*found)[there.id()] = sessions_of(there, wanted); },
        [call, found, name, limit = wanted.limit] {
            std::vector<session_row> all;
            for (auto& of_shard : *found)
                std::move(of_shard.begin(), of_shard.end(), std::back_inserter(all));
            std::sort(all.begin(), all.end(), before);
            auto const more = all.size() > limit;
            all.resize(std::min(all.size(), limit));
            auto body = "{\"" + std::string{name} + "\":[";
            for (auto const& row : all) {
                body += &row == all.data() ? "" : ",";
                append_row(body, row);
            }
            body += ']';
            if (more) {
                body += ",\"next\":";
                net::append_json_text(body, all.back().client_id);
            }
            call->answer_json(200, body + "}");
        });
}

// Finds one session and hands it to `then`; 404 if there is none.
void with_session(call_ptr const& call, bool connected_only, std::function<void(session_row const&)> then)
{
    std::string const id{call->request.capture("client_id")};
    auto const found = std::make_shared<std::vector<std::optional<session_row>>>(call->owner.node().shards.size());
    auto work = [found, id, app = call->who.app, connected_only](broker::shard& there) {
        auto const* const s = there.sessions().find(app, id);
        if (s != nullptr && (s->connected() || !connected_only))
            (*found)[there.id()] = session_row{id, std::string{s->user()}, s->connected(), there.id()};
    };
    call->owner.on_each_shard(*call->request.home, std::move(work), [call, found, then = std::move(then)] {
        for (auto const& row : *found)
            if (row)
                return then(*row);
        call->fail(404, "there is no such client");
    });
}

void end(call_ptr const& call, bool drop)
{
    with_session(call, !drop, [call, drop](session_row const& row) {
        call->request.home->sessions().kick(call->who.app, row.client_id, drop);
        call->answer({202, {}, {}, {}});
    });
}

}  // namespace

void list_sessions(call_ptr const& call) { list(call, "sessions", false); }
void list_connections(call_ptr const& call) { list(call, "connections", true); }

void get_session(call_ptr const& call)
{
    with_session(call, false, [call](session_row const& row) {
        std::string body;
        append_row(body, row);
        call->answer_json(200, std::move(body));
    });
}

void delete_session(call_ptr const& call) { end(call, true); }
void delete_connection(call_ptr const& call) { end(call, false); }

}  // namespace fulmar::rest
