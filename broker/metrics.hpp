// Counters: plain per-shard numbers, summed only when somebody scrapes.
//
// Owner:    each shard owns one shard_metrics; storage and others register their own sources.
// Threads:  a counter is written by its shard and read by any thread (relaxed atomics without locked instructions).
// Cost:     one load and one store per increment.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace fulmar::broker {

class counter
{
public:
    void add(std::uint64_t n = 1) noexcept
    {
        value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
    }
    void subtract(std::uint64_t n = 1) noexcept
    {
        value_.store(value_.load(std::memory_order_relaxed) - n, std::memory_order_relaxed);
    }
    void set(std::uint64_t n) noexcept { value_.store(n, std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t get() const noexcept { return value_.load(std::memory_order_relaxed); }

private:
    std::atomic<std::uint64_t> value_{0};
};

enum class transport : std::uint8_t { tcp, tls, websocket, websocket_tls, count };

// Why a message did not reach somebody who wanted it. Every drop has one.
enum class drop_reason : std::uint8_t {
    outbox_full,     // QoS 0 to a slow socket
    pending_full,    // QoS 0 over a session's memory limit
    queue_limit,     // a durable session's queue limit: the oldest were skipped
    retention,       // removed from the log before a session read it
    expired,         // Message Expiry Interval passed
    too_large,       // above the receiver's Maximum Packet Size
    not_authorized,  // read permission was withdrawn, or never covered this topic
    mailbox_full,    // QoS 0 to an overloaded shard
    no_member,       // shared subscription without any member left
    session_ended,   // unacknowledged or pending when an ephemeral session ended
    store_failed,    // retained or will message could not be stored
    count
};
[[nodiscard]] char const* to_string(drop_reason reason) noexcept;

struct shard_metrics
{
    std::array<counter, static_cast<std::size_t>(transport::count)> connections;  // open now
    std::array<counter, static_cast<std::size_t>(transport::count)> connections_total;
    counter connections_refused;  // by a limit
    counter connect_failures;     // CONNECT answered with an error
    counter protocol_errors;      // closed for malformed packets or broken rules
    counter keep_alive_timeouts;
    counter slow_consumers_closed;
    counter takeovers;
    counter bytes_in, bytes_out;
    counter packets_in, packets_out;
    std::array<counter, 3> messages_in;   // PUBLISH received, by QoS
    std::array<counter, 3> messages_out;  // PUBLISH sent, by effective QoS
    std::array<counter, static_cast<std::size_t>(drop_reason::count)> dropped;
    counter publishes_refused;  // not authorized, quota, store failed
    counter sessions;           // known on this shard, connected or not
    counter sessions_durable;
    counter reader_sessions;  // whose home is this shard, with a reader or without
    counter reader_sessions_expired;
    counter reader_sessions_refused;     // somebody else's, or too many
    counter reader_sessions_taken_over;  // by another reader
    counter subscriptions;
    counter shared_groups;
    counter outbox_bytes;        // waiting for sockets now
    counter sends, sends_short;  // system calls, and those that could not take everything
    counter turns;               // loop turns that flushed something
    counter loop_lag_us;         // latest measurement
    counter loop_lag_us_max;     // since start
    counter mailbox_batches, mailbox_items;
    counter plan_hits, plan_misses;  // delivery-plan cache
    counter log_reads;               // pages asked from the store
};

}  // namespace fulmar::broker
