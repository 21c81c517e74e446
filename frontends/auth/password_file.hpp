// The users of a broker and their password hashes, one per line:
//
//     # comment
//     alice:SCRAM-SHA-256$100000:<salt>$<StoredKey>:<ServerKey>
//
// A name is 1..255 bytes of UTF-8 without ':' and control characters. A malformed line, a name that occurs twice or an
// unreadable file is an error of the whole file: nothing of it is used.
//
// Owner:    file_authenticator, by value, replaced as a whole; command-line tools.
// Threads:  immutable after loading, so any; load and save touch the disk.
// Limits:   password_file_bytes_max.
#pragma once

#include "broker/errors.hpp"
#include "frontends/auth/password_hash.hpp"

#include <map>
#include <string>
#include <string_view>

namespace fulmar::auth {

inline constexpr std::size_t password_file_bytes_max = 64 * 1024 * 1024;

class password_file
{
public:
    // Reads `path`. On failure `problem` says in one line what is wrong and where, and nothing is loaded.
    [[nodiscard]] bool load(std::string const& path, std::string& problem);
    [[nodiscard]] bool parse(std::string_view text, std::string const& name, std::string& problem);

    // Writes a new file beside `path`, syncs it and renames it over `path`; rights 0600.
    [[nodiscard]] broker::error_code save(std::string const& path) const;

    [[nodiscard]] password_hash const* find(std::string_view user) const;
    [[nodiscard]] std::map<std::string, password_hash, std::less<>> const& users() const noexcept { return users_; }

    // Adds or replaces. Fails with errc::bad_credentials if the name is not allowed.
    [[nodiscard]] broker::error_code set(std::string_view user, password_hash hash);
    [[nodiscard]] bool erase(std::string_view user);

private:
    std::map<std::string, password_hash, std::less<>> users_;
};

[[nodiscard]] bool valid_user_name(std::string_view name) noexcept;

// May anybody but the owner and the group read (or anybody but the owner write) this file?
[[nodiscard]] bool readable_by_others(std::string const& path) noexcept;

}  // namespace fulmar::auth
