// Where the connections of gRPC's server come from. It says of a call's connection nothing but the peer of the socket: by
// that the connection is found again.
//
// Two sockets that differ in our own address alone would be taken for one; their peer is the same machine.
//
// Owner:    call_server.
// Threads:  any.
// Limits:   none of its own: an entry per connection, and those have a quota.
// Cost:     a lock and a look-up once per connection and once per call.
#pragma once

#include "broker/ids.hpp"

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace fulmar::grpc {

// Names a connection; never used again. 0: none.
using connection_id = std::uint64_t;

// As the shard knows it that accepted the connection.
struct connection_origin
{
    broker::shard_id shard = 0;  // serves all calls of the connection, so that what it publishes keeps its order
    std::string peer_address;    // what a trusted PROXY header says, else the socket's
    std::uint16_t peer_port = 0;
    bool loopback = false;
};

class known_connections
{
public:
    struct known
    {
        connection_id id = 0;
        connection_origin from;
    };

    // 0: the socket has no peer (any more).
    [[nodiscard]] connection_id add(int socket, bool secure, connection_origin const& from);
    void remove(connection_id which);
    // `peer` as gRPC writes it: "ipv4:192.0.2.1:50000", "ipv6:%5B2001:db8::1%5D:50000".
    [[nodiscard]] std::optional<known> find(std::string_view peer, bool secure) const;

private:
    mutable std::mutex mutex_;  // shards against gRPC's thread
    std::unordered_map<std::string, known> by_peer_;
    std::unordered_map<connection_id, std::string> peers_;
    connection_id last_ = 0;
};

}  // namespace fulmar::grpc
