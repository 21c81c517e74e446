// The insides of broker::router, shared by router.cpp (publishing) and router_interest.cpp (subscribing).
#pragma once

#include "broker/delivery_plan.hpp"
#include "broker/history_rules.hpp"
#include "broker/router.hpp"
#include "broker/shard.hpp"
#include "broker/shared_group.hpp"

#include <functional>
#include <unordered_map>

namespace fulmar::broker {

struct router::impl
{
    explicit impl(shard& owner) : home{owner} {}

    // Publishing.
    [[nodiscard]] delivery_plan& plan_for(message const& m);
    [[nodiscard]] error_code admit(message const& m, bool logged, bool remembers_id) const;
    [[nodiscard]] bool retain(message_ptr const& m);
    void deliver(delivery_plan& plan, message_ptr const& m, bool kept);
    void deliver_history(delivery_plan& plan, logged_message const& item);
    [[nodiscard]] bool keeps_history(delivery_plan const& plan, message const& m) const;
    static void deliver_one(receiver const& to, message_ptr const& m);
    void extend_run(run_group& group, message const& m);
    void extend_run(run_group& group, logged_message const& item);
    [[nodiscard]] frame_run& run_of(run_group& group);
    [[nodiscard]] frame_run& open_run();
    void forward(std::uint64_t shards, message_ptr m);
    void route_shared(delivery_plan const& plan, message_ptr const& m);
    [[nodiscard]] wall_ms turn_wall()
    {
        if (wall == 0)
            wall = home.wall();
        return wall;
    }

    // Subscribing.
    void broadcast(std::function<void(router&)> apply, std::function<void()> confirmed);
    void announce(filter_interest& entry, interest_kind kind);
    void when_confirmed(app_id app, std::string_view filter, std::function<void()> ready);
    void withdraw(filter_interest& entry, interest_kind kind);
    void apply_remote(shard_id from, app_id app, std::string const& filter, interest_kind kind, bool add);
    void apply_group(app_id app, std::string const& filter, group_interest const& interest, bool add);
    void announce_group(shared_group const& group, bool add, std::function<void()> ready);
    void drop_durable(filter_interest& entry);
    [[nodiscard]] shared_group& obtain_group(app_id app, std::string_view filter);
    void drop_group_if_empty(shared_group& group);
    [[nodiscard]] shard_id group_home(app_id app, std::string_view filter) const;

    shard& home;
    std::shared_ptr<history_rules const> history;  // null: no topic keeps one
    interest_table interests;
    plan_cache plans;
    std::uint64_t generation = 1;
    std::uint64_t turn = 1;
    wall_ms wall = 0;  // of this turn; 0: not asked yet

    std::vector<std::unique_ptr<frame_run>> runs;
    std::size_t runs_used = 0;

    std::unordered_map<std::uint32_t, std::vector<std::function<void()>>> unconfirmed;  // by announcement
    std::uint32_t last_announcement = 0;

    std::unordered_map<filter_hash, std::unique_ptr<shared_group>> groups;  // whose home is this shard
    std::size_t durable_subscriptions = 0;                                  // of connected sessions
    std::size_t durable_groups = 0;
};

}  // namespace fulmar::broker
