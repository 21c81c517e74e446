// HTTP/1.1 on one connection: requests in order, routes, and the step up to WebSocket.
//
// The strict rules of http_rules.hpp come first, then Beast's parser. An idle connection keeps no parser and no buffer.
//
// Spec:     RFC 9112 (messages, §9.3 persistence and pipelining), RFC 9110 §10.1.1 (Expect).
// Owner:    the connection, as its protocol.
// Threads:  shard-owned.
// Limits:   http_settings, and the body limit of each route; while more than backlog_bytes_max of answers wait for the
//           client, or a handler has not answered, no further request is read. After an answer of ours to a request
//           that breaks the rules, the connection closes.
#pragma once

#include "frontends/net/protocol.hpp"

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace fulmar::net {

class http_router;

// Shared by all connections of a listener, and outlives them.
struct http_settings
{
    std::size_t header_bytes_max = 16 * 1024;
    std::size_t header_lines_max = 100;
    std::size_t chunk_header_bytes_max = 4 * 1024;  // of chunk extensions and trailers that have not ended yet
    std::size_t backlog_bytes_max = 1024 * 1024;    // limits::outbox_bytes, so that on_drained follows
    std::chrono::milliseconds header_wait{10'000};  // from the first byte of a request to the end of its head
    std::chrono::milliseconds body_wait{30'000};
    std::chrono::milliseconds answer_wait{60'000};  // for a handler; then 503
    std::chrono::milliseconds idle_wait{75'000};    // between requests
    std::vector<std::string> allowed_hosts;         // names without port; others get 421. Empty: any
};

// The protocol of one new connection. `routes` and `settings` outlive it.
[[nodiscard]] std::unique_ptr<protocol> make_http_protocol(wire& connection, http_router const& routes,
                                                           http_settings const& settings);

}  // namespace fulmar::net
