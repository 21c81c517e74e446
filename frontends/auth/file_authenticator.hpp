// Users from a password file, rights from an ACL file: the broker's own authenticator.
//
// A client is who its password says; without one, who its verified certificate says; without either it is anonymous,
// if the policy lets it in. A user name without a password is refused. While no password file is configured, user name
// and password are ignored and the client counts as anonymous.
//
// Owner:    server.cpp; outlives all shards.
// Threads:  all members from every shard; passwords are hashed on a thread of its own and the answer is posted to the
//           shard that asked.
// Limits:   hashing_queue_max passwords wait; beyond it authentication fails closed.
// Cost:     one PBKDF2 per login, none within verification_lifetime of the last one with the same password.
#pragma once

#include "broker/access.hpp"
#include "broker/authenticator.hpp"
#include "broker/settings.hpp"
#include "frontends/auth/hashing_pool.hpp"
#include "frontends/auth/password_file.hpp"
#include "frontends/auth/verification_cache.hpp"

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

namespace fulmar::auth {

inline constexpr std::size_t hashing_queue_max = 4096;
inline constexpr std::chrono::seconds verification_lifetime{300};

struct file_authenticator_options
{
    std::string password_file;  // empty: nobody has a password
    std::string acl_file;       // empty: access_rules::without_file
    broker::anonymous_policy anonymous = broker::anonymous_policy::loopback;
    bool certificates = false;  // verified client certificates name users
    std::size_t queue_max = hashing_queue_max;
};

[[nodiscard]] file_authenticator_options options_from(broker::settings const& s);

class file_authenticator final : public broker::authenticator
{
public:
    // Reads both files. Throws std::runtime_error, one line with file and line number, if one of them cannot be used.
    explicit file_authenticator(file_authenticator_options options);
    ~file_authenticator() override;

    void authenticate(broker::credentials const& who, boost::asio::io_context& home,
                      broker::authenticated done) override;
    [[nodiscard]] std::unique_ptr<broker::enhanced_exchange> begin(std::string_view method,
                                                                   std::string_view client_id) override;
    [[nodiscard]] std::shared_ptr<broker::permissions const> current_permissions(std::string_view user,
                                                                                 std::string_view client_id) override;

    // Reads both files again; both are taken or neither. Returns what is wrong in one line, or nothing.
    [[nodiscard]] std::optional<std::string> reload();

    [[nodiscard]] std::uint64_t hashed() const noexcept;  // passwords hashed so far, for tests and metrics

private:
    struct snapshot
    {
        password_file users;
        std::shared_ptr<broker::access_rules const> rules;
    };

    [[nodiscard]] std::shared_ptr<snapshot const> read(std::string& problem) const;
    [[nodiscard]] std::shared_ptr<snapshot const> current() const;
    [[nodiscard]] static broker::result<broker::identity> admit(snapshot const& now, std::string_view user,
                                                                std::string_view client_id);
    [[nodiscard]] broker::result<broker::identity> without_password(snapshot const& now,
                                                                    broker::credentials const& who) const;
    [[nodiscard]] bool anonymous_allowed(broker::credentials const& who) const noexcept;
    [[nodiscard]] password_hash imaginary(std::string_view user) const;
    void verify_later(std::shared_ptr<snapshot const> now, broker::credentials const& who,
                      boost::asio::io_context& home, broker::authenticated done);

    file_authenticator_options const options_;
    std::string const secret_;  // random per process: salts of imaginary users, keys of the cache
    mutable std::mutex guard_;
    std::shared_ptr<snapshot const> snapshot_;
    verification_cache verified_;
    std::atomic<std::uint64_t> hashed_{0};
    hashing_pool pool_;  // last: its thread uses everything above
};

}  // namespace fulmar::auth
