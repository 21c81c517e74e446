// GET and DELETE of /v1/sessions and /v1/connections: MQTT sessions of the caller's app, and those that are connected.
#include "broker/inspection.hpp"
#include "broker/session_table.hpp"
#include "frontends/net/http_problem.hpp"
#include "frontends/rest/rest_frontend.hpp"

namespace fulmar::rest {

namespace {

using broker::session_row;

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
    broker::listing wanted{call->who.app, call->parameter("prefix"), call->parameter("after")};
    if (!call->read_limit(wanted.limit, broker::listed_max))
        return;
    broker::list_sessions(*call->request.home, wanted, connected_only,
                          [call, name](broker::listed<session_row> const& found) {
                              auto body = "{\"" + std::string{name} + "\":[";
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

// Finds one session and hands it to `then`; 404 if there is none.
void with_session(call_ptr const& call, bool connected_only, std::function<void(session_row const&)> then)
{
    broker::find_session(*call->request.home, call->who.app, std::string{call->request.capture("client_id")},
                         connected_only, [call, then = std::move(then)](std::optional<session_row> const& row) {
                             row ? then(*row) : call->fail(404, "there is no such client");
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
