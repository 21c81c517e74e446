// GET /v1/topics, /v1/topics/{topic}, /v1/retained/{topic}, and DELETE of the latter.
#include "broker/history_rules.hpp"
#include "broker/inspection.hpp"
#include "broker/retained_index.hpp"
#include "broker/router.hpp"
#include "broker/topic.hpp"
#include "frontends/net/http_problem.hpp"
#include "frontends/net/message_json.hpp"
#include "frontends/rest/rest_frontend.hpp"

namespace fulmar::rest {

namespace {

struct topic_facts
{
    std::string topic;
    std::vector<std::size_t> subscribers;  // by shard
    broker::log_sequence last = 0;
    std::size_t missing = 2;  // the shards together, and the log
};

void answer_topic(rest_call& call, topic_facts const& facts)
{
    std::size_t subscribers = 0;
    for (auto const count : facts.subscribers)
        subscribers += count;
    auto const retained = call.owner.node().retained.get(call.who.app, facts.topic);
    auto const* const rules = call.request.home->routes().history();
    auto const kept = rules != nullptr && rules->find(call.who.app, facts.topic) != nullptr;
    std::string body = "{\"topic\":";
    net::append_json_text(body, facts.topic);
    body.append(",\"subscribers\":").append(std::to_string(subscribers));
    body.append(",\"retained\":").append(retained ? "true" : "false");
    body.append(",\"history\":").append(kept ? "true" : "false");
    if (facts.last != 0)
        body.append(R"(,"last_id":")").append(net::cursor_text(facts.last)).append("\"");
    call.answer_json(200, body + "}");
}

void find_last(call_ptr const& call, std::shared_ptr<topic_facts> const& facts, std::function<void()> done)
{
    auto& here = *call->request.home;
    broker::queue_read request;
    auto const* const rules = here.routes().history();
    if (rules == nullptr || !rules->append_sources(call->who.app, facts->topic, request.filters))
        return done();
    request.newest_max = 1;
    request.messages_max = 1;
    here.read(std::move(request), [facts, done = std::move(done)](broker::queue_page&& page) {
        if (!page.messages.empty())
            facts->last = page.messages.back().sequence;
        done();
    });
}

}  // namespace

void list_topics(call_ptr const& call)
{
    broker::listing wanted{call->who.app, call->parameter("prefix"), call->parameter("after")};
    if (!call->read_limit(wanted.limit, broker::listed_max))
        return;
    broker::list_topics(*call->request.home, wanted,
                        [call](broker::listed<broker::router::listed_filter> const& found) {
                            std::string body = "{\"topics\":[";
                            for (auto const& row : found.rows) {
                                body += &row == found.rows.data() ? "{\"topic\":" : ",{\"topic\":";
                                net::append_json_text(body, row.filter);
                                body.append(",\"subscribers\":").append(std::to_string(row.subscribers)).append("}");
                            }
                            body += ']';
                            if (found.more) {
                                body += ",\"next\":";
                                net::append_json_text(body, found.rows.back().filter);
                            }
                            call->answer_json(200, body + "}");
                        });
}

void get_topic(call_ptr const& call)
{
    auto const facts = std::make_shared<topic_facts>();
    if (!call->read_topic(facts->topic))
        return;
    if (!call->who.allowed->may_receive(facts->topic))
        return call->fail(403, "not allowed to read '" + facts->topic + "'");
    facts->subscribers.resize(call->owner.node().shards.size());
    auto const arrive = [call, facts] {
        if (--facts->missing == 0)
            answer_topic(*call, *facts);
    };
    call->owner.on_each_shard(
        *call->request.home,
        [facts, app = call->who.app](broker::shard& there) {
            facts->subscribers[there.id()] = there.routes().subscribers(app, facts->topic);
        },
        arrive);
    find_last(call, facts, arrive);
}

void get_retained(call_ptr const& call)
{
    std::string topic;
    if (!call->read_topic(topic))
        return;
    if (!call->who.allowed->may_receive(topic))
        return call->fail(403, "not allowed to read '" + topic + "'");
    auto const m = call->owner.node().retained.get(call->who.app, topic);
    if (!m || m->expired(call->request.home->wall()))
        return call->fail(404, "the topic has no retained message");
    std::string body;
    net::append_message_json(body, *m, 0);
    call->answer_json(200, std::move(body));
}

void delete_retained(call_ptr const& call)
{
    std::string topic;
    if (!call->read_topic(topic))
        return;
    if (!call->who.allowed->may_publish(topic))
        return call->fail(403, "not allowed to publish to '" + topic + "'");
    auto& here = *call->request.home;
    if (!call->owner.may_publish(here, 1))
        return call->fail(503, "too many publishes are under way");
    broker::message_fields fields;
    fields.app = call->who.app;
    fields.topic = topic;
    fields.level = broker::qos::at_least_once;
    fields.retain = true;
    fields.published_at = here.wall();
    call->owner.publish(here, broker::message::make(std::move(fields)), [call](broker::publish_outcome const& outcome) {
        outcome.error ? call->fail(outcome.error) : call->answer({204, {}, {}, {}});
    });
}

}  // namespace fulmar::rest
