#include "frontends/sse/event_stream.hpp"

#include "tests/unit/frontends/sse/sse_bench.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fulmar::sse {
namespace {

using test::http_bench;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

TEST(sse_stream, the_head_says_that_it_is_a_stream)
{
    sse_bench bench;
    auto const peer = bench.listen("topic=a");
    auto const text = peer->take();
    EXPECT_THAT(text, StartsWith("HTTP/1.1 200 OK\r\n"));
    EXPECT_THAT(text, HasSubstr("\r\nContent-Type: text/event-stream\r\n"));
    EXPECT_THAT(text, HasSubstr("\r\nCache-Control: no-store, no-transform\r\n"));
    EXPECT_THAT(text, HasSubstr("\r\nX-Accel-Buffering: no\r\n"));
    EXPECT_THAT(text, HasSubstr("\r\nConnection: close\r\n"));
    EXPECT_THAT(text, Not(HasSubstr("Content-Length")));
    EXPECT_THAT(body_of(text), StartsWith("retry: "));
    EXPECT_THAT(text, HasSubstr("event: ready\ndata: {\"topics\":[{\"topic\":\"a\",\"history\":false}]}\n\n"));
    EXPECT_FALSE(peer->closed);
}

TEST(sse_stream, head_gets_the_head_alone)
{
    sse_bench bench;
    auto const peer = bench.connect();
    *peer << http_bench::request("HEAD", "/sse?topic=a", "", "");
    auto const text = peer->take();
    EXPECT_THAT(text, StartsWith("HTTP/1.1 200 OK\r\n"));
    EXPECT_EQ(body_of(text), "");
    EXPECT_TRUE(peer->closed);
    EXPECT_EQ(bench.streams->open_streams(0), 0U);
}

TEST(sse_stream, messages_without_history_come_at_once_and_without_id)
{
    sse_bench bench;
    bench.core.store.hold();
    auto const peer = bench.listen("topic=a/%2B");
    (void)peer->take();
    bench.publish("a/b", "one", 1);
    bench.publish("b/a", "other");
    EXPECT_EQ(peer->take(), "topic: a/b\ndata: one\n\n");
}

TEST(sse_stream, messages_with_history_come_after_their_commit_with_an_id_whatever_their_qos)
{
    sse_bench bench;
    bench.core.store.hold();
    auto const peer = bench.listen("topic=news/1");
    (void)peer->take();
    bench.publish("news/1", "one", 0);
    EXPECT_EQ(peer->take(), "");
    bench.core.store.confirm_all();
    bench.core.settle();
    EXPECT_EQ(peer->take(), "id: 0.1\ntopic: news/1\ndata: one\n\n");
}

TEST(sse_stream, streams_of_one_topic_share_their_bytes)
{
    sse_bench bench;
    auto const one = bench.listen("topic=news/1");
    auto const two = bench.listen("topic=news/1");
    auto const several = bench.listen("topic=news/1&topic=news/2");
    one->runs = two->runs = several->runs = 0;
    (void)one->take(), (void)two->take(), (void)several->take();
    bench.publish("news/1", "x");
    EXPECT_EQ(one->runs, 1U);
    EXPECT_EQ(two->runs, 1U);
    EXPECT_EQ(several->runs, 0U) << "runs keep their order only within one topic";
    auto const text = one->take();
    EXPECT_EQ(text, "id: 0.1\ntopic: news/1\ndata: x\n\n");
    EXPECT_EQ(two->take(), text);
    EXPECT_EQ(several->take(), text);
}

TEST(sse_stream, several_topics_come_in_the_order_of_their_ids)
{
    sse_bench bench;
    bench.core.store.hold();
    auto const peer = bench.listen("topic=news/%23");
    (void)peer->take();
    for (auto const* const topic : {"news/1", "news/2", "news/1", "news/2"})
        bench.publish(topic, "x");
    bench.core.store.confirm_all();  // one turn
    bench.core.settle();
    auto const text = peer->take();
    std::size_t at = 0;
    for (auto const* const id : {"id: 0.1\n", "id: 0.2\n", "id: 0.3\n", "id: 0.4\n"}) {
        auto const next = text.find(id);
        ASSERT_NE(next, std::string::npos);
        EXPECT_GE(next, at);
        at = next;
    }
}

TEST(sse_stream, a_durable_session_gets_what_is_logged_for_history_once)
{
    sse_bench bench;
    test::core_client client{bench.core, 0, "c"};
    client.connect({.clean = false, .expiry_s = 100}).subscribe("news/1", 1);
    bench.publish("news/1", "zero", 0);
    bench.publish("news/1", "one", 1);
    EXPECT_EQ(client.received, (std::vector<std::string>{"news/1=zero", "news/1=one"}));
}

TEST(sse_stream, last_event_id_resumes_exactly_and_goes_on)
{
    sse_bench bench;
    for (auto const* const payload : {"1", "2", "3", "4"})
        bench.publish("news/1", payload);
    auto const peer = bench.listen("topic=news/1", "Last-Event-ID: 0.2\r\n");
    EXPECT_EQ(data_of(peer->take()), "3 4 ");
    bench.publish("news/1", "5");
    EXPECT_EQ(data_of("\n" + peer->take()), "5 ");
    EXPECT_EQ(bench.streams->metrics(0).gaps.get(), 0U);
}

TEST(sse_stream, what_is_published_while_the_log_is_read_comes_once_and_in_order)
{
    sse_bench bench;
    for (auto const* const payload : {"1", "2", "3"})
        bench.publish("news/1", payload);
    bench.core.store.hold_reads();
    auto const exact = bench.listen("topic=news/1&since=0.1");
    auto const wide = bench.listen("topic=news/%23&topic=other&since=0.1");
    bench.publish("news/1", "4");
    bench.publish("other", "live");
    bench.publish("news/1", "5");
    bench.core.store.release_reads();
    bench.core.settle();
    EXPECT_EQ(data_of(exact->take()), "2 3 4 5 ");
    EXPECT_EQ(data_of(wide->take()), "live 2 3 4 5 ");
    bench.publish("news/1", "6");
    EXPECT_EQ(data_of("\n" + exact->take()), "6 ");
    EXPECT_EQ(data_of("\n" + wide->take()), "6 ");
}

TEST(sse_stream, what_is_committed_behind_a_page_follows_it)
{
    sse_bench bench;
    bench.publish("news/1", "1");
    bench.publish("news/1", "2");
    bench.core.store.hold_pages();
    auto const exact = bench.listen("topic=news/1&since=earliest");
    auto const newest = bench.listen("topic=news/1&history=1");
    bench.publish("news/1", "3");  // the pages end before it
    bench.core.store.release_pages();
    bench.core.settle();
    EXPECT_EQ(data_of(exact->take()), "1 2 3 ");
    EXPECT_EQ(data_of(newest->take()), "2 3 ");
    bench.publish("news/1", "4");
    EXPECT_EQ(data_of("\n" + exact->take()), "4 ");
    EXPECT_EQ(data_of("\n" + newest->take()), "4 ");
}

TEST(sse_stream, what_a_page_has_given_is_not_repeated_when_its_commit_becomes_known)
{
    sse_bench bench;
    bench.publish("news/1", "1");
    // The store has committed a message that this shard has not heard of yet.
    bench.core.store.wants_log(0, false);
    bench.publish("news/1", "2");
    auto const exact = bench.listen("topic=news/1&since=earliest");
    auto const wide = bench.listen("topic=news/%23&since=earliest");
    EXPECT_EQ(data_of(exact->take()), "1 2 ");
    EXPECT_EQ(data_of(wide->take()), "1 2 ");
    exact->runs = 0;
    auto const log = bench.core.store.log();
    bench.core.shard(0).routes().on_committed({log[1]});
    bench.core.store.wants_log(0, true);
    bench.publish("news/1", "3");
    EXPECT_EQ(data_of("\n" + exact->take()), "3 ");
    EXPECT_EQ(data_of("\n" + wide->take()), "3 ");
    bench.publish("news/1", "4");
    EXPECT_EQ(data_of("\n" + exact->take()), "4 ");
    EXPECT_EQ(exact->runs, 1U) << "shared from here on";
}

TEST(sse_stream, more_than_is_kept_while_reading_is_read_from_the_log)
{
    sse_bench bench;
    bench.publish("news/1", "0");
    bench.core.store.hold_reads();
    auto const peer = bench.listen("topic=news/1&since=earliest");
    std::string expected = "0 ";
    for (int n = 1; n <= 1'000; ++n) {
        bench.publish("news/1", std::to_string(n));
        expected += std::to_string(n) + " ";
    }
    bench.core.store.release_reads();
    bench.core.settle();
    EXPECT_EQ(data_of(peer->take()), expected);
    bench.publish("news/1", "end");
    EXPECT_EQ(data_of("\n" + peer->take()), "end ");
}

TEST(sse_stream, history_begins_with_the_newest)
{
    sse_bench bench;
    for (int n = 1; n <= 40; ++n)
        bench.publish(n % 4 == 0 ? "news/a" : "news/b", std::to_string(n));
    EXPECT_EQ(data_of(bench.listen("topic=news/b&history=3")->take()), "37 38 39 ");
    EXPECT_EQ(data_of(bench.listen("topic=news/%23&history=2")->take()), "39 40 ");
    // With a wildcard that covers a part of a rule: looked for until there are enough.
    EXPECT_EQ(data_of(bench.listen("topic=news/a&topic=x&history=5")->take()), "24 28 32 36 40 ");
    EXPECT_EQ(data_of(bench.listen("topic=%2B/a&history=5")->take()), "24 28 32 36 40 ");
    EXPECT_EQ(data_of(bench.listen("topic=news/b&history=100")->take()).substr(0, 8), "1 2 3 5 ");
}

TEST(sse_stream, a_time_is_a_place_too)
{
    sse_bench bench;
    for (int n = 1; n <= 3; ++n) {
        broker::message_fields fields;
        fields.topic = "news/1";
        auto const text = std::to_string(n);
        fields.payload = text;
        fields.published_at = bench.core.clock.wall();
        bench.core.publish(0, broker::message::make(std::move(fields)));
        bench.core.advance(std::chrono::minutes{1});
    }
    EXPECT_EQ(data_of(bench.listen("topic=news/1&since=130s")->take()), "2 3 ");
}

TEST(sse_stream, a_rule_limits_what_is_kept_of_a_topic)
{
    sse_bench bench{1, {{{}, "news/#", 60'000, 2, 0}}};
    auto const put = [&](std::string_view payload) {
        broker::message_fields fields;
        fields.topic = "news/1";
        fields.payload = payload;
        fields.published_at = bench.core.clock.wall();
        bench.core.publish(0, broker::message::make(std::move(fields)));
    };
    put("1"), put("2"), put("3");
    EXPECT_EQ(data_of(bench.listen("topic=news/1&since=earliest")->take()), "2 3 ");
    auto const text = bench.listen("topic=news/1", "Last-Event-ID: 0.0\r\n")->take();
    EXPECT_THAT(text, HasSubstr("event: gap\nid: 0.1\ndata: {\"from\":\"0.0\",\"to\":\"0.1\"}\n\n"));
    bench.core.advance(std::chrono::minutes{2});
    EXPECT_EQ(data_of(bench.listen("topic=news/1&since=earliest")->take()), "");
}

TEST(sse_stream, a_gap_is_said_when_retention_has_passed)
{
    sse_bench bench;
    for (auto const* const payload : {"1", "2", "3", "4"})
        bench.publish("news/1", payload);
    bench.core.store.trim_to(3);
    auto const text = bench.listen("topic=news/1", "Last-Event-ID: 0.1\r\n")->take();
    EXPECT_THAT(text, HasSubstr("event: gap\nid: 0.3\ndata: {\"from\":\"0.1\",\"to\":\"0.3\"}\n\n"));
    EXPECT_EQ(data_of(text), "4 ");
    EXPECT_EQ(bench.streams->metrics(0).gaps.get(), 1U);
}

TEST(sse_stream, what_retention_took_is_not_known_by_topic)
{
    sse_bench bench;
    for (auto const* const topic : {"news/1", "news/2", "news/2", "news/1"})
        bench.publish(topic, "x");
    bench.core.store.trim_to(3);
    EXPECT_THAT(bench.listen("topic=news/1", "Last-Event-ID: 0.1\r\n")->take(), HasSubstr("event: gap\nid: 0.3\n"));
}

TEST(sse_stream, an_id_of_another_log_is_a_gap_and_no_error)
{
    sse_bench bench;
    bench.publish("news/1", "1");
    for (auto const* const id : {"0.99", "nonsense"}) {
        auto const peer = bench.listen("topic=news/1", "Last-Event-ID: " + std::string{id} + "\r\n");
        EXPECT_THAT(peer->take(), HasSubstr("event: gap\nid: 0.1\n")) << id;
        EXPECT_FALSE(peer->closed);
    }
}

TEST(sse_stream, the_first_event_carries_the_place_to_come_back_to)
{
    sse_bench bench;
    bench.publish("news/1", "1");
    EXPECT_THAT(bench.listen("topic=news/1")->take(), HasSubstr("event: ready\nid: 0.1\n"));
}

TEST(sse_stream, a_sign_of_life_moves_the_place_to_come_back_to)
{
    sse_bench bench;
    auto const peer = bench.listen("topic=news/1");
    (void)peer->take();
    EXPECT_EQ(peer->deadline, std::chrono::milliseconds{15'000});
    peer->fire_deadline();
    EXPECT_EQ(peer->take(), ":\n\n");
    bench.publish("news/2", "for somebody else");
    peer->fire_deadline();
    EXPECT_EQ(peer->take(), "id: 0.1\n\n");
    peer->fire_deadline();
    EXPECT_EQ(peer->take(), ":\n\n");
}

TEST(sse_stream, a_client_that_does_not_read_is_closed_with_a_time_to_come_back)
{
    for (auto const shared : {true, false}) {
        sse_bench bench;
        auto const peer = bench.listen(shared ? "topic=news/1" : "topic=news/%23");
        (void)peer->take();
        peer->backlog = 2 * 1024 * 1024;
        if (shared)
            peer->drop_frames();
        else
            bench.publish("news/1", "x");
        bench.core.settle();
        EXPECT_TRUE(peer->closed);
        EXPECT_THAT(peer->take(), StartsWith("retry: "));
        EXPECT_EQ(bench.streams->metrics(0).slow.get(), 1U);
    }
}

TEST(sse_stream, a_client_that_reads_slowly_while_it_catches_up_is_waited_for)
{
    sse_bench bench;
    for (int n = 0; n < 600; ++n)
        bench.publish("news/1", std::to_string(n));
    auto const peer = bench.connect();
    peer->backlog = 700 * 1024;  // above half of the limit
    *peer << http_bench::get("/sse?topic=news/1&since=earliest");
    EXPECT_EQ(data_of(peer->take()), "");
    bench.publish("news/1", "600");
    peer->drain();
    std::string expected;
    for (int n = 0; n <= 600; ++n)
        expected += std::to_string(n) + " ";
    EXPECT_EQ(data_of("\n" + peer->take()), expected);
    EXPECT_FALSE(peer->closed);
}

TEST(sse_stream, ndjson_is_lines_and_nothing_else)
{
    sse_bench bench;
    auto const peer = bench.listen("topic=news/1&format=ndjson");
    EXPECT_EQ(body_of(peer->take()), "");
    bench.publish("news/1", "x");
    EXPECT_THAT(peer->take(), StartsWith(R"({"id":"0.1","topic":"news/1","data":"x","time":)"));
}

TEST(sse_stream, it_works_across_shards)
{
    sse_bench bench{2};
    auto const peer = bench.listen("topic=news/1&topic=live", "", 1);
    (void)peer->take();
    bench.publish("news/1", "logged", 0, 0);
    bench.publish("live", "passing", 0, 0);
    auto const text = peer->take();
    EXPECT_THAT(text, HasSubstr("id: 0.1\ntopic: news/1\ndata: logged\n\n"));
    EXPECT_THAT(text, HasSubstr("topic: live\ndata: passing\n\n"));
}

TEST(sse_stream, a_stream_ends_when_its_token_does)
{
    sse_bench bench;
    bench.users.holder.expires_at = bench.core.clock.wall() + 5'000;
    auto const peer = bench.listen("topic=news/1", "Authorization: Bearer good\r\n");
    EXPECT_LE(peer->deadline, std::chrono::milliseconds{5'001});
    bench.core.advance(std::chrono::seconds{5});
    peer->fire_deadline();
    EXPECT_TRUE(peer->closed);
}

TEST(sse_stream, what_may_not_be_read_is_refused)
{
    sse_bench bench;
    EXPECT_THAT(bench.ask(http_bench::get("/sse?topic=x", "Authorization: Bearer good\r\n")),
                StartsWith("HTTP/1.1 403 "));
    EXPECT_THAT(bench.ask(http_bench::get("/sse?topic=news/1", "Authorization: Bearer bad\r\n")),
                StartsWith("HTTP/1.1 401 "));
    EXPECT_THAT(bench.ask(http_bench::get("/sse?topic=private-x")), StartsWith("HTTP/1.1 403 "));
    EXPECT_THAT(bench.ask(http_bench::get("/sse")), StartsWith("HTTP/1.1 400 "));
    EXPECT_THAT(bench.ask(http_bench::get("/sse?topic=news/1", "Cookie: a=b; fulmar_token=good\r\n")),
                StartsWith("HTTP/1.1 200 "));
    EXPECT_THAT(bench.ask(http_bench::get("/sse?topic=x", http_bench::basic)), StartsWith("HTTP/1.1 200 "));
}

TEST(sse_stream, replay_is_judged_topic_by_topic)  // attack list F6
{
    sse_bench bench{1, {{{}, "#"}}};
    bench.publish("news/1", "open");
    bench.publish("private-1", "closed");
    EXPECT_EQ(data_of(bench.listen("topic=%23&since=earliest")->take()), "open ");
}

TEST(sse_stream, foreign_pages_get_nothing)  // attack list D5, D8
{
    sse_bench bench;
    EXPECT_THAT(bench.ask(http_bench::get("/sse?topic=a", "Origin: https://evil.example\r\n")),
                StartsWith("HTTP/1.1 403 "));
    auto const own = bench.ask(http_bench::get("/sse?topic=a", "Origin: http://localhost:3000\r\n"));
    EXPECT_THAT(own, StartsWith("HTTP/1.1 200 "));
    EXPECT_THAT(own, HasSubstr("\r\nAccess-Control-Allow-Origin: http://localhost:3000\r\n"));
    EXPECT_THAT(bench.ask("GET /sse?topic=a HTTP/1.1\r\nHost: evil.example\r\n\r\n"), StartsWith("HTTP/1.1 401 "))
        << "a foreign name that points to this machine";
    auto const asked = bench.ask(http_bench::request(
        "OPTIONS", "/sse", "Origin: http://localhost\r\nAccess-Control-Request-Method: POST\r\n", ""));
    EXPECT_THAT(asked, HasSubstr("\r\nAccess-Control-Allow-Methods: GET, HEAD, POST, OPTIONS\r\n"));
    EXPECT_THAT(asked, HasSubstr("\r\nAccess-Control-Max-Age: 600\r\n"));
}

TEST(sse_stream, a_ticket_is_good_once_and_for_its_topics)
{
    sse_bench bench;
    auto const now = bench.core.clock.wall();
    auto const issue = [&] { return *bench.tickets.issue(bench.users.anonymous, {"news/#"}, now); };
    auto const ticket = issue();
    EXPECT_THAT(bench.ask(http_bench::get("/sse?topic=news/1&ticket=" + ticket)), StartsWith("HTTP/1.1 200 "));
    EXPECT_THAT(bench.ask(http_bench::get("/sse?topic=news/1&ticket=" + ticket)), StartsWith("HTTP/1.1 401 "));
    EXPECT_THAT(bench.ask(http_bench::get("/sse?topic=other&ticket=" + issue())), StartsWith("HTTP/1.1 403 "));
    auto const late = issue();
    bench.core.advance(std::chrono::seconds{31});
    EXPECT_THAT(bench.ask(http_bench::get("/sse?topic=news/1&ticket=" + late)), StartsWith("HTTP/1.1 401 "));
}

TEST(sse_stream, streams_are_told_to_come_back_when_the_broker_drains)
{
    sse_bench bench;
    auto const peer = bench.listen("topic=news/1");
    (void)peer->take();
    EXPECT_EQ(bench.streams->open_streams(0), 1U);
    bench.streams->close_streams(0);
    bench.core.settle();
    EXPECT_THAT(peer->take(), StartsWith("retry: "));
    EXPECT_TRUE(peer->closed);
    peer->lose();
    EXPECT_EQ(bench.streams->open_streams(0), 0U);
}

}  // namespace
}  // namespace fulmar::sse
