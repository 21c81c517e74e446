// Which shard holds the session of a client id; lets one claim at a time through.
//
// Spec:     MQTT 5.0 §3.1.4 [MQTT-3.1.4-3] take-over.
// Owner:    broker::session_table of the client id's home shard (hash of app and client id).
// Threads:  shard-owned.
// Cost:     one look-up per claim and release. A session that the home shard itself holds has no entry here.
#pragma once

#include "broker/fifo.hpp"
#include "broker/ids.hpp"

#include <optional>
#include <string>
#include <unordered_map>

namespace fulmar::broker {

class shard;

using session_key = std::string;  // app and client id
[[nodiscard]] session_key make_key(app_id app, std::string_view client_id);
// What a new durable session of any protocol is called in the store; never 0.
[[nodiscard]] session_id new_session_id();
[[nodiscard]] inline std::string_view client_id_in(std::string_view key) noexcept { return key.substr(4); }

// "Give the session of `key` to shard `to`", which knows the claim by `ticket`.
struct yield_request
{
    session_key key;
    shard_id to = 0;
    std::uint64_t ticket = 0;
    std::string user;
    bool clean_start = false;
};

enum class claim_end : std::uint8_t {
    owned,    // the claiming shard holds the session now
    gone,     // there is no session any more
    refused,  // the owner keeps it
};

class session_directory
{
public:
    explicit session_directory(shard& home) : home_{home} {}

    void claim(yield_request const& wanted);
    void settled(session_key const& key, shard_id claimant, claim_end how);
    void released(session_key const& key, shard_id owner);
    void restored(session_key key, shard_id owner);
    [[nodiscard]] std::optional<shard_id> owner(session_key const& key) const;

private:
    struct entry
    {
        std::optional<shard_id> owner;
        bool busy = false;
        fifo<yield_request> waiting;
    };

    [[nodiscard]] bool held_here(session_key const& key) const;
    void pass_on(entry& place, yield_request const& wanted);

    shard& home_;
    std::unordered_map<session_key, entry> entries_;
};

}  // namespace fulmar::broker
