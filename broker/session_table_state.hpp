// The insides of broker::session_table, shared by session_table.cpp (claims, ends), session_timers.cpp (expiry, wills,
// cursors, recovery) and session_directory.cpp.
#pragma once

#include "broker/fast_hash.hpp"
#include "broker/probe_table.hpp"
#include "broker/session_directory.hpp"
#include "broker/session_table.hpp"
#include "broker/shard.hpp"

#include <map>
#include <unordered_map>
#include <vector>

namespace fulmar::broker {

struct session_table::impl final : turn_end
{
    struct claim
    {
        claim_request request;
        session_client* client = nullptr;
        std::function<void(result<claim_result>)> done;  // empty: cancelled
    };
    // The sessions by key: 8 bytes each beside the reference, the key is the session's own.
    class index
    {
    public:
        [[nodiscard]] session* find(std::string_view key) const;
        session& add(std::unique_ptr<session> s);                           // whose key is not there
        [[nodiscard]] std::unique_ptr<session> take(std::string_view key);  // null: not there
        [[nodiscard]] std::size_t size() const noexcept { return by_key_.size(); }

        // Until `visit` says false.
        template <class Function>
        void for_each(Function visit) const
        {
            for (std::size_t i = 0; i < held_.size(); ++i) {
                if (held_[i] != nullptr && !visit(*held_[i]))
                    return;
            }
        }

    private:
        [[nodiscard]] std::uint32_t place_of(std::string_view key) const;

        probe_table by_key_;  // -> place in held_, from 1
        std::vector<std::unique_ptr<session>> held_;
        std::vector<std::uint32_t> free_;
        std::uint64_t seed_ = random_seed();
    };
    struct condemned_session
    {
        endpoint_id address;
        session_end why;
    };

    impl(session_table& owner, shard& at) : table{owner}, home{at}, directory{at} {}

    void on_turn_end() override;
    [[nodiscard]] shard_id home_of(session_key const& key) const;

    void yield(yield_request const& wanted);
    void move_out(yield_request const& wanted);
    void grant(yield_request const& wanted, std::unique_ptr<session> moved, error_code error);
    void granted(yield_request const& wanted, std::unique_ptr<session> moved, error_code error, shard_id from);
    void settle_directory(session_key const& key, claim_end how);
    void take_in(session& s, shard_id from);
    void begin_life(session& s, session_client& client, client_settings const& settings);
    void resume(session& s, session_client& client, client_settings const& settings);
    session& adopt(std::unique_ptr<session> s);
    [[nodiscard]] std::unique_ptr<session> create(claim_request const& request);

    void leave_connection(session& s);
    void end_connection(session& s, session_end why);
    void end(session& s, bool tell_directory, std::function<void(store_result const&)> erased = {});
    void replace(session& s, yield_request const& wanted);
    void count(session& s);
    void forget(session& s);

    void arm_timers(session& s);
    [[nodiscard]] bool expired(session::impl const& offline) const;
    void forget_timers(session& s);
    void fire(session_key const& key, wall_ms now);
    void store_idle_cursors();

    session_table& table;
    shard& home;
    session_directory directory;
    index sessions;
    std::unordered_map<std::uint64_t, claim> claims;
    std::uint64_t last_ticket = 0;
    std::unordered_map<session_key, yield_request> moving;  // waiting until their publishes are settled
    std::vector<condemned_session> condemned;
    std::vector<std::unique_ptr<session>> ended;  // this turn: destroyed at its end
    std::vector<endpoint_id> cursors;             // moved since they were stored
    std::multimap<wall_ms, session_key> timers;   // offline sessions: expiry and delayed wills
    unsigned ticks = 0;
};

}  // namespace fulmar::broker
