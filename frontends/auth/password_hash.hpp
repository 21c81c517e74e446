// How a password is kept: a salted, iterated hash that verifies passwords and SCRAM-SHA-256 proofs alike.
//
// PBKDF2-HMAC-SHA-256 gives the salted password; what is kept are SCRAM's StoredKey and ServerKey, from which neither
// the password nor a proof can be computed. Written as RFC 5803 does:
//     SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>      (salt and keys in base64)
//
// Spec:     RFC 8018 (PBKDF2), RFC 5802 §3, RFC 7677, RFC 5803. Passwords are used as the bytes given (UTF-8); text
//           outside ASCII is not normalised (SASLprep), so clients must send the form it was set in.
// Threads:  pure functions, any thread; make and matches take milliseconds by design: not for shards.
// Limits:   iterations_min..iterations_max, salts of 1..salt_bytes_max bytes.
#pragma once

#include "broker/errors.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace fulmar::auth {

inline constexpr std::uint32_t iterations_default = 100'000;
inline constexpr std::uint32_t iterations_min = 4'096;  // RFC 7677 §4
inline constexpr std::uint32_t iterations_max = 10'000'000;
inline constexpr std::size_t salt_bytes = 16;
inline constexpr std::size_t salt_bytes_max = 64;

using digest = std::array<unsigned char, 32>;

struct password_hash
{
    std::uint32_t iterations = iterations_default;
    std::string salt;  // raw bytes
    digest stored_key{};
    digest server_key{};

    [[nodiscard]] std::string text() const;
};

// Hashes `password` with a new random salt. Fails if the system has no random bytes.
[[nodiscard]] broker::result<password_hash> make_password_hash(std::string_view password,
                                                               std::uint32_t iterations = iterations_default);
// The same with the salt given (tests, known vectors).
[[nodiscard]] broker::result<password_hash> derive_password_hash(std::string_view password, std::string_view salt,
                                                                 std::uint32_t iterations);

// Reads what text() wrote. Fails with errc::bad_credentials for anything else.
[[nodiscard]] broker::result<password_hash> parse_password_hash(std::string_view text);

// Takes as long for a wrong password as for the right one.
[[nodiscard]] bool matches(password_hash const& hash, std::string_view password);

// --- the primitives beneath, shared with scram.cpp ------------------------------------------------
[[nodiscard]] digest hmac_sha256(std::string_view key, std::string_view message);
[[nodiscard]] digest sha256(std::string_view bytes);
[[nodiscard]] bool equal_in_constant_time(std::string_view a, std::string_view b) noexcept;
[[nodiscard]] broker::result<std::string> random_bytes(std::size_t count);
[[nodiscard]] std::string to_base64(std::string_view bytes);
[[nodiscard]] broker::result<std::string> from_base64(std::string_view text);
[[nodiscard]] inline std::string_view as_text(digest const& d) noexcept
{
    return {reinterpret_cast<char const*>(d.data()), d.size()};
}

}  // namespace fulmar::auth
