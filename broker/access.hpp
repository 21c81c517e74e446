// Who may publish and subscribe to what: rules, read from a file, and the verdicts they give.
//
// One rule per line, the first that fits decides; what no rule allows is denied:
//
//     # comment
//     allow|deny  publish|subscribe|all  FILTER  [for all | for anonymous | for authenticated | for user NAME]
//
// FILTER is a topic filter; %c stands for the client id, %u for the user name, %% for a percent sign. A filter or name
// with spaces stands in double quotes. Without "for" a rule is for all; a rule with %u is not for anonymous clients.
// Topics that begin with "$", "private-", "presence-" or "#server-to-user-" are allowed only by a rule that begins
// with that very name: wildcards of an allow rule do not reach them, those of a deny rule do. Nobody may publish to
// $SYS. Without a file everything is allowed but publishing to $SYS and the topics of the other three names.
//
// Spec:     MQTT 5.0 §4.7 (filters), §4.8.2 (a shared subscription is judged by its inner filter).
// Owner:    file_authenticator, as shared snapshots; verdicts hold on to the rules they were made from.
// Threads:  immutable after loading, so any.
// Limits:   acl_rules_max rules, acl_bytes_max bytes.
// Cost:     a verdict is linear in the number of rules; session and router remember verdicts per topic.
#pragma once

#include "broker/authenticator.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace fulmar::broker {

inline constexpr std::size_t acl_rules_max = 10'000;
inline constexpr std::size_t acl_bytes_max = 4 * 1024 * 1024;

struct access_rule
{
    enum class audience : std::uint8_t { all, anonymous, any_user, one_user };

    bool allow = false;
    bool publish = false;
    bool subscribe = false;
    audience who = audience::all;
    std::string user;    // of audience::one_user
    std::string filter;  // with %c, %u, %%
    bool substitutes_client = false;
    bool substitutes_user = false;
    bool has_percent = false;
};

class access_rules : public std::enable_shared_from_this<access_rules>
{
public:
    // Everything but the guarded names, for everybody.
    [[nodiscard]] static std::shared_ptr<access_rules const> without_file();

    // Null on failure; `problem` then says in one line what is wrong and where. An empty file denies everything.
    [[nodiscard]] static std::shared_ptr<access_rules const> parse(std::string_view text, std::string const& name,
                                                                   std::string& problem);
    [[nodiscard]] static std::shared_ptr<access_rules const> load(std::string const& path, std::string& problem);

    // What this client may do; `user` empty: anonymous. Fails with errc::not_authorized if a rule for this client would
    // put a client id or user name that contains '+', '#' or '/' into a filter.
    [[nodiscard]] result<std::shared_ptr<permissions const>> permissions_of(std::string_view user,
                                                                            std::string_view client_id) const;

    [[nodiscard]] std::vector<access_rule> const& rules() const noexcept { return rules_; }
    [[nodiscard]] bool from_file() const noexcept { return from_file_; }

private:
    std::vector<access_rule> rules_;
    bool from_file_ = false;
};

// Permissions that allow nothing: for users that no longer exist.
[[nodiscard]] std::shared_ptr<permissions const> no_permissions();

// Is every topic that `inner` matches also matched by `outer`? Both are valid filters.
[[nodiscard]] bool covers(std::string_view outer, std::string_view inner) noexcept;

// Does a topic or filter begin with "private-", "presence-" or "#server-to-user-", which need a rule of their own?
[[nodiscard]] bool guarded_name(std::string_view topic) noexcept;

}  // namespace fulmar::broker
