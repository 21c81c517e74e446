// What is spoken on a listening address: how an accepted socket becomes a connection with a protocol.
//
// Owner:    shared by the listeners of all shards and by connections that are not yet open.
// Threads:  immutable after start; make_protocol is called on every shard.
#pragma once

#include "frontends/net/protocol.hpp"
#include "frontends/net/socket_address.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <string_view>

namespace fulmar::net {

class tls_context;
class connection_quota;

using protocol_factory = std::function<std::unique_ptr<protocol>(wire&)>;

struct service
{
    protocol_factory make_protocol;
    std::shared_ptr<tls_context> tls;  // null: plain TCP
    bool tls_by_borrower = false;      // who borrows the socket (wire::lend_socket) speaks TLS on it
    // From these addresses, and only from them, a PROXY header is expected, and connections without one are closed.
    std::shared_ptr<trusted_networks const> proxies;
    std::shared_ptr<connection_quota> quota;            // null: no limit
    std::chrono::milliseconds opening_timeout{10'000};  // for the PROXY header and the TLS handshake together
    // Told what an operator should know about refused connections; limits the rate of what it logs. May be empty.
    std::function<void(std::string_view what)> report;
};

}  // namespace fulmar::net
