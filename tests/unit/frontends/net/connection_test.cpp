#include "frontends/net/connection.hpp"

#include "tests/unit/frontends/net/network_fixture.hpp"

#include <algorithm>

namespace fulmar::net::test {
namespace {

using namespace std::chrono_literals;

broker::limits small_outbox()
{
    broker::limits limits;
    limits.outbox_bytes = 64 * 1024;
    return limits;
}

frontend_options quick()
{
    frontend_options options;
    options.read_buffer_bytes = 64 * 1024;
    options.read_bytes_per_turn = 128 * 1024;
    options.linger = 300ms;
    return options;
}

class connection_test : public network_fixture
{
protected:
    connection_test() : network_fixture(small_outbox(), quick()) {}
};

std::size_t whole_lines(std::span<char const> in)
{
    std::string_view const text{in.data(), in.size()};
    auto const end = text.rfind('\n');
    return end == std::string_view::npos ? 0 : end + 1;
}

TEST_F(connection_test, an_idle_connection_is_small) { EXPECT_LE(sizeof(connection), 168U); }

TEST_F(connection_test, it_knows_its_peer)
{
    auto peer = connect();
    EXPECT_EQ(talk().w->remote().address, "127.0.0.1");
    EXPECT_NE(talk().w->remote().port, 0);
    EXPECT_TRUE(talk().w->remote().loopback);
    EXPECT_EQ(talk().w->remote().over, broker::transport::tcp);
    EXPECT_EQ(&talk().w->home(), &core.shard(0));
}

TEST_F(connection_test, it_knows_what_the_peers_machine_has_acknowledged)
{
    auto peer = connect(32 * 1024);
    auto& w = *talk().w;
    w.send("hello");
    EXPECT_FALSE(w.receipt().written) << "not written yet";
    ASSERT_TRUE(until([&] { return w.receipt().complete(); }));
    auto const before = w.receipt().acknowledged;
    std::string const much(16 * 1024 * 1024, 'x');
    w.send(much);
    settle();
    EXPECT_FALSE(w.receipt().written) << "some of it waits here";
    ASSERT_TRUE(until([&] {
        peer.read();
        return w.receipt().written.has_value();
    }));
    auto const written = *w.receipt().written;
    EXPECT_GE(written, before + much.size());
    ASSERT_TRUE(until([&] {
        peer.read();
        return w.receipt().complete();
    }));
    EXPECT_EQ(w.receipt().acknowledged, before + much.size());
}

TEST_F(connection_test, what_the_protocol_did_not_consume_is_offered_again_with_more)
{
    auto peer = connect();
    talk().on_bytes = whole_lines;
    peer.send("one\ntw");
    ASSERT_TRUE(until([&] { return talk().consumed == "one\n"; }));
    peer.send("o\nthr");
    ASSERT_TRUE(until([&] { return talk().consumed == "one\ntwo\n"; }));
    peer.send("ee\n");
    ASSERT_TRUE(until([&] { return talk().consumed == "one\ntwo\nthree\n"; }));
    EXPECT_EQ(metrics().bytes_in.get(), 14U);
}

TEST_F(connection_test, a_packet_larger_than_the_read_buffer_arrives_whole)
{
    auto peer = connect();
    std::string packet(500'000, 'x');
    packet += '\n';
    talk().on_bytes = whole_lines;
    std::size_t sent = 0;
    ASSERT_TRUE(until([&] {
        sent += peer.send(std::string_view{packet}.substr(sent));
        return !talk().consumed.empty();
    }));
    EXPECT_TRUE(talk().consumed == packet);
}

TEST_F(connection_test, a_protocol_may_consume_one_packet_at_a_time)
{
    auto peer = connect();
    talk().on_bytes = [](std::span<char const> in) { return std::min<std::size_t>(2, in.size() / 2 * 2); };
    peer.send("aabbccd");
    ASSERT_TRUE(until([&] { return talk().consumed == "aabbcc"; }));
    peer.send("d");
    ASSERT_TRUE(until([&] { return talk().consumed == "aabbccdd"; }));
}

TEST_F(connection_test, everything_sent_in_a_turn_leaves_with_one_system_call)
{
    auto peer = connect();
    talk().on_bytes = [&](std::span<char const> in) {
        talk().w->send("a", "b");
        talk().w->send("c");
        EXPECT_EQ(talk().w->backlog_bytes(), 3U);
        return in.size();
    };
    peer.send("x");
    ASSERT_TRUE(until([&] { return peer.read() > 0; }));
    EXPECT_EQ(peer.received, "abc");
    EXPECT_EQ(metrics().sends.get(), 1U);
    EXPECT_EQ(talk().w->backlog_bytes(), 0U);
    EXPECT_EQ(frontend->outboxes().size(), 1U);  // an idle connection owns no buffer
}

TEST_F(connection_test, a_run_taken_early_in_a_turn_includes_what_is_appended_later_in_it)
{
    auto peer = connect();
    broker::frame_run run;
    talk().w->send_run(run, 0, 0);
    for (auto const c : std::string_view{"xyz"}) {
        run.bytes.push_back(c);
        run.frame_ends.push_back(static_cast<std::uint32_t>(run.bytes.size()));
    }
    ASSERT_TRUE(until([&] { return peer.read() > 0; }));
    EXPECT_EQ(peer.received, "xyz");
    EXPECT_EQ(metrics().messages_out[0].get(), 3U);
}

TEST_F(connection_test, the_end_of_the_peer_is_told_once_and_cleanly)
{
    auto peer = connect();
    peer.send("last words");
    peer.close();
    ASSERT_TRUE(gone());
    EXPECT_EQ(talk().consumed, "last words");
    EXPECT_EQ(talk().closed, 1);
    EXPECT_TRUE(talk().clean);
    EXPECT_EQ(talk().destroyed, 1);
}

TEST_F(connection_test, open_connections_are_counted_until_their_socket_is_closed)
{
    auto const tcp = static_cast<std::size_t>(broker::transport::tcp);
    auto one = connect();
    auto two = connect();
    EXPECT_EQ(metrics().connections[tcp].get(), 2U);
    one.close();
    talks[1]->w->abort();
    ASSERT_TRUE(gone());
    EXPECT_EQ(metrics().connections[tcp].get(), 0U);
    EXPECT_EQ(metrics().connections_total[tcp].get(), 2U);
}

TEST_F(connection_test, a_reset_is_not_a_clean_end)
{
    auto peer = connect();
    linger const at_once{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(peer.fd(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    peer.close();
    ASSERT_TRUE(gone());
    EXPECT_EQ(talk().closed, 1);
    EXPECT_FALSE(talk().clean);
}

TEST_F(connection_test, a_peer_that_ended_its_side_still_gets_the_answers)
{
    auto peer = connect();
    talk().on_bytes = [&](std::span<char const> in) {
        talk().w->send("answer");
        return in.size();
    };
    peer.send("question");
    peer.end_writing();
    ASSERT_TRUE(gone());
    peer.read();
    EXPECT_EQ(peer.received, "answer");
    EXPECT_TRUE(peer.ended);
    EXPECT_FALSE(peer.reset);
}

TEST_F(connection_test, close_sends_everything_first_even_to_a_peer_that_goes_on_sending)
{
    auto peer = connect(8192);
    std::string const farewell(300'000, 'f');
    talk().on_bytes = [&](std::span<char const> in) {
        talk().w->send(farewell);
        talk().w->close();
        talk().w->send("too late");
        return in.size();
    };
    peer.send("x");
    ASSERT_TRUE(until([&] {
        peer.send("more and more");
        peer.read();
        return peer.ended || peer.reset;
    }));
    EXPECT_FALSE(peer.reset);
    EXPECT_TRUE(peer.received == farewell) << peer.received.size();
    peer.close();
    ASSERT_TRUE(gone());
    EXPECT_EQ(talk().offers, 1);
    EXPECT_EQ(talk().closed, 1);
    EXPECT_EQ(talk().destroyed, 1);
}

TEST_F(connection_test, the_protocol_hears_of_the_end_before_a_slow_peer_has_read_everything)
{
    auto peer = connect(8192);
    talk().w->send(std::string(1'000'000, 'f'));
    talk().w->close();
    EXPECT_EQ(talk().closed, 0);  // never from inside its own call
    ASSERT_TRUE(until([&] { return talk().closed == 1; }));
    EXPECT_EQ(frontend->count(), 1U);
    peer.close();
    ASSERT_TRUE(gone());
    EXPECT_EQ(talk().closed, 1);
}

TEST_F(connection_test, a_peer_that_never_reads_nor_ends_is_left_after_the_linger_time)
{
    auto peer = connect(8192);
    talk().w->send(std::string(1'000'000, 'f'));
    talk().w->close();
    settle();
    EXPECT_EQ(frontend->count(), 1U);
    frontend->deadlines().advance(5);
    settle();
    EXPECT_EQ(frontend->count(), 0U);
    EXPECT_EQ(metrics().outbox_bytes.get(), 0U);
}

TEST_F(connection_test, a_peer_that_floods_after_the_end_is_left_after_a_bounded_number_of_bytes)
{
    auto peer = connect();
    talk().w->close();
    std::string const flood(100'000, 'x');
    ASSERT_TRUE(until([&] {
        peer.send(flood);
        return frontend->count() == 0;
    }));
}

TEST_F(connection_test, abort_resets_at_once_and_is_safe_inside_a_callback)
{
    auto peer = connect();
    talk().on_bytes = [&](std::span<char const>) {
        talk().w->send("never");
        talk().w->abort();
        talk().w->abort();
        talk().w->close();
        EXPECT_EQ(talk().closed, 0);
        return std::size_t{0};
    };
    peer.send("x");
    ASSERT_TRUE(gone());
    peer.read();
    EXPECT_TRUE(peer.reset);
    EXPECT_EQ(peer.received, "");
    EXPECT_EQ(talk().closed, 1);
    EXPECT_FALSE(talk().clean);
}

TEST_F(connection_test, nothing_is_read_while_paused_and_pauses_are_counted)
{
    auto peer = connect();
    talk().w->pause_reading();
    talk().w->pause_reading();
    peer.send("x");
    settle();
    EXPECT_EQ(talk().offers, 0);
    talk().w->resume_reading();
    settle();
    EXPECT_EQ(talk().offers, 0);
    talk().w->resume_reading();
    ASSERT_TRUE(until([&] { return talk().consumed == "x"; }));
}

TEST_F(connection_test, what_was_pipelined_behind_a_pause_is_offered_on_resume_without_new_bytes)
{
    auto peer = connect();
    talk().on_bytes = [&](std::span<char const>) {
        talk().w->pause_reading();
        return std::size_t{1};
    };
    peer.send("abc");
    ASSERT_TRUE(until([&] { return talk().offers == 1; }));
    settle();
    EXPECT_EQ(talk().consumed, "a");
    talk().w->resume_reading();
    settle();
    EXPECT_EQ(talk().consumed, "ab");
    talk().w->resume_reading();
    settle();
    EXPECT_EQ(talk().consumed, "abc");
}

TEST_F(connection_test, until_a_protocol_has_accepted_something_little_is_held_for_it)
{
    auto peer = connect();
    std::size_t most = 0;
    talk().on_bytes = [&](std::span<char const> in) {
        most = std::max(most, in.size());
        talk().w->pause_reading();
        return std::size_t{1};
    };
    peer.send(std::string(200'000, 'x'));
    ASSERT_TRUE(until([&] { return talk().offers == 1; }));
    settle();
    EXPECT_LE(most, frontend->options().first_read_bytes);
    EXPECT_EQ(metrics().bytes_in.get(), most);
}

TEST_F(connection_test, a_peer_that_does_not_read_its_answers_is_not_read_from_until_it_does)
{
    auto peer = connect(64 * 1024);
    int const small = 32 * 1024;
    ::setsockopt(peer.fd(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    talk().on_bytes = [&](std::span<char const> in) {
        talk().w->send(std::string(in.size() * 4, 'r'));
        return in.size();
    };
    std::size_t sent = 0;
    std::string const question(8192, 'q');
    for (auto stuck = 0; stuck < 20;) {
        auto const more = peer.send(question);
        sent += more;
        stuck = more == 0 ? stuck + 1 : 0;
        settle();
    }
    auto const asked = talk().consumed.size();
    EXPECT_LT(asked, sent);
    EXPECT_GT(talk().w->backlog_bytes(), small_outbox().outbox_bytes);
    EXPECT_LT(talk().w->backlog_bytes(), small_outbox().outbox_bytes + 5 * quick().read_buffer_bytes);
    EXPECT_EQ(talk().drained, 0);
    ASSERT_TRUE(until([&] {
        peer.read();
        return peer.received.size() == sent * 4;
    }));
    EXPECT_EQ(talk().consumed.size(), sent);
    EXPECT_GE(talk().drained, 1);
    EXPECT_EQ(metrics().outbox_bytes.get(), 0U);
}

TEST_F(connection_test, on_drained_follows_also_a_backlog_that_existed_only_within_one_turn)
{
    auto peer = connect();
    talk().w->send(std::string(small_outbox().outbox_bytes + 1, 'x'));
    EXPECT_GT(talk().w->backlog_bytes(), small_outbox().outbox_bytes);
    ASSERT_TRUE(until([&] {
        peer.read();
        return talk().drained == 1;
    }));
}

TEST_F(connection_test, runs_beyond_the_outbox_limit_are_dropped_in_whole_frames_and_counted)
{
    auto peer = connect(8192);
    constexpr std::size_t size = 1000;
    constexpr std::size_t per_turn = 100;
    std::size_t total = 0;
    for (auto turn = 0; turn < 30; ++turn) {
        broker::frame_run run;
        talk().w->send_run(run, 0, 0);
        for (std::size_t i = 0; i < per_turn; ++i, ++total) {
            auto frame = std::to_string(total);
            frame.resize(size - 1, ' ');
            frame += '\n';
            run.bytes.insert(run.bytes.end(), frame.begin(), frame.end());
            run.frame_ends.push_back(static_cast<std::uint32_t>(run.bytes.size()));
        }
        settle();
        EXPECT_LE(talk().w->backlog_bytes(), small_outbox().outbox_bytes + size);
    }
    EXPECT_GT(dropped(), 0U);
    auto const expected = (total - dropped()) * size;
    ASSERT_TRUE(until([&] {
        peer.read();
        return peer.received.size() >= expected;
    }));
    EXPECT_EQ(peer.received.size(), expected);
    long last = -1;
    for (std::size_t at = 0; at < expected; at += size) {
        auto const number = std::stol(peer.received.substr(at, 10));
        EXPECT_GT(number, last);
        EXPECT_EQ(peer.received[at + size - 1], '\n');
        last = number;
    }
}

TEST_F(connection_test, another_protocol_gets_the_bytes_that_follow_the_upgrade)
{
    auto peer = connect();
    auto next = std::make_shared<conversation>();
    auto& first = talk();
    first.on_bytes = [&](std::span<char const>) {
        first.w->replace_protocol(std::make_unique<conversing_protocol>(next));
        EXPECT_EQ(first.destroyed, 0);
        return std::size_t{7};
    };
    peer.send("upgradeafter");
    ASSERT_TRUE(until([&] { return next->consumed == "after"; }));
    EXPECT_EQ(first.consumed, "upgrade");
    EXPECT_EQ(first.closed, 0);
    settle();
    EXPECT_EQ(first.destroyed, 1);
    peer.close();
    ASSERT_TRUE(gone());
    EXPECT_EQ(next->closed, 1);
    EXPECT_EQ(next->destroyed, 1);
}

TEST_F(connection_test, a_deadline_is_called_once_and_can_be_cleared)
{
    auto peer = connect();
    talk().w->set_deadline(200ms);
    frontend->deadlines().advance(3);
    EXPECT_EQ(talk().deadlines, 1);
    frontend->deadlines().advance(100);
    EXPECT_EQ(talk().deadlines, 1);
    talk().w->set_deadline(200ms);
    talk().w->set_deadline(0ms);
    frontend->deadlines().advance(100);
    EXPECT_EQ(talk().deadlines, 1);
}

TEST_F(connection_test, a_turn_reads_a_bounded_amount_so_that_others_get_theirs)
{
    auto loud = connect();
    auto& loud_talk = talk();
    auto quiet = connect();
    auto& quiet_talk = talk();
    std::size_t before_quiet = 0;
    quiet_talk.on_bytes = [&](std::span<char const> in) {
        before_quiet = loud_talk.consumed.size();
        return in.size();
    };
    std::string const flood(1'000'000, 'x');
    std::size_t sent = 0;
    while (auto const more = loud.send(std::string_view{flood}.substr(sent))) {
        sent += more;
    }
    ASSERT_GT(sent, 2 * quick().read_bytes_per_turn);
    quiet.send("me");
    ASSERT_TRUE(until([&] { return quiet_talk.consumed == "me" && loud_talk.consumed.size() == sent; }));
    EXPECT_LE(before_quiet, 2 * quick().read_bytes_per_turn);
}

TEST_F(connection_test, close_all_and_the_end_of_the_frontend_tell_every_protocol)
{
    auto one = connect();
    auto two = connect();
    frontend->close_all();
    settle();
    EXPECT_EQ(talks[0]->closed, 1);
    EXPECT_EQ(talks[1]->closed, 1);
    auto three = connect();
    frontend.reset();
    EXPECT_EQ(talks[2]->closed, 1);
    EXPECT_EQ(talks[2]->destroyed, 1);
    settle();
    three.read();
    EXPECT_TRUE(three.reset);
}

TEST_F(connection_test, on_closed_may_abort_other_connections)
{
    auto one = connect();
    auto two = connect();
    talks[0]->on_closed = [&] { talks[1]->w->abort(); };
    talks[1]->on_closed = [&] { talks[1]->w->send("ignored"); };
    one.close();
    ASSERT_TRUE(gone());
    EXPECT_EQ(talks[0]->closed, 1);
    EXPECT_EQ(talks[1]->closed, 1);
}

TEST_F(connection_test, a_protocol_that_refuses_to_exist_ends_the_connection)
{
    what->make_protocol = [](wire&) { return std::unique_ptr<protocol>{}; };
    auto peer = connect();
    ASSERT_TRUE(gone());
}

TEST_F(connection_test, a_protocol_may_close_in_its_constructor)
{
    on_new = [](conversation& fresh) {
        fresh.w->send("no");
        fresh.w->close();
    };
    auto peer = connect();
    ASSERT_TRUE(until([&] {
        peer.read();
        return peer.ended;
    }));
    EXPECT_EQ(peer.received, "no");
    peer.close();
    ASSERT_TRUE(gone());
    EXPECT_EQ(talk().closed, 1);
}

class congested_connection_test : public network_fixture
{
protected:
    static broker::limits no_store_backlog()
    {
        broker::limits limits;
        limits.store_pending_bytes = 0;
        return limits;
    }
    congested_connection_test() : network_fixture(no_store_backlog()) {}
};

TEST_F(congested_connection_test, nothing_is_read_while_the_shard_is_congested_and_deadlines_wait)
{
    auto peer = connect();
    core.store.hold();
    core.publish(0, core_broker::make("t", "retained", 1, true));
    ASSERT_TRUE(core.shard(0).congested());
    talks[0]->w->set_deadline(500ms);
    peer.send("x");
    until([&, turns = 0]() mutable { return ++turns > 20; });
    EXPECT_EQ(talks[0]->offers, 0);
    frontend->deadlines().advance(7);
    EXPECT_EQ(talks[0]->deadlines, 0);
    core.store.confirm_all();
    ASSERT_TRUE(until([&] { return talks[0]->consumed == "x"; }));
    frontend->deadlines().advance(12);
    EXPECT_EQ(talks[0]->deadlines, 1);
    core.store.release();
}

TEST_F(congested_connection_test, a_connection_may_end_while_it_waits_for_relief)
{
    auto peer = connect();
    core.store.hold();
    core.publish(0, core_broker::make("t", "retained", 1, true));
    peer.send("x");
    until([&, turns = 0]() mutable { return ++turns > 5; });
    talks[0]->w->abort();
    ASSERT_TRUE(until([&] { return frontend->count() == 0; }));
    core.store.release();
    ASSERT_TRUE(until([&] { return !core.shard(0).congested(); }));
    EXPECT_EQ(talks[0]->closed, 1);
}

}  // namespace
}  // namespace fulmar::net::test
