// Webhooks: what happens in channels is told to the addresses that the app configured.
//
// An event becomes a row of the store on the home shard of its channel, in the same turn; it is sent by a thread of its own
// and erased when it was delivered or given up, so that a broker that is killed goes on where it was. Departures
// (channel_vacated, member_removed) wait three seconds; whoever comes back meanwhile takes both notes back.
//
// Spec:     Pusher Channels, "Webhooks".
// Owner:    the composition root; stopped between the end of the shards' threads and that of the shards.
// Threads:  tell and sweep on the home shard of the channel; wanted and the metrics from any.
// Limits:   app_limits::webhooks_pending events of one app wait; further ones are dropped and counted.
// Cost:     tell is one look-up if nobody wants to know; else one row of some hundred bytes per address.
#pragma once

#include "broker/app_registry.hpp"
#include "broker/session_store.hpp"
#include "frontends/pusher/channel_events.hpp"
#include "frontends/pusher/webhook_queue.hpp"

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

namespace fulmar::broker {
struct node_context;
}

namespace fulmar::pusher {

class webhook_shard;
class webhook_sender;

class webhooks final : public channel_events
{
public:
    static constexpr std::chrono::milliseconds departure_wait{3000};
    static constexpr std::chrono::milliseconds cache_miss_once_per{1000};

    // Where events go to be sent; tests put something else than webhook_sender there.
    using outlet = std::function<void(std::vector<webhook_item>&&)>;

    webhooks(broker::node_context& node, broker::apps_in_force const& apps);
    ~webhooks() override;

    // --- start ----------------------------------------------------------------------------------------------------
    // A row that survived: before the shards run. Departures that were waiting wait again, on the home of their channel.
    void restore(broker::put_outbox_op&& row,
                 std::function<broker::shard_id(broker::app_id, std::string_view channel)> const& home_of);
    // Starts the thread and hands it what was restored.
    void start();
    void start(outlet to);
    // Ends the thread, and the timers. What was not sent is stored and sent by the next process.
    void stop();

    // --- channel_events -------------------------------------------------------------------------------------------
    [[nodiscard]] bool wanted(broker::app_id app, broker::webhook_kind kind) const override;
    void tell(broker::shard& here, channel_event&& what) override;

    // Lets departures go whose time has come. Called by a timer of the shard; tests call it themselves.
    void sweep(broker::shard& here);

    // An item is not needed any more: erases its row, on its shard. Any thread.
    void settled(std::vector<webhook_item> const& items);

    [[nodiscard]] webhook_metrics const& metrics() const noexcept { return metrics_; }

private:
    friend class webhook_shard;
    void hand_over(std::vector<webhook_item>&& items);
    [[nodiscard]] bool reserve(broker::app const& app);
    void release(broker::app_id app);
    [[nodiscard]] std::uint64_t new_id() noexcept { return next_id_.fetch_add(1, std::memory_order_relaxed); }

    broker::node_context& node_;
    broker::apps_in_force const& apps_;
    webhook_metrics metrics_;
    std::atomic<std::uint64_t> next_id_{1};
    std::vector<std::unique_ptr<webhook_shard>> shards_;
    std::vector<webhook_item> restored_;
    std::unique_ptr<webhook_sender> sender_;
    std::mutex pending_mutex_;                                  // once per event that somebody wants
    std::unordered_map<std::uint32_t, std::uint32_t> pending_;  // by app
    std::mutex outlet_mutex_;                                   // stop against the shards
    outlet outlet_;
};

}  // namespace fulmar::pusher
