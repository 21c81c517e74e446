// Which passwords were found right a moment ago, so that clients that reconnect do not each cost a slow hash.
//
// Neither names nor passwords are kept: an entry is their HMAC under a key that is random per process.
//
// Owner:    file_authenticator, by value; cleared when the password file is read again.
// Threads:  any, under its own lock.
// Limits:   verified_max entries; a full cache is emptied of what expired, then of everything.
#pragma once

#include "frontends/auth/password_hash.hpp"

#include <chrono>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

namespace fulmar::auth {

inline constexpr std::size_t verified_max = 100'000;

class verification_cache
{
public:
    using time_point = std::chrono::steady_clock::time_point;

    // `key`: 32 random bytes.
    verification_cache(std::string key, std::chrono::seconds lifetime);

    [[nodiscard]] bool contains(std::string_view user, std::string_view password, time_point now);
    void add(std::string_view user, std::string_view password, time_point now);
    void clear();

private:
    struct first_bytes
    {
        std::size_t operator()(digest const& d) const noexcept;
    };

    [[nodiscard]] digest entry_of(std::string_view user, std::string_view password) const;

    std::string const key_;
    std::chrono::seconds const lifetime_;
    std::mutex guard_;
    std::unordered_map<digest, time_point, first_bytes> expires_;
};

}  // namespace fulmar::auth
