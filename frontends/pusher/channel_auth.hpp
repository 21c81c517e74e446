// Signatures with which an app's server lets a connection into a channel, or signs a user in.
//
// Spec:     Pusher Channels, "Authentication signatures".
// Threads:  pure functions.
// Cost:     one HMAC-SHA256 of what was signed; compared in constant time.
#pragma once

#include "broker/app.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace fulmar::pusher {

// Lower-case hexadecimal HMAC-SHA256.
[[nodiscard]] std::string sign(std::string_view secret, std::string_view text);

// What is signed: "socket_id:channel" or "socket_id:channel:channel_data".
[[nodiscard]] std::string subscription_text(std::string_view socket_id, std::string_view channel,
                                            std::optional<std::string_view> channel_data);
// "socket_id::user::user_data"
[[nodiscard]] std::string signin_text(std::string_view socket_id, std::string_view user_data);

enum class auth_outcome : std::uint8_t {
    granted,
    malformed,    // not "key:hex"
    unknown_key,  // not an active key of this app
    mismatch
};

// Is `auth` ("key:signature") a signature of `text` by one of the app's keys?
[[nodiscard]] auth_outcome verify(broker::app const& app, std::string_view auth, std::string_view text);

// Equal, in time that depends on the lengths only.
[[nodiscard]] bool equal_in_constant_time(std::string_view a, std::string_view b) noexcept;

}  // namespace fulmar::pusher
