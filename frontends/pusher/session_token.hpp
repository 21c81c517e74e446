// Names of durable sessions, as clients show them: "<id>", or signed "<id>.<signature>".
//
// The signature is the lower-case hex HMAC-SHA256 of "session:<id>" with a secret of the app. Nothing in it has to be escaped
// in a path or in a cookie.
//
// Threads:  pure functions.
// Limits:   an id has 1 to session_id_bytes_max letters, digits, '-' and '_'.
// Cost:     one HMAC for each key of the app.
#pragma once

#include "broker/app.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace fulmar::pusher {

inline constexpr std::size_t session_id_bytes_max = 64;
inline constexpr std::string_view session_cookie = "fulmar_session";

[[nodiscard]] bool valid_session_id(std::string_view id) noexcept;
[[nodiscard]] std::string session_token(std::string_view id, std::string_view secret);

enum class token_outcome : std::uint8_t {
    granted,
    malformed,  // no id, or not of the letters that an id may have
    unsigned_id,
    mismatch
};
struct token_verdict
{
    token_outcome outcome = token_outcome::malformed;
    std::string_view id;  // of `token`
};
// A signature is looked at even where the app needs none.
[[nodiscard]] token_verdict read_session_token(broker::app const& app, std::string_view token);

// The value of the cookie of that name in a Cookie header; empty: it is not there.
[[nodiscard]] std::string_view cookie_value(std::string_view header, std::string_view name) noexcept;

}  // namespace fulmar::pusher
