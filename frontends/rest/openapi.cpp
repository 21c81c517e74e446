// The calls and their description, from which the OpenAPI document is written.
#include "frontends/net/http_problem.hpp"
#include "frontends/rest/rest_frontend.hpp"

#include <algorithm>
#include <array>

namespace fulmar::rest {

namespace {

constexpr std::string_view message_schema =
    R"({"type":"object","required":["topic"],"additionalProperties":false,"properties":{)"
    R"("topic":{"type":"string"},"data":{"description":"A text is sent as it is, anything else as JSON"},)"
    R"("encoding":{"type":"string","enum":["base64"]},"event":{"type":"string","maxLength":200},)"
    R"("qos":{"type":"integer","enum":[0,1],"default":1},"retain":{"type":"boolean","default":false},)"
    R"("expiry":{"type":"integer","minimum":0,"description":"Seconds"},"content_type":{"type":"string"}}})";
constexpr std::string_view batch_schema =
    R"({"type":"object","required":["messages"],"additionalProperties":false,"properties":{"messages":)"
    R"({"type":"array","minItems":1,"maxItems":1000,"items":{"$ref":"#/components/schemas/Message"}}}})";
constexpr std::string_view ticket_schema =
    R"({"type":"object","additionalProperties":false,"properties":{"topics":{"type":"array","maxItems":1000,)"
    R"("items":{"type":"string"}}}})";
constexpr std::string_view paging =
    "prefix:string:only what begins so|after:string:only what follows this name, for the next page|"
    "limit:integer:at most so many, 1 to 1000";

constexpr std::string_view session_filters =
    "prefix:string:only client ids that begin so|user:string:only of this user|connected:boolean:only those that are, or "
    "are not|after:string:only what follows this client id, for the next page|limit:integer:at most so many, 1 to 1000";
constexpr std::string_view connection_filters =
    "protocol:string:mqtt, pusher, sse or grpc|user:string:of this user; empty: anonymous|peer:string:from this address or network|"
    "client_id:string:this client or socket id|prefix:string:client or socket ids that begin so|"
    "after:string:only what follows this id, for the next page|limit:integer:at most so many, 1 to 1000";
constexpr std::string_view conditions = connection_filters.substr(0, connection_filters.find("|after:"));

constexpr auto everybody = audience::everybody;
constexpr auto identified = audience::identified;
constexpr auto administrators = audience::administrators;

constexpr std::array<operation, 17> all{{
    {"GET", "/v1/openapi.json", "getOpenapi", everybody, get_openapi, false, "This document", "", "", ""},
    {"POST", "/v1/publish", "publish", identified, post_publish, true,
     "Publish one message: JSON, or any other content type with the topic in the query or in Fulmar-Topic",
     "topic:string:of a raw message|event:string:of a raw message|qos:integer:0 or 1|retain:boolean:keep it as the "
     "topic's last message|expiry:integer:seconds",
     message_schema, "409 413 422 429 507"},
    {"POST", "/v1/publish/batch", "publishBatch", identified, post_batch, true,
     "Publish up to 1000 messages, as a JSON object or one per line (application/x-ndjson)", "", batch_schema,
     "409 413 422 429 507"},
    {"POST", "/v1/tickets", "createTicket", identified, post_ticket, true,
     "A one-time ticket for /sse?ticket=, good for these topics", "", ticket_schema, "201 413"},
    {"GET", "/v1/topics", "listTopics", administrators, list_topics, false,
     "Topics and filters that somebody is subscribed to", paging, "", ""},
    {"GET", "/v1/topics/{topic*}", "getTopic", identified, get_topic, false,
     "Subscribers, retained message and last position of a topic", "", "", ""},
    {"GET", "/v1/history/{topic*}", "getHistory", identified, get_history, false,
     "Messages of a topic that keeps a history",
     "since:string:an event id (what follows it), a time, or a duration such as 10m|before:string:an event id, with "
     "reverse|limit:integer:at most so many, 1 to 1000|reverse:boolean:newest first",
     "", "404"},
    {"GET", "/v1/presence/{topic*}", "getPresence", identified, get_presence, false, "Who is present in a channel", "",
     "", "404"},
    {"GET", "/v1/retained/{topic*}", "getRetained", identified, get_retained, false, "The retained message of a topic",
     "", "", "404"},
    {"DELETE", "/v1/retained/{topic*}", "deleteRetained", identified, delete_retained, false,
     "Remove the retained message of a topic", "", "", "204 507"},
    {"GET", "/v1/sessions", "listSessions", administrators, list_sessions, false, "MQTT sessions, connected or not",
     session_filters, "", ""},
    {"GET", "/v1/sessions/{client_id*}", "getSession", administrators, get_session, false, "One MQTT session", "", "",
     "404"},
    {"DELETE", "/v1/sessions/{client_id*}", "deleteSession", administrators, delete_session, false,
     "End the connection of a client and forget its session", "", "", "202 404"},
    {"GET", "/v1/connections", "listConnections", administrators, list_connections, false,
     "Clients that are connected, over MQTT, Pusher, SSE and gRPC", connection_filters, "", ""},
    {"DELETE", "/v1/connections", "deleteConnections", administrators, delete_connections, false,
     "End the connections that fit, at least one condition; sessions stay", conditions, "", ""},
    {"GET", "/v1/connections/{id}", "getConnection", administrators, get_connection, false, "One client", "", "",
     "404"},
    {"DELETE", "/v1/connections/{id}", "deleteConnection", administrators, delete_connection, false,
     "End a connection; its session stays", "", "", "202 404"},
}};

// Cuts `text` at the next separator and takes that part off.
std::string_view next_part(std::string_view& text, char separator)
{
    auto const part = text.substr(0, text.find(separator));
    text.remove_prefix(std::min(text.size(), part.size() + 1));
    return part;
}

void append_member(std::string& out, std::string_view name, std::string_view text)
{
    net::append_json_text(out, name);
    out += ':';
    net::append_json_text(out, text);
}

void append_parameter(std::string& out, std::string_view name, std::string_view place, std::string_view type,
                      std::string_view meaning)
{
    out += out.ends_with('[') ? "{" : ",{";
    append_member(out, "name", name);
    out += ',';
    append_member(out, "in", place);
    out += ',';
    append_member(out, "description", meaning);
    out.append(",\"required\":").append(place == "path" ? "true" : "false");
    out.append(",\"schema\":{").append("\"type\":\"").append(type).append("\"}}");
}

std::string documented_path(std::string_view path)
{
    std::string out{path};
    std::erase(out, '*');
    return out;
}

void append_parameters(std::string& out, operation const& what)
{
    out += "\"parameters\":[";
    if (auto const begin = what.path.find('{'); begin != std::string_view::npos) {
        auto const path = documented_path(what.path);
        append_parameter(out, std::string_view{path}.substr(begin + 1, path.find('}') - begin - 1), "path", "string",
                         "May contain slashes; other reserved characters are percent-encoded");
    }
    for (auto query = what.query; !query.empty();) {
        auto one = next_part(query, '|');
        auto const name = next_part(one, ':');
        auto const type = next_part(one, ':');
        append_parameter(out, name, "query", type, one);
    }
    if (what.id.starts_with("publish"))
        append_parameter(out, "Idempotency-Key", "header", "string", "A repeated request with this key publishes once");
    out += ']';
}

void append_responses(std::string& out, operation const& what)
{
    out += "\"responses\":{";
    auto const other_success = what.statuses.starts_with("20");
    std::string statuses{other_success ? "" : "200 "};
    statuses.append(what.statuses).append(what.who == everybody ? "" : " 400 401 403 503");
    bool first = true;
    for (std::string_view rest = statuses; !rest.empty();) {
        auto const status = next_part(rest, ' ');
        if (status.empty())
            continue;
        auto const good = status.front() == '2';
        out.append(first ? "\"" : ",\"").append(status).append("\":{");
        first = false;
        append_member(out, "description", good ? "Done" : "Refused");
        if (status == "200" || status == "201")
            out += R"(,"content":{"application/json":{"schema":{"type":"object"}}})";
        else if (!good)
            out += R"(,"content":{"application/problem+json":{"schema":{"$ref":"#/components/schemas/Problem"}}})";
        out += '}';
    }
    out += '}';
}

void append_operation(std::string& out, operation const& what)
{
    std::string method{what.method};
    std::transform(method.begin(), method.end(), method.begin(), [](char c) { return static_cast<char>(c | 0x20); });
    out.append("\"").append(method).append("\":{");
    append_member(out, "operationId", what.id);
    out += ',';
    append_member(out, "summary", what.summary);
    out += ',';
    if (what.who == everybody)
        out += "\"security\":[],";
    append_parameters(out, what);
    out += ',';
    if (!what.request.empty()) {
        out += R"("requestBody":{"content":{"application/json":{"schema":)";
        out.append(what.id == "publish" ? R"({"$ref":"#/components/schemas/Message"})" : what.request);
        out += "}}},";
    }
    append_responses(out, what);
    out += '}';
}

std::string write_document()
{
    std::string out = R"({"openapi":"3.1.0","info":{"title":"Fulmar","version":)";
    net::append_json_text(out, FULMAR_VERSION);
    out += R"(},"security":[{"app":[]},{"token":[]}],"components":{"securitySchemes":{)"
           R"("app":{"type":"http","scheme":"basic","description":"Key and secret of an app, or a user and password"},)"
           R"("token":{"type":"http","scheme":"bearer","bearerFormat":"JWT"}},"schemas":{"Message":)";
    out.append(message_schema);
    out += R"(,"Problem":{"type":"object","required":["type","title","status","detail"],"properties":{)"
           R"("type":{"type":"string"},"title":{"type":"string"},"status":{"type":"integer"},)"
           R"("detail":{"type":"string"}}}}},"paths":{)";
    std::string_view open_path;
    for (auto const& each : all) {
        if (each.path != open_path) {
            out.append(open_path.empty() ? "" : "},");
            net::append_json_text(out, documented_path(each.path));
            out += ":{";
            open_path = each.path;
        } else {
            out += ',';
        }
        append_operation(out, each);
    }
    return out += "}}}";
}

}  // namespace

std::span<operation const> operations() noexcept { return all; }

std::string const& openapi_document()
{
    static std::string const document = write_document();
    return document;
}

void get_openapi(call_ptr const& call)
{
    call->answer({200, "application/json", {{"Cache-Control", "max-age=300"}}, openapi_document() + "\n"});
}

}  // namespace fulmar::rest
