// GET /v1/history/{topic}: forwards from a place or a time, or backwards from the newest.
#include "broker/history_page.hpp"
#include "frontends/net/http_problem.hpp"
#include "frontends/net/message_json.hpp"
#include "frontends/rest/rest_frontend.hpp"

namespace fulmar::rest {

namespace {

// What is wrong with the query, or nothing.
[[nodiscard]] std::string_view read_query(rest_call const& call, broker::history_question& out)
{
    auto const reverse = call.parameter("reverse");
    out.reverse = reverse == "true" || reverse == "1";
    if (!reverse.empty() && !out.reverse && reverse != "false" && reverse != "0")
        return "reverse is neither true nor false";
    if (auto const text = call.parameter("since"); !text.empty() && text != "earliest" && text != "all") {
        auto const cursor = net::parse_cursor(text);
        auto const time = cursor ? std::nullopt : net::parse_time(text, call.request.home->wall());
        if (!cursor && !time)
            return "since is neither an event id nor a time";
        out.after = cursor.value_or(0);
        out.not_before = time.value_or(0);
    }
    if (auto const text = call.parameter("before"); !text.empty()) {
        auto const cursor = net::parse_cursor(text);
        if (!cursor || *cursor == 0)
            return "before is no event id";
        out.upto = *cursor - 1;
    }
    return {};
}

void answer(rest_call& call, std::string const& topic, broker::history_page const& page)
{
    if (!page.kept)
        return call.fail(404, "this topic keeps no history: see [[history]] in the configuration");
    if (page.error)
        return call.fail(page.error);
    std::string body = "{\"topic\":";
    net::append_json_text(body, topic);
    body += ",\"messages\":[";
    for (auto const& item : page.messages) {
        if (&item != page.messages.data())
            body += ',';
        net::append_message_json(body, *item.message, item.sequence);
    }
    body.append("],\"gap\":").append(page.gap ? "true" : "false");
    if (page.more)
        body.append(R"(,"next":")").append(net::cursor_text(page.next)).append("\"");
    call.answer_json(200, body + "}");
}

}  // namespace

void get_history(call_ptr const& call)
{
    broker::history_question asked;
    asked.app = call->who.app;
    if (!call->read_topic(asked.topic) || !call->read_limit(asked.limit, broker::history_messages_max))
        return;
    if (auto const problem = read_query(*call, asked); !problem.empty())
        return call->fail(400, problem);
    if (!call->who.allowed->may_receive(asked.topic))
        return call->fail(403, "not allowed to read '" + asked.topic + "'");
    auto const topic = asked.topic;
    broker::read_history(*call->request.home, std::move(asked), [call, topic](broker::history_page const& page) {
        if (!call->to.gone())
            answer(*call, topic, page);
    });
}

}  // namespace fulmar::rest
