// GET and DELETE of /v1/connections: clients of the caller's app, over every protocol that keeps a connection.
#include "frontends/net/client_list.hpp"
#include "frontends/net/http_problem.hpp"
#include "frontends/rest/rest_frontend.hpp"

namespace fulmar::rest {

namespace {

using net::client_key;
using net::client_query;
using net::listed_client;

void append_text_member(std::string& out, std::string_view name, std::string_view text)
{
    out.append(",\"").append(name).append("\":");
    net::append_json_text(out, text);
}

void append_row(std::string& out, listed_client const& row)
{
    auto const& what = row.what;
    out.append("{\"id\":\"").append(to_text(row.key)).append("\"");
    append_text_member(out, "protocol", what.protocol);
    append_text_member(out, "transport", what.transport);
    out.append(",\"tls\":").append(what.tls ? "true" : "false");
    append_text_member(out, "peer", what.peer_address);
    out.append(",\"port\":").append(std::to_string(what.peer_port));
    append_text_member(out, "user", what.user);
    if (!what.client_id.empty())
        append_text_member(out, "client_id", what.client_id);
    out.append(",\"connected_at\":").append(std::to_string(what.since_ms));
    out.append(",\"backlog_bytes\":").append(std::to_string(what.backlog_bytes));
    out.append(",\"shard\":").append(std::to_string(row.key.shard)).append("}");
}

// Fails the call if one makes no sense.
[[nodiscard]] std::optional<client_query> conditions_of(rest_call& call)
{
    client_query wanted;
    wanted.app = call.who.app;
    wanted.protocol = call.parameter("protocol");
    if (!wanted.protocol.empty() && wanted.protocol != "mqtt" && wanted.protocol != "pusher" &&
        wanted.protocol != "sse" && wanted.protocol != "grpc") {
        call.fail(400, "protocol is none of mqtt, pusher, sse and grpc");
        return std::nullopt;
    }
    if (auto const* const user = call.query.find("user"); user != nullptr)
        wanted.user = *user;
    if (auto const peer = call.parameter("peer"); !peer.empty()) {
        wanted.peer = net::network::parse(peer);
        if (!wanted.peer) {
            call.fail(400, "peer is neither an address nor a network such as 10.0.0.0/8");
            return std::nullopt;
        }
    }
    wanted.client_id = call.parameter("client_id");
    wanted.prefix = call.parameter("prefix");
    return wanted;
}

// Fails the call if the id in the path cannot be one.
[[nodiscard]] std::optional<client_key> key_in_path(rest_call& call)
{
    auto const key = net::read_client_key(call.request.capture("id"));
    if (!key)
        call.fail(404, "there is no such connection: ids are those of GET /v1/connections");
    return key;
}

}  // namespace

void list_connections(call_ptr const& call)
{
    auto wanted = conditions_of(*call);
    if (!wanted || !call->read_limit(wanted->limit, broker::listed_max))
        return;
    if (auto const after = call->parameter("after"); !after.empty()) {
        auto const key = net::read_client_key(after);
        if (!key)
            return call->fail(400, "after is no id of a connection");
        wanted->after = *key;
    }
    call->owner.clients().list(*call->request.home, *wanted, [call](broker::listed<listed_client> const& found) {
        std::string body = "{\"connections\":[";
        for (auto const& row : found.rows) {
            body += &row == found.rows.data() ? "" : ",";
            append_row(body, row);
        }
        body += ']';
        if (found.more)
            append_text_member(body, "next", to_text(found.rows.back().key));
        call->answer_json(200, body + "}");
    });
}

void get_connection(call_ptr const& call)
{
    auto const key = key_in_path(*call);
    if (!key)
        return;
    call->owner.clients().find(*call->request.home, call->who.app, *key,
                               [call](std::optional<listed_client> const& found) {
                                   if (!found)
                                       return call->fail(404, "there is no such connection");
                                   std::string body;
                                   append_row(body, *found);
                                   call->answer_json(200, std::move(body));
                               });
}

void delete_connection(call_ptr const& call)
{
    auto const key = key_in_path(*call);
    if (!key)
        return;
    call->owner.clients().end(*call->request.home, call->who.app, *key, [call](bool found) {
        found ? call->answer({202, {}, {}, {}}) : call->fail(404, "there is no such connection");
    });
}

void delete_connections(call_ptr const& call)
{
    auto const wanted = conditions_of(*call);
    if (!wanted)
        return;
    if (wanted->protocol.empty() && !wanted->user && !wanted->peer && wanted->client_id.empty() &&
        wanted->prefix.empty())
        return call->fail(400, "say which: protocol, user, peer, client_id or prefix");
    call->owner.clients().end(*call->request.home, *wanted, [call](std::size_t ended) {
        call->answer_json(200, "{\"ended\":" + std::to_string(ended) + "}");
    });
}

}  // namespace fulmar::rest
