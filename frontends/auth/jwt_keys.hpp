// The keys that tokens are checked with, each for one algorithm.
//
// Spec:     RFC 7517 (JWK, JWKS), RFC 7518 §6, RFC 8037 §2.
// Owner:    token_authenticator, as shared snapshots.
// Threads:  immutable after loading, any thread.
// Limits:   jwt_keys_max keys, key_file_bytes_max bytes. HMAC secrets have at least 32 bytes, RSA keys 2048 bits.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fulmar::auth {

enum class jwt_algorithm : std::uint8_t { hs256, rs256, es256, eddsa };

[[nodiscard]] std::optional<jwt_algorithm> parse_algorithm(std::string_view name) noexcept;  // exactly "HS256", ...
[[nodiscard]] std::string_view to_string(jwt_algorithm algorithm) noexcept;

inline constexpr std::size_t jwt_keys_max = 100;
inline constexpr std::size_t key_file_bytes_max = 1024 * 1024;

class jwt_key
{
public:
    virtual ~jwt_key() = default;
    [[nodiscard]] virtual bool verify(std::string_view signed_bytes, std::string_view signature) const = 0;

    std::string id;    // "kid"; may be empty
    std::string name;  // fingerprint of the key itself
};

class jwt_key_set
{
public:
    // Null on failure; `problem` then says what is wrong, without anything secret.
    [[nodiscard]] static std::shared_ptr<jwt_key_set const> from_secret(std::string_view text, std::string& problem);
    [[nodiscard]] static std::shared_ptr<jwt_key_set const> from_pem(jwt_algorithm algorithm, std::string_view text,
                                                                     std::string& problem);
    [[nodiscard]] static std::shared_ptr<jwt_key_set const> from_jwks(jwt_algorithm algorithm, std::string_view text,
                                                                      std::string& problem);

    // The key of that id. Without one: the only key there is.
    [[nodiscard]] jwt_key const* find(std::optional<std::string_view> id) const noexcept;
    [[nodiscard]] bool holds(std::string_view key_name) const noexcept;
    [[nodiscard]] bool holds_all(jwt_key_set const& others) const noexcept;
    [[nodiscard]] std::size_t size() const noexcept { return keys_.size(); }

private:
    std::vector<std::unique_ptr<jwt_key const>> keys_;
};

// Base64url without padding, canonical; nothing for anything else.
[[nodiscard]] std::optional<std::string> base64url_decoded(std::string_view text);

}  // namespace fulmar::auth
