// Makes tokens, for `fulmar token mint` and its tests: the broker itself signs nothing.
//
// Spec:     RFC 7515 (JWS compact serialisation), RFC 7518 §3, RFC 8037.
// Threads:  pure functions.
// Limits:   what is fit for checking tokens is fit for making them (jwt_keys.hpp).
#pragma once

#include "frontends/auth/jwt_keys.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace fulmar::auth {

// Signs `header` and `claims`, which are JSON objects. `key`: the secret for HS256, else a private key in PEM. Nothing on
// failure; `problem` then says what is wrong with the key, without anything secret.
[[nodiscard]] std::optional<std::string> sign_token(jwt_algorithm algorithm, std::string_view key,
                                                    std::string_view header, std::string_view claims,
                                                    std::string& problem);

// The public key that belongs to a private one, in PEM; what is no private key comes back as it is.
[[nodiscard]] std::string public_pem(std::string_view pem);

[[nodiscard]] std::string base64url_encoded(std::string_view bytes);  // without padding

}  // namespace fulmar::auth
