// The limits of the core, with their defaults. Settings (config.hpp) fill them in; docs/operations.md lists them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fulmar::broker {

struct limits
{
    // What one session may hold in memory while its receiver is slow. Over it, a durable session reads from the log;
    // an ephemeral one loses QoS 0 (counted) and is closed as a slow consumer at QoS >= 1.
    std::size_t session_pending_messages = 20'000;  // with small ones; session_pending_bytes bounds the memory
    std::size_t session_pending_bytes = 4 * 1024 * 1024;
    // A durable session switches to the log earlier: memory per slow consumer is bounded by these.
    std::size_t durable_pending_messages = 256;
    std::size_t durable_pending_bytes = 64 * 1024;
    // What one durable session may have waiting in the log; older messages are skipped and counted.
    std::uint64_t session_queue_messages = 1'000'000;
    // Messages sent to one client and not acknowledged, also when it allows more.
    std::uint16_t inflight_max = 1'000;
    // QoS >= 1 publishes of one client that may be unacknowledged at once (Receive Maximum of the server).
    std::uint16_t receive_maximum = 1'000;
    std::size_t outbox_bytes = 1024 * 1024;              // bytes waiting for one socket before its QoS 0 is dropped
    std::uint32_t session_expiry_max_s = 7 * 24 * 3600;  // caps what clients ask for; 0xFFFFFFFF = no cap
    std::size_t subscriptions_per_session = 10'000;
    std::size_t sessions_max = 1'000'000;
    std::size_t connections_max = 0;  // of all listeners; 0 = as many as there are file descriptors
    std::size_t retained_max = 10'000'000;
    std::size_t retained_bytes_max = std::size_t{4} * 1024 * 1024 * 1024;
    std::size_t mailbox_bytes = 64 * 1024 * 1024;        // towards one other shard
    std::size_t store_pending_bytes = 64 * 1024 * 1024;  // above it publishers are not read from
};

}  // namespace fulmar::broker
