#include "frontends/grpc/known_connections.hpp"

#include "tests/unit/frontends/net/loopback_sockets.hpp"

#include <gtest/gtest.h>

#include <string>
#include <tuple>

namespace fulmar::grpc {
namespace {

// Both ends of a TCP connection, and what gRPC would call the peer of the accepted one.
struct pair_of_sockets
{
    pair_of_sockets()
    {
        sockaddr_storage from{};
        std::tie(accepted, client) = net::test::loopback_pair(from);
        peer = "ipv4:127.0.0.1:" + std::to_string(net::from_native(from)->port);
    }
    ~pair_of_sockets()
    {
        ::close(accepted);
        ::close(client);
    }
    pair_of_sockets(pair_of_sockets const&) = delete;
    pair_of_sockets& operator=(pair_of_sockets const&) = delete;

    int accepted = -1;
    int client = -1;
    std::string peer;
};

connection_origin const origin{3, "192.0.2.7", 1234, false};

TEST(known_connections, a_connection_is_found_by_the_peer_of_its_socket_until_it_is_removed)
{
    known_connections all;
    pair_of_sockets sockets;
    auto const id = all.add(sockets.accepted, false, origin);
    auto const found = all.find(sockets.peer, false);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->id, id);
    EXPECT_EQ(found->from.shard, 3);
    EXPECT_EQ(found->from.peer_address, "192.0.2.7");
    EXPECT_EQ(found->from.peer_port, 1234);
    EXPECT_FALSE(all.find(sockets.peer, true)) << "that listener has another port";
    all.remove(id);
    EXPECT_FALSE(all.find(sockets.peer, false));
    all.remove(id);
}

TEST(known_connections, a_peer_may_be_written_in_several_ways)
{
    known_connections all;
    pair_of_sockets sockets;
    auto const id = all.add(sockets.accepted, true, origin);
    auto const port = sockets.peer.substr(sockets.peer.rfind(':'));
    for (std::string const text : {"ipv4:127.0.0.1", "ipv6:%5B::ffff:127.0.0.1%5D", "ipv6:[::ffff:127.0.0.1]"}) {
        auto const found = all.find(text + port, true);
        ASSERT_TRUE(found) << text;
        EXPECT_EQ(found->id, id);
    }
    for (auto const* const text :
         {"", "unix:/a", "ipv4:127.0.0.1", "ipv4:127.0.0.1:1", "ipv6:%5B::1%5D:1", ":::", "%5B%5D:1"})
        EXPECT_FALSE(all.find(text, true)) << text;
}

TEST(known_connections, who_comes_from_the_same_place_later_is_not_removed_with_who_was_there_before)
{
    known_connections all;
    pair_of_sockets sockets;
    auto const first = all.add(sockets.accepted, false, origin);
    auto const second = all.add(sockets.accepted, false, origin);
    EXPECT_NE(first, second);
    all.remove(first);
    ASSERT_TRUE(all.find(sockets.peer, false));
    EXPECT_EQ(all.find(sockets.peer, false)->id, second);
}

TEST(known_connections, a_socket_without_a_peer_is_none)
{
    known_connections all;
    auto const fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(all.add(fd, false, origin), 0U);
    ::close(fd);
}

}  // namespace
}  // namespace fulmar::grpc
