// What a connection needs only until its protocol exists: PROXY header first, then the TLS handshake.
//
// Owner:    net::connection, until the stage `open`.
// Threads:  shard-owned.
#pragma once

#include "frontends/net/connection.hpp"

namespace fulmar::net {

struct connection::opening
{
    std::shared_ptr<service const> what;
};

}  // namespace fulmar::net
