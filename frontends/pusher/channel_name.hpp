// The kinds of channels, which a channel's name says with its first letters.
//
// Spec:     Pusher Channels, "Channel naming conventions"; prefixes count at the beginning of the name only.
// Threads:  pure functions.
#pragma once

#include <cstdint>
#include <string_view>

namespace fulmar::pusher {

enum class channel_access : std::uint8_t {
    open,           // anybody
    signed_only,    // private-: a signature of the app's server
    presence,       // the same, and members see each other
    server_to_user  // #server-to-user-<id>: whoever is signed in as <id>
};

struct channel_kind
{
    channel_access access = channel_access::open;
    bool encrypted = false;  // payloads are opaque; no client events
    bool cache = false;      // the last event is remembered
    friend bool operator==(channel_kind const&, channel_kind const&) = default;
};

inline constexpr std::string_view server_to_user_prefix = "#server-to-user-";

[[nodiscard]] channel_kind classify(std::string_view channel) noexcept;

// Letters, digits and _-=@,.; in at most `bytes_max` bytes; a '#' only in front of server-to-user-.
[[nodiscard]] bool valid_channel_name(std::string_view channel, std::size_t bytes_max) noexcept;

// User ids of sign-ins: the characters of channel names.
[[nodiscard]] bool valid_user_id(std::string_view id, std::size_t bytes_max) noexcept;

// Names that only the broker itself may give to an event.
[[nodiscard]] constexpr bool reserved_event(std::string_view event) noexcept
{
    return event.starts_with("pusher:") || event.starts_with("pusher_internal:");
}
[[nodiscard]] constexpr bool client_event(std::string_view event) noexcept { return event.starts_with("client-"); }

}  // namespace fulmar::pusher
