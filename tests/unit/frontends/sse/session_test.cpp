#include "frontends/sse/session_reader.hpp"
#include "tests/unit/frontends/sse/sse_bench.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fulmar::sse {
namespace {

using namespace std::chrono_literals;
using test::http_bench;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr std::string_view as_ann = "Authorization: Bearer good\r\n";

std::string id_line(std::string_view id) { return "Last-Event-ID: " + std::string{id} + "\r\n"; }

// The client's machine has everything, and the broker looks.
void acknowledge(sse_bench& bench, test::http_peer& peer)
{
    peer.fire_deadline();
    bench.core.settle();
}

void leave(sse_bench& bench, test::http_peer& peer)
{
    peer.lose();
    bench.core.settle();
}

TEST(sse_session, it_gets_what_was_published_while_it_was_away)
{
    sse_bench bench;
    auto first = bench.listen("topic=a/%2B&session=s1");
    EXPECT_THAT(first->take(), HasSubstr(R"("history":false}],"session":{"name":"s1","resumed":false}})"));
    leave(bench, *first);
    bench.publish("a/1", "1", 1);
    bench.publish("a/2", "2", 2);
    bench.publish("a/1", "passing", 0);
    bench.publish("b/1", "other", 1);
    bench.publish("a/1", "3", 1);
    auto const second = bench.listen("topic=a/%2B&session=s1");
    auto const text = second->take();
    EXPECT_THAT(text, HasSubstr(R"("resumed":true)"));
    EXPECT_EQ(data_of(text), "1 2 3 ");
    EXPECT_THAT(text, HasSubstr("id: 0.1\ntopic: a/1\ndata: 1\n\n"));
    bench.publish("a/1", "4", 1);
    bench.publish("a/1", "now", 0);
    EXPECT_EQ(second->take(), "id: 0.4\ntopic: a/1\ndata: 4\n\ntopic: a/1\ndata: now\n\n");
    EXPECT_EQ(bench.streams->metrics(0).gaps.get(), 0U);
}

TEST(sse_session, its_messages_come_after_their_commit_with_an_id)
{
    sse_bench bench;
    auto const peer = bench.listen("topic=a&session=s1");
    (void)peer->take();
    bench.core.store.hold();
    bench.publish("a", "1", 1);
    EXPECT_EQ(peer->take(), "");
    bench.core.store.release();
    bench.core.settle();
    EXPECT_EQ(peer->take(), "id: 0.1\ntopic: a\ndata: 1\n\n");
}

TEST(sse_session, it_is_there_again_after_the_broker_was_killed)
{
    sse_bench bench{2};
    for (auto const* const name : {"s1", "s2", "s3", "s4"}) {
        auto const peer = bench.listen("topic=a&session=" + std::string{name}, "", 1);
        bench.publish("a", "had", 1);
        acknowledge(bench, *peer);
        bench.core.advance(1s);
        peer->lose();
        bench.kill_and_restart();
        bench.publish("a", "missed", 1, 0);
        auto const again = bench.listen("topic=a&session=" + std::string{name});
        EXPECT_EQ(data_of(again->take()), "missed ") << name;
        leave(bench, *again);
    }
}

TEST(sse_session, what_was_not_acknowledged_comes_again)
{
    sse_bench bench;
    auto const first = bench.listen("topic=a&session=s1");
    bench.publish("a", "1", 1);
    acknowledge(bench, *first);
    first->acknowledges = false;
    bench.publish("a", "2", 1);
    for (int looks = 0; looks < 3; ++looks)
        acknowledge(bench, *first);
    EXPECT_EQ(bench.session("s1")->place, 1U);
    leave(bench, *first);
    auto const second = bench.listen("topic=a&session=s1");
    EXPECT_EQ(data_of(second->take()), "2 ");
}

TEST(sse_session, a_client_that_is_sent_something_all_the_time_gets_on)
{
    sse_bench bench;
    auto const peer = bench.listen("topic=a&session=s1");
    acknowledge(bench, *peer);
    peer->acknowledges = false;
    bench.publish("a", "1", 1);
    EXPECT_LE(peer->deadline, session_reader::look_after);
    peer->fire_deadline();  // from here on it is waited for
    bench.publish("a", "2", 1);
    peer->acknowledges = true;
    (void)peer->receipt();  // both are acknowledged
    peer->acknowledges = false;
    bench.publish("a", "3", 1);
    acknowledge(bench, *peer);
    EXPECT_EQ(bench.session("s1")->place, 1U) << "2 may have been written after the place that was waited for";
    peer->backlog = 100;  // what is not written is not waited for
    peer->acknowledges = true;
    acknowledge(bench, *peer);
    EXPECT_EQ(bench.session("s1")->place, 3U);
    peer->backlog = 0;
    bench.publish("a", "4", 1);
    acknowledge(bench, *peer);
    EXPECT_EQ(bench.session("s1")->place, 4U);
}

TEST(sse_session, an_idle_session_moves_on_with_the_log)
{
    sse_bench bench;
    auto const peer = bench.listen("topic=a&session=s1");
    bench.publish("news/1", "for somebody else", 1);
    EXPECT_EQ(peer->deadline, 15s);
    bench.core.advance(15s);
    peer->fire_deadline();
    bench.core.advance(1s);
    EXPECT_EQ(bench.session("s1")->place, 1U);
    EXPECT_EQ(bench.core.store.sessions().front().cursor, 1U);
    EXPECT_THAT(peer->take(), testing::EndsWith("id: 0.1\n\n"));
}

TEST(sse_session, last_event_id_counts_before_the_place_that_is_remembered)
{
    sse_bench bench;
    auto const first = bench.listen("topic=a&session=s1");
    for (auto const* const payload : {"1", "2", "3", "4"})
        bench.publish("a", payload, 1);
    acknowledge(bench, *first);
    leave(bench, *first);
    EXPECT_EQ(bench.session("s1")->place, 4U);
    auto const back = bench.listen("topic=a&session=s1", id_line("0.2"));
    EXPECT_EQ(data_of(back->take()), "3 4 ");
    EXPECT_EQ(bench.session("s1")->place, 2U);
    leave(bench, *back);
    auto const ahead = bench.listen("topic=a&session=s1&last_event_id=0.3");
    EXPECT_EQ(data_of(ahead->take()), "4 ");
    leave(bench, *ahead);
    auto const foreign = bench.listen("topic=a&session=s1", id_line("0.99"));
    auto const text = foreign->take();
    EXPECT_EQ(data_of(text), "4 ") << "an id of no log: the remembered place";
    EXPECT_THAT(text, Not(HasSubstr("event: gap")));
}

TEST(sse_session, the_log_is_kept_for_who_comes_back_with_an_older_id)
{
    sse_bench bench;
    auto const peer = bench.listen("topic=a&session=s1");
    auto const kept_from = [&] { return bench.core.store.sessions().front().inflight.front().sequence; };
    auto const move_on = [&](std::string_view payload) {
        bench.publish("a", payload, 1);
        acknowledge(bench, *peer);
        bench.core.advance(20s);
    };
    move_on("1");
    EXPECT_EQ(bench.core.store.sessions().front().cursor, 1U);
    EXPECT_EQ(kept_from(), 1U);
    move_on("2");
    move_on("3");
    EXPECT_EQ(kept_from(), 1U);
    move_on("4");
    EXPECT_EQ(kept_from(), 3U) << "where it was 30 to 60 seconds ago";
    leave(bench, *peer);
    auto const back = bench.listen("topic=a&session=s1", id_line("0.1"));
    EXPECT_EQ(data_of(back->take()), "2 3 4 ");
    EXPECT_EQ(kept_from(), 2U);
}

TEST(sse_session, since_and_history_are_for_the_first_time)
{
    sse_bench bench;
    for (auto const* const payload : {"1", "2", "3"})
        bench.publish("news/1", payload);
    auto const first = bench.listen("topic=news/1&topic=a&session=s1&history=2");
    EXPECT_EQ(data_of(first->take()), "2 3 ");
    acknowledge(bench, *first);
    leave(bench, *first);
    bench.publish("news/1", "4");
    auto const second = bench.listen("topic=news/1&topic=a&session=s1&since=earliest");
    EXPECT_EQ(data_of(second->take()), "4 ");
}

TEST(sse_session, topics_with_history_come_once_whatever_their_qos)
{
    sse_bench bench;
    auto first = bench.listen("topic=%23&topic=news/1&session=s1");
    (void)first->take();
    bench.publish("news/1", "1", 1);
    bench.publish("news/1", "2", 0);
    bench.publish("plain", "3", 1);
    EXPECT_EQ(data_of("\n" + first->take()), "1 2 3 ");
    acknowledge(bench, *first);
    leave(bench, *first);
    bench.publish("news/1", "4", 0);
    bench.publish("news/1", "5", 1);
    bench.publish("plain", "6", 1);
    bench.core.store.hold_reads();
    auto second = bench.listen("topic=%23&topic=news/1&session=s1");
    bench.publish("news/1", "7", 1);
    bench.core.store.release_reads();
    bench.core.settle();
    EXPECT_EQ(data_of(second->take()), "4 5 6 7 ");
    leave(bench, *second);
    bench.core.store.hold_pages();
    second = bench.listen("topic=%23&topic=news/1&session=s1", id_line("0.6"));
    bench.publish("news/1", "8", 1);  // the page ends before it
    bench.core.store.release_pages();
    bench.core.settle();
    EXPECT_EQ(data_of(second->take()), "7 8 ");
}

TEST(sse_session, the_newest_request_says_which_topics)
{
    sse_bench bench;
    auto const first = bench.listen("topic=a&topic=b&session=s1");
    leave(bench, *first);
    bench.publish("a", "a1", 1);
    bench.publish("b", "b1", 1);
    bench.publish("c", "before", 1);
    auto const second = bench.listen("topic=c&topic=b&session=s1");
    EXPECT_EQ(data_of(second->take()), "b1 ");
    EXPECT_EQ(bench.session("s1")->topics, (std::vector<std::string>{"b", "c"}));
    leave(bench, *second);
    bench.publish("a", "a2", 1);
    bench.publish("c", "c1", 1);
    bench.publish("news/1", "old", 0);
    auto const third = bench.listen("topic=a&topic=c&topic=news/1&session=s1");
    EXPECT_EQ(data_of(third->take()), "c1 ") << "what is asked for anew begins now";
}

TEST(sse_session, it_belongs_to_its_user)
{
    sse_bench bench;
    auto const own = bench.listen("topic=news/1&session=s1", as_ann);
    EXPECT_THAT(own->take(), StartsWith("HTTP/1.1 200 "));
    EXPECT_THAT(bench.ask(http_bench::get("/sse?topic=news/1&session=s1")), StartsWith("HTTP/1.1 403 "));
    EXPECT_THAT(bench.ask(http_bench::get("/sse?topic=news/1&session=s1", http_bench::basic)),
                StartsWith("HTTP/1.1 403 "));
    EXPECT_FALSE(own->closed);
    EXPECT_EQ(bench.core.shard(0).metrics().reader_sessions_refused.get(), 2U);
}

TEST(sse_session, a_second_reader_takes_over_and_the_first_does_not_fight_back)
{
    sse_bench bench{2};
    auto const first = bench.listen("topic=a&session=s1", "", 0);
    bench.publish("a", "1", 1);
    (void)first->take();
    auto const second = bench.listen("topic=a&session=s1", "", 1);
    EXPECT_THAT(first->take(), StartsWith("event: taken-over\nid: 0.1;taken-over\ndata: {}\n\nretry: "));
    EXPECT_TRUE(first->closed);
    EXPECT_EQ(data_of(second->take()), "1 ") << "nobody has acknowledged it";
    first->lose();
    bench.core.settle();
    auto const answer = bench.ask(http_bench::get("/sse?topic=a&session=s1", id_line("0.1;taken-over")));
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 204 "));
    EXPECT_FALSE(second->closed);
    bench.publish("a", "2", 1);
    EXPECT_EQ(data_of("\n" + second->take()), "2 ");
    leave(bench, *second);
    // Nobody is there any more: welcome.
    auto const back = bench.listen("topic=a&session=s1", id_line("0.1;taken-over"));
    EXPECT_EQ(data_of(back->take()), "2 ");
}

TEST(sse_session, lines_end_with_a_word_when_another_reader_takes_over)
{
    sse_bench bench;
    auto const first = bench.listen("topic=a&session=s1&format=ndjson");
    (void)first->take();
    auto const second = bench.listen("topic=a&session=s1");
    EXPECT_EQ(first->take(), "{\"taken-over\":{}}\n");
    EXPECT_TRUE(first->closed);
}

TEST(sse_session, it_expires)
{
    sse_options options;
    options.session_expiry_s = 60;
    sse_bench bench{1, {}, {}, options};
    auto const first = bench.listen("topic=a&session=s1");
    bench.core.advance(10min);
    EXPECT_TRUE(bench.session("s1")->has_reader);
    leave(bench, *first);
    bench.core.advance(59s);
    ASSERT_TRUE(bench.session("s1"));
    bench.core.advance(1s);
    EXPECT_FALSE(bench.session("s1"));
    EXPECT_TRUE(bench.core.store.sessions().empty());
    EXPECT_EQ(bench.core.shard(0).metrics().reader_sessions.get(), 0U);
    EXPECT_EQ(bench.core.shard(0).metrics().reader_sessions_expired.get(), 1U);
    bench.publish("a", "1", 1);
    EXPECT_TRUE(bench.core.store.log().empty()) << "nobody wants it any more";
}

TEST(sse_session, who_comes_back_to_an_expired_session_is_told_of_the_gap)
{
    sse_bench bench;
    auto const first = bench.listen("topic=a&topic=news/1&session=s1");
    bench.publish("a", "1", 1);
    leave(bench, *first);
    bench.core.advance(2h);
    bench.publish("news/1", "2", 1);
    auto const text = bench.listen("topic=a&topic=news/1&session=s1", id_line("0.1"))->take();
    EXPECT_THAT(text, HasSubstr("event: gap\nid: 0.1\ndata: {\"from\":\"0.1\",\"to\":\"0.2\"}\n\n"));
    EXPECT_EQ(data_of(text), "2 ") << "what keeps a history is there";
    auto const whole = bench.listen("topic=news/1&session=s2", id_line("0.1"))->take();
    EXPECT_THAT(whole, Not(HasSubstr("event: gap")));
}

TEST(sse_session, it_expires_also_while_the_broker_was_away)
{
    sse_bench bench;
    auto const first = bench.listen("topic=a&session=s1");
    leave(bench, *first);
    bench.core.clock.advance(2h);
    bench.kill_and_restart();
    bench.core.advance(1s);
    EXPECT_FALSE(bench.session("s1"));
}

TEST(sse_session, there_are_as_many_as_the_limit_says)
{
    broker::limits limits;
    limits.sessions_max = 2;
    sse_bench bench{2, {}, limits};
    auto const one = bench.listen("topic=a&session=s1");
    auto const two = bench.listen("topic=a&session=s2");
    EXPECT_THAT(bench.ask(http_bench::get("/sse?topic=a&session=s3")), StartsWith("HTTP/1.1 429 "));
    EXPECT_THAT(bench.ask(http_bench::get("/sse?topic=a&session=s1")), StartsWith("HTTP/1.1 200 "));
}

TEST(sse_session, more_than_it_may_have_waiting_is_a_gap)
{
    broker::limits limits;
    limits.session_queue_messages = 2;
    sse_bench bench{1, {}, limits};
    auto const first = bench.listen("topic=a&session=s1");
    leave(bench, *first);
    for (auto const* const payload : {"1", "2", "3", "4"})
        bench.publish("a", payload, 1);
    auto const text = bench.listen("topic=a&session=s1")->take();
    EXPECT_THAT(text, HasSubstr("event: gap\nid: 0.2\ndata: {\"from\":\"0.0\",\"to\":\"0.2\"}\n\n"));
    EXPECT_EQ(data_of(text), "3 4 ");
    EXPECT_EQ(bench.core.dropped(broker::drop_reason::queue_limit), 2U);
}

TEST(sse_session, what_retention_took_is_a_gap)
{
    sse_bench bench;
    auto const first = bench.listen("topic=a&session=s1");
    leave(bench, *first);
    for (auto const* const payload : {"1", "2", "3"})
        bench.publish("a", payload, 1);
    bench.core.store.trim_to(2);
    auto const text = bench.listen("topic=a&session=s1")->take();
    EXPECT_THAT(text, HasSubstr("event: gap\nid: 0.2\n"));
    EXPECT_EQ(data_of(text), "3 ");
}

TEST(sse_session, what_it_missed_is_judged_by_the_rights_of_now)
{
    sse_bench bench;
    bench.users.anonymous.allowed = test::fixed_authenticator::grant({"#"}, {"#"});
    auto const first = bench.listen("topic=%23&session=s1");
    leave(bench, *first);
    bench.publish("a", "open", 1);
    bench.publish("private-1", "closed", 1);
    EXPECT_EQ(data_of(bench.listen("topic=%23&session=s1")->take()), "open ");
    bench.users.anonymous.allowed = test::fixed_authenticator::grant({"#"}, {"b"});
    EXPECT_THAT(bench.ask(http_bench::get("/sse?topic=%23&session=s1")), StartsWith("HTTP/1.1 403 "));
}

TEST(sse_session, what_the_store_does_not_take_is_refused_and_leaves_nothing)
{
    sse_bench bench;
    bench.core.store.fail_next(make_error_code(broker::errc::store_failed));
    EXPECT_THAT(bench.ask(http_bench::get("/sse?topic=a&session=s1")), StartsWith("HTTP/1.1 503 "));
    EXPECT_FALSE(bench.session("s1"));
    bench.publish("a", "1", 1);
    EXPECT_TRUE(bench.core.store.log().empty());
    auto const peer = bench.listen("topic=a&session=s1");
    EXPECT_THAT(peer->take(), StartsWith("HTTP/1.1 200 "));
    leave(bench, *peer);
    bench.core.store.fail_next(make_error_code(broker::errc::store_failed));
    EXPECT_THAT(bench.ask(http_bench::get("/sse?topic=a&topic=b&session=s1")), StartsWith("HTTP/1.1 503 "));
    EXPECT_EQ(bench.session("s1")->topics, (std::vector<std::string>{"a"}));
    EXPECT_FALSE(bench.session("s1")->has_reader);
}

TEST(sse_session, a_client_that_does_not_wait_for_it_does_not_hold_it)
{
    sse_bench bench;
    bench.core.store.hold();
    auto const gone = bench.listen("topic=a&session=s1");
    gone->lose();
    bench.core.store.release();
    bench.core.settle();
    ASSERT_TRUE(bench.session("s1"));
    EXPECT_FALSE(bench.session("s1")->has_reader);
    EXPECT_EQ(bench.streams->open_streams(0), 0U);
}

TEST(sse_session, of_two_that_come_at_once_the_newest_has_it)
{
    sse_bench bench{2};
    bench.core.store.hold();
    auto const first = bench.listen("topic=a&session=s1", "", 0);
    auto const second = bench.listen("topic=a&topic=b&session=s1", "", 1);
    bench.core.store.release();
    bench.core.settle();
    EXPECT_THAT(first->take(), StartsWith("HTTP/1.1 204 "));
    EXPECT_THAT(second->take(), StartsWith("HTTP/1.1 200 "));
    bench.publish("b", "1", 1);
    EXPECT_EQ(data_of("\n" + second->take()), "1 ");
}

TEST(sse_session, head_makes_none)
{
    sse_bench bench;
    auto const peer = bench.connect();
    *peer << http_bench::request("HEAD", "/sse?topic=a&session=s1", "", "");
    EXPECT_THAT(peer->take(), StartsWith("HTTP/1.1 200 "));
    EXPECT_FALSE(bench.session("s1"));
}

TEST(sse_session, it_may_be_dropped)
{
    sse_bench bench;
    auto const peer = bench.listen("topic=a&session=s1");
    (void)peer->take();
    EXPECT_FALSE(bench.core.shard(0).readers().drop(broker::default_app, "other"));
    EXPECT_TRUE(bench.core.shard(0).readers().drop(broker::default_app, "s1"));
    bench.core.settle();
    EXPECT_TRUE(peer->closed);
    EXPECT_THAT(peer->take(), StartsWith("retry: "));
    EXPECT_TRUE(bench.core.store.sessions().empty());
    std::size_t seen = 0;
    bench.core.shard(0).readers().for_each([&seen](auto const&) { return ++seen != 0; });
    EXPECT_EQ(seen, 0U);
}

TEST(sse_session, the_shard_of_the_reader_is_not_the_home_of_the_session)
{
    for (std::size_t shard = 0; shard < 3; ++shard) {
        sse_bench bench{3};
        auto const first = bench.listen("topic=a&session=s1", "", shard);
        bench.publish("a", "1", 1, (shard + 1) % 3);
        EXPECT_EQ(data_of(first->take()), "1 ");
        acknowledge(bench, *first);
        leave(bench, *first);
        bench.publish("a", "2", 1, (shard + 2) % 3);
        auto const second = bench.listen("topic=a&session=s1", "", (shard + 1) % 3);
        EXPECT_EQ(data_of(second->take()), "2 ");
    }
}

}  // namespace
}  // namespace fulmar::sse
