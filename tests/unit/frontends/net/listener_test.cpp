#include "frontends/net/listener.hpp"

#include "frontends/net/connection_quota.hpp"
#include "tests/unit/frontends/net/network_fixture.hpp"

#include <sys/resource.h>

namespace fulmar::net::test {
namespace {

class listener_test : public network_fixture
{
protected:
    std::unique_ptr<listener> open(listen_options const& options = {})
    {
        auto made = std::make_unique<listener>(*frontend, what);
        error = made->open(options);
        return made;
    }
    broker::error_code error;
};

TEST_F(listener_test, port_zero_gives_a_free_port_on_which_connections_are_accepted)
{
    auto const listening = open();
    ASSERT_FALSE(error) << error.message();
    ASSERT_NE(listening->local_port(), 0);
    test_peer peer{connect_to(listening->local_port())};
    peer.send("hello");
    ASSERT_TRUE(until([&] { return !talks.empty() && talks[0]->consumed == "hello"; }));
    talks[0]->w->send("hi");
    ASSERT_TRUE(until([&] {
        peer.read();
        return peer.received == "hi";
    }));
    EXPECT_TRUE(talks[0]->w->remote().loopback);
}

TEST_F(listener_test, all_that_wait_are_accepted_in_one_turn_without_delaying_small_packets)
{
    auto const listening = open();
    std::vector<test_peer> peers;
    for (auto i = 0; i < 100; ++i) {
        peers.emplace_back(connect_to(listening->local_port()));
    }
    settle();
    EXPECT_EQ(frontend->count(), 100U);
    EXPECT_EQ(talks.size(), 100U);
}

TEST_F(listener_test, it_listens_on_ipv6_and_on_both_families)
{
    listen_options v6;
    v6.address = "::1";
    auto const only_v6 = open(v6);
    if (error == boost::system::errc::address_not_available ||
        error == boost::system::errc::address_family_not_supported) {
        return;  // a machine without IPv6
    }
    ASSERT_FALSE(error) << error.message();
    test_peer one{connect_to(only_v6->local_port(), "::1")};
    ASSERT_TRUE(until([&] { return talks.size() == 1; }));
    EXPECT_EQ(talks[0]->w->remote().address, "::1");
    EXPECT_TRUE(talks[0]->w->remote().loopback);
    v6.address = "::";
    auto const both = open(v6);
    ASSERT_FALSE(error);
    test_peer two{connect_to(both->local_port(), "127.0.0.1")};
    ASSERT_TRUE(until([&] { return talks.size() == 2; }));
    EXPECT_EQ(talks[1]->w->remote().address, "127.0.0.1");
    EXPECT_TRUE(talks[1]->w->remote().loopback);
}

TEST_F(listener_test, several_shards_share_a_port_and_others_cannot_take_it)
{
    auto const first = open();
    listen_options again;
    again.port = first->local_port();
    auto const stranger = open(again);
    EXPECT_EQ(error, boost::system::errc::address_in_use) << "as the first on this port";
    EXPECT_FALSE(stranger->listening());
    again.first = false;
    auto const second = open(again);
    EXPECT_FALSE(error) << error.message();
    EXPECT_EQ(second->local_port(), first->local_port());
    again.share_port = false;
    auto const refused = open(again);
    EXPECT_EQ(error, boost::system::errc::address_in_use);
    EXPECT_FALSE(refused->listening());
}

TEST_F(listener_test, what_is_no_address_is_refused)
{
    listen_options bad;
    bad.address = "not an address";
    auto const listening = open(bad);
    EXPECT_EQ(error, boost::system::errc::invalid_argument);
}

TEST_F(listener_test, after_stop_nobody_is_accepted_and_connections_go_on)
{
    auto const listening = open();
    test_peer peer{connect_to(listening->local_port())};
    ASSERT_TRUE(until([&] { return talks.size() == 1; }));
    listening->stop();
    EXPECT_EQ(connect_to(listening->local_port()), -1);
    peer.send("still here");
    ASSERT_TRUE(until([&] { return talks[0]->consumed == "still here"; }));
}

TEST_F(listener_test, connections_beyond_the_limit_are_refused_until_one_ends)
{
    what->quota = std::make_shared<connection_quota>(2);
    auto const listening = open();
    std::vector<test_peer> peers;
    for (auto i = 0; i < 3; ++i) {
        peers.emplace_back(connect_to(listening->local_port()));
    }
    ASSERT_TRUE(until([&] {
        peers[2].read();
        return peers[2].ended || peers[2].reset;
    }));
    EXPECT_EQ(frontend->count(), 2U);
    EXPECT_EQ(metrics().connections_refused.get(), 1U);
    EXPECT_EQ(reports.size(), 1U);
    peers[0].close();
    ASSERT_TRUE(until([&] { return frontend->count() == 1; }));
    EXPECT_EQ(what->quota->count(), 1U);
    test_peer fourth{connect_to(listening->local_port())};
    ASSERT_TRUE(until([&] { return frontend->count() == 2; }));
}

TEST_F(listener_test, one_address_may_have_a_limit_of_its_own)
{
    connection_quota quota{10, 2};
    auto const one = *parse_ip("192.0.2.1");
    auto const other = *parse_ip("192.0.2.2");
    EXPECT_TRUE(quota.enter(one));
    EXPECT_TRUE(quota.enter(one));
    EXPECT_FALSE(quota.enter(one));
    EXPECT_TRUE(quota.enter(other));
    quota.leave(one);
    EXPECT_TRUE(quota.enter(one));
    EXPECT_EQ(quota.count(), 3U);
}

// Leaves the process with no more than `spare` descriptors to open.
class descriptor_limit
{
public:
    explicit descriptor_limit(rlim_t spare)
    {
        ::getrlimit(RLIMIT_NOFILE, &before_);
        auto const next = ::dup(0);
        ::close(next);
        rlimit const now{static_cast<rlim_t>(next) + spare, before_.rlim_max};
        ::setrlimit(RLIMIT_NOFILE, &now);
    }
    ~descriptor_limit() { ::setrlimit(RLIMIT_NOFILE, &before_); }

private:
    rlimit before_{};
};

TEST_F(listener_test, out_of_descriptors_newcomers_are_closed_the_loop_rests_and_accepting_goes_on_later)
{
    auto const listening = open();
    auto const port = listening->local_port();
    std::vector<test_peer> peers;
    for (auto i = 0; i < 3; ++i) {
        peers.emplace_back(connect_to(port));
    }
    {
        descriptor_limit const one_more{1};
        ASSERT_TRUE(until([&] {
            peers[1].read();
            peers[2].read();
            return (peers[1].ended || peers[1].reset) && (peers[2].ended || peers[2].reset);
        }));
        EXPECT_EQ(frontend->count(), 1U);
        EXPECT_EQ(metrics().connections_refused.get(), 2U);
        EXPECT_EQ(reports.size(), 1U);
    }
    test_peer later{connect_to(port)};
    core.shard(0).io().restart();
    core.shard(0).io().poll();
    EXPECT_EQ(frontend->count(), 1U);  // resting
    frontend->deadlines().advance(3);
    ASSERT_TRUE(until([&] { return frontend->count() == 2; }));
}

}  // namespace
}  // namespace fulmar::net::test
