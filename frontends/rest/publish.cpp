// POST /v1/publish, /v1/publish/batch, /v1/tickets.
#include "broker/topic.hpp"
#include "frontends/net/http_problem.hpp"
#include "frontends/net/message_json.hpp"
#include "frontends/rest/publish_body.hpp"
#include "frontends/rest/rest_frontend.hpp"

#include <algorithm>
#include <boost/json.hpp>

namespace fulmar::rest {

namespace {

using verdict = idempotency_window::verdict;

broker::message_ptr message_of(rest_call const& call, publication const& p)
{
    return broker::message_of(p.view(), call.who.app, call.request.home->wall());
}

// Everything that can be refused is refused before anything is published.
bool admissible(rest_call& call, publications const& wanted)
{
    if (wanted.status != 0) {
        call.fail(wanted.status, wanted.problem);
        return false;
    }
    for (auto const& each : wanted.messages) {
        if (!call.who.allowed->may_publish(each.topic)) {
            call.fail(403, "not allowed to publish to '" + each.topic + "'");
            return false;
        }
        if (each.retain && !call.owner.options().retain_available) {
            call.fail(400, "retained messages are switched off: mqtt.retain_available");
            return false;
        }
    }
    auto& here = *call.request.home;
    if (here.congested() || !call.owner.may_publish(here, wanted.messages.size())) {
        call.fail(503, "too many publishes are under way");
        return false;
    }
    return true;
}

// False: answered, because this request was seen before or its key is no good.
bool first_time(rest_call& call)
{
    auto const& request = call.request;
    if (request.count("Idempotency-Key") == 0)
        return true;
    auto const key = request.header("Idempotency-Key");
    if (request.count("Idempotency-Key") > 1 || key.empty() || key.size() > idempotency_key_bytes_max) {
        call.fail(400, "Idempotency-Key is not 1 to 128 bytes");
        return false;
    }
    auto entry =
        std::to_string(static_cast<std::uint32_t>(call.who.app)) + '\n' + call.who.user + '\n' + std::string{key};
    auto decided = call.owner.repeated().begin(entry, digest_of(request), request.home->wall());
    switch (decided.what) {
    case verdict::fresh: call.repeatable_as = std::move(entry); return true;
    case verdict::repeated:
        decided.answer->headers.push_back({"Idempotency-Replayed", "true"});
        call.answer(std::move(*decided.answer));
        return false;
    case verdict::under_way: call.fail(409, "the first request with this key has no answer yet"); return false;
    case verdict::other_use: call.fail(422, "this Idempotency-Key was used for another request"); return false;
    }
    return true;
}

void append_outcome(std::string& out, broker::publish_outcome const& outcome)
{
    out += '{';
    if (outcome.error) {
        out += "\"error\":";
        net::append_json_text(out, outcome.error.message());
        out += '}';
        return;
    }
    if (outcome.sequence != 0)
        out.append(R"("id":")").append(net::cursor_text(outcome.sequence)).append("\",");
    out.append("\"matched\":").append(outcome.matched ? "true" : "false").append("}");
}

struct batch_in_progress
{
    std::vector<broker::publish_outcome> outcomes;
    std::size_t missing = 0;
};

void finish_batch(rest_call& call, batch_in_progress const& done)
{
    std::string results = "[";
    broker::error_code first;
    for (auto const& outcome : done.outcomes) {
        results += results.size() == 1 ? "" : ",";
        append_outcome(results, outcome);
        first = first ? first : outcome.error;
    }
    results += ']';
    if (!first)
        return call.answer_json(200, "{\"results\":" + results + "}");
    auto problem = net::problem_response(first);
    auto const end = problem.body.rfind('}');
    problem.body.replace(end, std::string::npos, ",\"results\":" + results + "}\n");
    call.answer(std::move(problem));
}

}  // namespace

void post_publish(call_ptr const& call)
{
    auto const wanted = read_publication(call->request, call->query, call->owner.options().event_bytes_max);
    if (!admissible(*call, wanted) || !first_time(*call))
        return;
    call->owner.publish(*call->request.home, message_of(*call, wanted.messages.front()),
                        [call](broker::publish_outcome const& outcome) {
                            if (outcome.error)
                                return call->fail(outcome.error);
                            std::string body;
                            append_outcome(body, outcome);
                            call->answer_json(200, std::move(body));
                        });
}

void post_batch(call_ptr const& call)
{
    auto const wanted = read_batch(call->request, call->owner.options().event_bytes_max);
    if (!admissible(*call, wanted) || !first_time(*call))
        return;
    auto const batch = std::make_shared<batch_in_progress>();
    batch->missing = wanted.messages.size();
    batch->outcomes.resize(batch->missing);
    for (std::size_t i = 0; i < wanted.messages.size(); ++i)
        call->owner.publish(*call->request.home, message_of(*call, wanted.messages[i]),
                            [call, batch, i](broker::publish_outcome const& outcome) {
                                batch->outcomes[i] = outcome;
                                if (--batch->missing == 0)
                                    finish_batch(*call, *batch);
                            });
}

void post_ticket(call_ptr const& call)
{
    namespace json = boost::json;
    json::parse_options options;
    options.max_depth = 32;
    boost::system::error_code bad;
    auto const parsed = json::parse(call->request.body.empty() ? "{}" : call->request.body, bad, {}, options);
    auto const* const object = bad ? nullptr : parsed.if_object();
    auto const* const list = object == nullptr ? nullptr : object->if_contains("topics");
    if (object == nullptr || object->size() != (list == nullptr ? 0U : 1U) || (list != nullptr && !list->is_array()))
        return call->fail(400, "the body is not {\"topics\": [ … ]}");
    std::vector<std::string> topics;
    for (auto const& each : list == nullptr ? json::array{} : list->get_array()) {
        auto const text = each.is_string() ? std::string{each.get_string().data(), each.get_string().size()} : "";
        if (!broker::valid_utf8(text) || !broker::valid_topic_filter(text) || broker::parse_shared(text))
            return call->fail(400, "a topic is no valid topic name or filter");
        if (!call->who.allowed->may_subscribe(text))
            return call->fail(403, "not allowed to read '" + text + "'");
        topics.push_back(text);
    }
    if (topics.size() > net::ticket_topics_max)
        return call->fail(413, "a ticket is for at most 1000 topics");
    auto& tickets = call->owner.access().tickets();
    auto const ticket = tickets.issue(call->who, std::move(topics), call->request.home->wall());
    if (!ticket)
        return call->fail(503, "too many tickets wait to be used");
    auto const seconds = std::chrono::duration_cast<std::chrono::seconds>(tickets.lifetime()).count();
    call->answer_json(201, R"({"ticket":")" + *ticket + R"(","expires_in":)" + std::to_string(seconds) + "}");
}

}  // namespace fulmar::rest
