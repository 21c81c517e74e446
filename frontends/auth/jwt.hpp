// JSON Web Tokens: taken apart, checked against the configured algorithm and keys, and their claims read.
//
// The algorithm is ours to choose: a token that names another is refused before a key is looked at, and a key serves
// the one algorithm that it was loaded for. Header fields that point to keys (jku, x5u, jwk, x5c) are not followed.
//
// Spec:     RFC 7515 (JWS compact serialisation), RFC 7518 §3, RFC 7519, RFC 8037, RFC 8725 (best practices).
// Threads:  pure functions; a jwt_key_set is immutable.
// Limits:   token_bytes_max bytes, claims nested 32 deep, granted_filters_max filters of each kind.
#pragma once

#include "frontends/auth/jwt_keys.hpp"

#include "broker/clock.hpp"
#include "broker/errors.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fulmar::auth {

inline constexpr std::size_t token_bytes_max = 16 * 1024;

struct jwt_rules
{
    jwt_algorithm algorithm = jwt_algorithm::hs256;
    std::string issuer;    // empty: any
    std::string audience;  // empty: a token with an audience is not for us
    std::uint64_t leeway_ms = 30'000;
};

struct jwt_claims
{
    std::string subject;
    std::string app;                     // configured id; empty: the default
    broker::wall_ms expires_at = 0;      // with leeway
    std::vector<std::string> publish;    // topic filters
    std::vector<std::string> subscribe;  // topic filters
    bool administrator = false;          // claim "admin"
    std::string key_name;                // fingerprint of the key that signed it
};

struct jwt_verdict
{
    std::optional<jwt_claims> claims;
    char const* problem = "";  // why not, for the log: never anything out of the token
    bool unknown_key = false;  // because of its "kid": other keys may help
};

[[nodiscard]] jwt_verdict check_token(std::string_view token, jwt_key_set const& keys, jwt_rules const& rules,
                                      broker::wall_ms now);

// Three parts, the first of which begins as JSON objects do.
[[nodiscard]] bool looks_like_token(std::string_view text) noexcept;

}  // namespace fulmar::auth
