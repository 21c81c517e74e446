// The small values by which things are named: apps, shards, sessions, packets, log positions.
#pragma once

#include <compare>
#include <cstdint>
#include <limits>

namespace fulmar::broker {

// A tenant, as a dense index into the configured apps. Apps never see each other.
enum class app_id : std::uint32_t {};
inline constexpr app_id default_app{0};

// One thread with its state; dense, 0..shard_count-1.
using shard_id = std::uint16_t;
inline constexpr std::size_t shards_max = 64;  // interest is kept as one 64-bit mask

// MQTT packet identifier, 1..65535; 0 means "none".
using packet_id = std::uint16_t;

// Names a durable session in the store, random and never reused; 0 means "not stored".
enum class session_id : std::uint64_t {};

// Stable 64-bit hash of (app, filter): the name of an index stream in the log.
enum class filter_hash : std::uint64_t {};

// Where a logged message stands. Sequences begin at 1; 0 means "before everything".
using log_sequence = std::uint64_t;
inline constexpr log_sequence log_end = std::numeric_limits<log_sequence>::max();
struct log_position
{
    std::uint32_t partition = 0;  // always 0 on a single node
    log_sequence sequence = 0;
    friend auto operator<=>(log_position const&, log_position const&) = default;
};

// Names an endpoint of a shard (endpoint.hpp) from anywhere: resolved on that shard only, and never
// resolves to a later occupant of the same slot.
struct endpoint_id
{
    shard_id shard = 0;
    std::uint32_t slot = std::numeric_limits<std::uint32_t>::max();
    std::uint32_t generation = 0;
    friend bool operator==(endpoint_id const&, endpoint_id const&) = default;
};

}  // namespace fulmar::broker
