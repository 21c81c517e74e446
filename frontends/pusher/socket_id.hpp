// Names of Pusher connections: "<number>.<number>", and the 64 bits in which the broker carries them.
//
// The first number says on which shard and in which place of its connection table a connection is; the second is random,
// so that a place that was given to somebody else is not mistaken for its former owner. Both are 32 bits: together they
// are the connection's publisher hash, so that the connection that a message excludes is found without a search.
//
// Spec:     pusher-websockets-protocol, "connection_established"; server libraries accept ^\d+\.\d+$ only.
// Threads:  pure functions.
#pragma once

#include "broker/ids.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace fulmar::pusher {

// A Pusher connection anywhere on this node; 0 is nobody.
enum class connection_id : std::uint64_t {};

inline constexpr std::uint32_t places_max = std::uint32_t{1} << 26;  // connections of one shard

[[nodiscard]] constexpr connection_id make_connection_id(broker::shard_id shard, std::uint32_t place,
                                                         std::uint32_t tag) noexcept
{
    return connection_id{((std::uint64_t{shard} * places_max + place) << 32) | tag};
}
[[nodiscard]] constexpr std::uint32_t place_of(connection_id id) noexcept
{
    return static_cast<std::uint32_t>(static_cast<std::uint64_t>(id) >> 32) % places_max;
}
[[nodiscard]] constexpr broker::shard_id shard_of(connection_id id) noexcept
{
    return static_cast<broker::shard_id>((static_cast<std::uint64_t>(id) >> 32) / places_max);
}

[[nodiscard]] std::string to_socket_id(connection_id id);

// Does `text` look like a socket id, ours or another's?
[[nodiscard]] bool valid_socket_id(std::string_view text) noexcept;

// What message_fields::publisher is set to so that the connection with this socket id does not receive the message. Never 0.
// A socket id that is not ours gives a value that belongs to nobody here.
[[nodiscard]] std::uint64_t publisher_hash(std::string_view socket_id) noexcept;

}  // namespace fulmar::pusher
