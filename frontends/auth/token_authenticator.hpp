// Tokens beside users and passwords: checks JSON Web Tokens, and leaves everything else to another authenticator.
//
// A token comes in `credentials::token` (HTTP), or as the password of an MQTT CONNECT, whose user name is then absent,
// empty, "jwt" or the token's subject. What looks like a token is checked as one and never tried as a password. The
// identity is "jwt:<subject>"; its rights are the claims "publish", "subscribe" and "admin".
//
// Owner:    the node; outlives all shards.
// Threads:  all members from every shard; one lock, never on the publish path.
// Limits:   what is remembered of tokens lasts as long as their sessions, at most tokens_kept_min beyond.
// Cost:     one signature check per connection or request; some 50 µs for RS256 and ES256.
#pragma once

#include "broker/authenticator.hpp"
#include "broker/clock.hpp"
#include "broker/settings.hpp"
#include "frontends/auth/jwt.hpp"

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace fulmar::auth {

inline constexpr std::size_t tokens_kept_min = 1'024;

class token_authenticator final : public broker::authenticator
{
public:
    // The app of a configured id; an empty id: that of tokens which name none.
    using app_finder = std::function<std::optional<broker::app_id>(std::string_view id)>;

    // Reads the keys, unless they come from a URL: then there are none, and tokens are refused with
    // errc::authentication_unavailable, until take_keys. Throws std::runtime_error, one line with the file, if they cannot
    // be used.
    token_authenticator(broker::authenticator& users, broker::jwt_settings settings, broker::clock const& clock,
                        app_finder find_app);

    void authenticate(broker::credentials const& who, boost::asio::io_context& home,
                      broker::authenticated done) override;
    [[nodiscard]] std::unique_ptr<broker::enhanced_exchange> begin(std::string_view method,
                                                                   std::string_view client_id) override;
    // Null when the token has expired or its key was withdrawn.
    [[nodiscard]] std::shared_ptr<broker::permissions const> current_permissions(std::string_view user,
                                                                                 std::string_view client_id) override;

    // Reads the keys again; those in force stay if they cannot be used. Returns what is wrong in one line, or nothing.
    // Keys from a URL are asked for again.
    [[nodiscard]] std::optional<std::string> reload();

    // Puts the keys of a JSON Web Key Set in force. Returns what is wrong with it, and nothing changes; or nothing.
    [[nodiscard]] std::optional<std::string> take_keys(std::string_view jwks);
    // `ask` is called, on any thread and as often as tokens come, when other keys may help. Set before the shards run.
    void ask_for_keys(std::function<void()> ask) { ask_for_keys_ = std::move(ask); }
    [[nodiscard]] std::size_t key_count() const;

    // Sessions whose token has expired, or whose key was withdrawn, since the last call: their connections are to be ended.
    struct ended_session
    {
        broker::app_id app{};
        std::string client_id;
    };
    [[nodiscard]] std::vector<ended_session> take_ended();

    [[nodiscard]] std::uint64_t accepted() const noexcept { return accepted_.load(std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t refused() const noexcept { return refused_.load(std::memory_order_relaxed); }

private:
    class token_permissions;

    [[nodiscard]] std::shared_ptr<jwt_key_set const> read(std::string& problem) const;
    [[nodiscard]] std::shared_ptr<jwt_key_set const> current() const;
    void put_in_force(std::shared_ptr<jwt_key_set const> fresh);
    [[nodiscard]] jwt_verdict judge(std::string_view token, jwt_key_set const& keys, broker::credentials const& who,
                                    std::optional<broker::app_id>& app) const;
    [[nodiscard]] broker::result<broker::identity> admit(std::string_view token, broker::credentials const& who);
    struct token_session
    {
        ended_session whose;
        std::weak_ptr<token_permissions const> allowed;  // held by the session
    };
    void remember(broker::identity const& who, std::string_view client_id,
                  std::shared_ptr<token_permissions const> const& allowed);
    void sweep();

    broker::authenticator& users_;
    broker::jwt_settings const settings_;
    broker::clock const& clock_;
    app_finder const find_app_;
    std::function<void()> ask_for_keys_;
    jwt_rules rules_;
    mutable std::mutex mutex_;
    std::shared_ptr<jwt_key_set const> keys_;                  // null: no token is accepted
    std::unordered_map<std::string, token_session> sessions_;  // by user and client id
    std::size_t sessions_sweep_at_ = tokens_kept_min;
    std::multimap<broker::wall_ms, std::string> expiries_;  // of those
    std::vector<ended_session> ended_;
    std::atomic<std::uint64_t> accepted_{0};
    std::atomic<std::uint64_t> refused_{0};
};

}  // namespace fulmar::auth
