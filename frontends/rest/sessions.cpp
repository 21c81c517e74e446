// GET and DELETE of /v1/sessions: MQTT sessions of the caller's app.
#include "broker/inspection.hpp"
#include "broker/session_table.hpp"
#include "frontends/net/http_problem.hpp"
#include "frontends/net/message_json.hpp"
#include "frontends/rest/rest_frontend.hpp"

namespace fulmar::rest {

namespace {

using broker::session_row;

constexpr std::uint32_t never_expires = 0xFFFF'FFFF;

void append_facts(std::string& out, broker::session_facts const& facts)
{
    out.append(",\"durable\":").append(facts.durable ? "true" : "false");
    if (facts.durable) {
        out.append(",\"expiry\":")
            .append(facts.expiry_s == never_expires ? "\"never\"" : std::to_string(facts.expiry_s));
        out.append(",\"position\":\"").append(net::cursor_text(facts.position)).append("\"");
    }
    if (facts.away_since != 0)
        out.append(",\"away_since\":").append(std::to_string(facts.away_since));
    out.append(",\"subscription_count\":").append(std::to_string(facts.subscriptions));
    out.append(",\"in_flight\":").append(std::to_string(facts.in_flight));
}

void append_row(std::string& out, session_row const& row)
{
    out += "{\"client_id\":";
    net::append_json_text(out, row.client_id);
    out += ",\"user\":";
    net::append_json_text(out, row.user);
    out.append(",\"connected\":").append(row.connected ? "true" : "false");
    append_facts(out, row.facts);
    out.append(",\"shard\":").append(std::to_string(row.shard)).append("}");
}

void append_subscriptions(std::string& out, session_row const& row)
{
    out.back() = ',';
    out += "\"subscriptions\":[";
    for (auto const& [filter, level] : row.subscriptions) {
        out += out.back() == '[' ? "{\"topic\":" : ",{\"topic\":";
        net::append_json_text(out, filter);
        out.append(",\"qos\":").append(std::to_string(static_cast<unsigned>(level))).append("}");
    }
    out += "]}";
}

// Finds one session and hands it to `then`; 404 if there is none.
void with_session(call_ptr const& call, std::function<void(session_row const&)> then)
{
    broker::find_session(*call->request.home, call->who.app, std::string{call->request.capture("client_id")}, false,
                         [call, then = std::move(then)](std::optional<session_row> const& row) {
                             row ? then(*row) : call->fail(404, "there is no such client");
                         });
}

}  // namespace

void list_sessions(call_ptr const& call)
{
    broker::session_query wanted{{call->who.app, call->parameter("prefix"), call->parameter("after")}};
    wanted.user = call->parameter("user");
    auto const connected = call->parameter("connected");
    if (!connected.empty() && connected != "true" && connected != "false")
        return call->fail(400, "connected is neither true nor false");
    if (!connected.empty())
        wanted.connected = connected == "true";
    if (!call->read_limit(wanted.limit, broker::listed_max))
        return;
    broker::list_sessions(*call->request.home, wanted, [call](broker::listed<session_row> const& found) {
        std::string body = "{\"sessions\":[";
        for (auto const& row : found.rows) {
            body += &row == found.rows.data() ? "" : ",";
            append_row(body, row);
        }
        body += ']';
        if (found.more) {
            body += ",\"next\":";
            net::append_json_text(body, found.rows.back().client_id);
        }
        call->answer_json(200, body + "}");
    });
}

void get_session(call_ptr const& call)
{
    with_session(call, [call](session_row const& row) {
        std::string body;
        append_row(body, row);
        append_subscriptions(body, row);
        call->answer_json(200, std::move(body));
    });
}

void delete_session(call_ptr const& call)
{
    with_session(call, [call](session_row const& row) {
        call->request.home->sessions().kick(call->who.app, row.client_id, true);
        call->answer({202, {}, {}, {}});
    });
}

}  // namespace fulmar::rest
