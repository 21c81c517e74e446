#include "tests/unit/frontends/net/websocket_session_fixture.hpp"

namespace fulmar::net {
namespace {

using namespace std::chrono_literals;
using test::client_frame;
using test::close_payload;
using test::op;
using test::server_close;
using test::server_frame;

class websocket_session_test : public test::websocket_session_fixture
{
};

TEST_F(websocket_session_test, a_packet_may_span_messages_fragments_and_reads)  // [MQTT-6.0.0-2]
{
    open_stream();
    inner->unit = 5;
    feed.one_by_one(client_frame(op::binary, "ab") + client_frame(op::binary, "") +
                    client_frame(op::binary, "c", {.final = false}) + client_frame(op::ping, "?") +
                    client_frame(op::continuation, "defghi"));
    EXPECT_EQ(seen.bytes, "abcde");
    feed(client_frame(op::binary, "j"));
    EXPECT_EQ(seen.bytes, "abcdefghij");
    EXPECT_EQ(outer.take(), server_frame(op::pong, "?"));
}

TEST_F(websocket_session_test, many_packets_of_one_read_are_offered_together)
{
    open_stream();
    feed(client_frame(op::binary, "ab") + client_frame(op::binary, "cd") + client_frame(op::binary, "ef"));
    EXPECT_EQ(seen.bytes, "abcdef");
    EXPECT_EQ(seen.calls, 1);
}

TEST_F(websocket_session_test, a_text_frame_on_a_byte_stream_closes_with_1003)  // [MQTT-6.0.0-1]
{
    open_stream();
    feed(client_frame(op::binary, "x") + client_frame(op::text, "hello") + client_frame(op::binary, "y"));
    EXPECT_EQ(seen.bytes, "x");
    EXPECT_EQ(outer.take(), server_close(close_code::unsupported_kind));
    EXPECT_TRUE(outer.closed);
    EXPECT_EQ(failure, close_code::unsupported_kind);
}

TEST_F(websocket_session_test, a_broken_frame_closes_with_its_code_after_what_came_before_it)
{
    open_stream();
    feed(client_frame(op::binary, "x") + client_frame(op::binary, "y", {.reserved = 2}));
    EXPECT_EQ(seen.bytes, "x");
    EXPECT_EQ(outer.take(), server_close(close_code::protocol_error));
    EXPECT_TRUE(outer.closed);
    feed(client_frame(op::binary, "z"));
    EXPECT_EQ(seen.bytes, "x");
    EXPECT_EQ(feed.kept(), 0U);
}

TEST_F(websocket_session_test, what_the_inner_protocol_sends_is_one_binary_frame)
{
    open_stream();
    inner_wire->send("head", "tail");
    EXPECT_EQ(outer.take(), server_frame(op::binary, "headtail"));
    std::string const large(100'000, 'x');
    inner_wire->send(large, large);
    EXPECT_TRUE(outer.take() == server_frame(op::binary, large + large));
    EXPECT_EQ(inner_wire->framing(), wire::framing_kind::websocket_binary);
}

TEST_F(websocket_session_test, what_is_shared_is_one_text_frame_of_messages)
{
    open_messages();
    std::string const large(100'000, 'x');
    inner_wire->send_shared("head", large, nullptr);
    EXPECT_TRUE(outer.take() == server_frame(op::text, "head" + large));
}

TEST_F(websocket_session_test, runs_are_passed_on_as_they_are)
{
    open_stream();
    broker::frame_run run;
    run.bytes = {'a', 'b', 'c'};
    inner_wire->send_run(run, 1, 0);
    EXPECT_EQ(outer.take(), "bc");
}

TEST_F(websocket_session_test, pings_are_answered_and_pongs_are_not)  // RFC 6455 §5.5.2
{
    open_stream();
    feed(client_frame(op::ping, "") + client_frame(op::pong, "x") + client_frame(op::ping, std::string(125, 'p')));
    EXPECT_EQ(outer.take(), server_frame(op::pong, "") + server_frame(op::pong, std::string(125, 'p')));
}

TEST_F(websocket_session_test, messages_may_ping_and_are_told_of_pongs_also_between_fragments)
{
    open_messages();
    feed(client_frame(op::text, "a", {.final = false}) + client_frame(op::pong, "17") +
         client_frame(op::continuation, "b"));
    EXPECT_EQ(seen.pongs, std::vector<std::string>{"17"});
    EXPECT_EQ(outer.take(), server_frame(op::ping, "again") + server_frame(op::text, "ab"));
}

TEST_F(websocket_session_test, pings_of_a_peer_that_does_not_read_are_not_answered)
{
    open_stream();
    outer.backlog = settings.pong_backlog_max + 1;
    feed(client_frame(op::ping, "x"));
    EXPECT_EQ(outer.take(), "");
}

TEST_F(websocket_session_test, the_peers_close_is_echoed_with_its_code)  // RFC 6455 §5.5.1
{
    open_stream();
    feed(client_frame(op::binary, "x") + client_frame(op::close, close_payload(4001, "bye")) +
         client_frame(op::binary, "y"));
    EXPECT_EQ(seen.bytes, "x");
    EXPECT_EQ(outer.take(), server_close(4001));
    EXPECT_TRUE(outer.closed);
    session->on_closed(true);
    EXPECT_EQ(seen.ends, std::vector<bool>{true});
}

TEST_F(websocket_session_test, a_close_without_a_code_is_echoed_without_one)
{
    open_stream();
    feed(client_frame(op::close, ""));
    EXPECT_EQ(outer.take(), server_frame(op::close, ""));
    EXPECT_TRUE(outer.closed);
}

TEST_F(websocket_session_test, closing_sends_the_code_and_waits_for_the_peers_close)
{
    open_stream();
    inner_wire->set_deadline(90s);
    inner_wire->close(1001);
    EXPECT_EQ(outer.take(), server_close(1001));
    EXPECT_FALSE(outer.closed);
    EXPECT_EQ(outer.deadline, settings.close_wait);
    inner_wire->set_deadline(90s);  // no longer the inner protocol's
    inner_wire->send("late");
    inner_wire->close(1000);
    EXPECT_EQ(outer.deadline, settings.close_wait);
    feed(client_frame(op::binary, "dropped") + client_frame(op::ping, "x") + client_frame(op::text, "also") +
         client_frame(op::close, close_payload(1001)));
    EXPECT_EQ(seen.bytes, "");
    EXPECT_EQ(outer.take(), "");
    EXPECT_TRUE(outer.closed);
}

TEST_F(websocket_session_test, a_peer_that_never_closes_is_not_waited_for)
{
    open_stream();
    inner_wire->close(1000);
    session->on_deadline();
    EXPECT_TRUE(outer.closed);
    EXPECT_EQ(seen.deadlines, 0);
}

TEST_F(websocket_session_test, closing_from_inside_a_call_drops_what_follows)
{
    open_stream();
    inner->close_after = 2;
    feed(client_frame(op::binary, "abc") + client_frame(op::binary, "def"));
    EXPECT_EQ(seen.bytes, "ab");
    EXPECT_EQ(outer.take(), server_close(1000));
    feed(client_frame(op::binary, "ghi") + client_frame(op::close, close_payload(1000)));
    EXPECT_EQ(seen.bytes, "ab");
    EXPECT_TRUE(outer.closed);
}

TEST_F(websocket_session_test, deadlines_and_drains_reach_the_inner_protocol_while_open)
{
    open_stream();
    inner_wire->set_deadline(7s);
    EXPECT_EQ(outer.deadline, 7s);
    session->on_deadline();
    session->on_drained();
    EXPECT_EQ(seen.deadlines, 1);
    EXPECT_EQ(seen.drains, 1);
}

TEST_F(websocket_session_test, a_paused_protocol_gets_nothing_until_it_resumes_and_then_everything_in_order)
{
    open_stream();
    inner->pause_after = 2;
    feed(client_frame(op::binary, "abc") + client_frame(op::binary, "def"));
    EXPECT_EQ(seen.bytes, "ab");
    EXPECT_EQ(outer.pauses, 1);
    feed(client_frame(op::binary, "ghi"));
    EXPECT_EQ(seen.bytes, "ab");
    inner_wire->resume_reading();
    EXPECT_EQ(seen.bytes, "ab") << "not from inside the call";
    EXPECT_EQ(outer.pauses, 1);
    run_tasks();
    EXPECT_EQ(seen.bytes, "abcdef");
    EXPECT_EQ(outer.pauses, 0);
    feed("");
    EXPECT_EQ(seen.bytes, "abcdefghi");
}

TEST_F(websocket_session_test, pauses_are_counted)
{
    open_stream();
    inner_wire->pause_reading();
    inner_wire->pause_reading();
    inner_wire->resume_reading();
    EXPECT_EQ(outer.pauses, 1);
    inner_wire->resume_reading();
    EXPECT_EQ(outer.pauses, 0);
    inner_wire->resume_reading();
    EXPECT_EQ(outer.pauses, 0);
}

TEST_F(websocket_session_test, pausing_again_before_the_rest_was_offered_keeps_it)
{
    open_stream();
    inner->pause_after = 1;
    feed(client_frame(op::binary, "abc"));
    inner_wire->resume_reading();
    inner_wire->pause_reading();
    run_tasks();
    EXPECT_EQ(seen.bytes, "a");
    EXPECT_EQ(outer.pauses, 1);
    inner_wire->resume_reading();
    run_tasks();
    EXPECT_EQ(seen.bytes, "abc");
    EXPECT_EQ(outer.pauses, 0);
}

TEST_F(websocket_session_test, a_task_that_outlives_the_session_does_nothing)
{
    open_stream();
    inner->pause_after = 1;
    feed(client_frame(op::binary, "abc"));
    inner_wire->resume_reading();
    session.reset();
    run_tasks();
    EXPECT_EQ(seen.bytes, "a");
}

TEST_F(websocket_session_test, closing_while_paused_still_sees_the_peers_close)
{
    open_stream();
    inner_wire->pause_reading();
    inner_wire->close(1000);
    EXPECT_EQ(outer.pauses, 0);
    feed(client_frame(op::close, close_payload(1000)));
    EXPECT_TRUE(outer.closed);
}

TEST_F(websocket_session_test, messages_arrive_whole_with_their_kind)
{
    open_messages();
    feed.one_by_one(client_frame(op::text, "one", {.final = false}) + client_frame(op::continuation, " message") +
                    client_frame(op::binary, std::string("\0\xff", 2)));
    ASSERT_EQ(seen.messages.size(), 2U);
    EXPECT_EQ(seen.messages[0], std::make_pair(op::text, std::string{"one message"}));
    EXPECT_EQ(seen.messages[1], std::make_pair(op::binary, std::string("\0\xff", 2)));
    EXPECT_EQ(outer.take(), server_frame(op::text, "one message") + server_frame(op::binary, std::string("\0\xff", 2)));
}

TEST_F(websocket_session_test, it_is_counted_as_a_websocket_while_it_lives)
{
    auto const& counted = outer.place.shard.metrics().connections;
    outer.from.over = broker::transport::tls;
    open_stream();
    EXPECT_EQ(counted[static_cast<std::size_t>(broker::transport::websocket_tls)].get(), 1U);
    session.reset();
    EXPECT_EQ(counted[static_cast<std::size_t>(broker::transport::websocket_tls)].get(), 0U);
}

TEST_F(websocket_session_test, an_idle_session_is_small) { EXPECT_LE(sizeof(websocket_session), 256U); }

}  // namespace
}  // namespace fulmar::net
