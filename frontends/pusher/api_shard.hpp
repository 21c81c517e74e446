// One shard's part of the HTTP API: the apps in force, and the triggers that wait for the log.
//
// Owner:    http_api; ends after its shard, so it never withdraws from it.
// Threads:  shard-owned, but for the counters.
// Limits:   app_limits::api_requests_in_flight requests of one app.
#pragma once

#include "broker/endpoint.hpp"
#include "broker/shard.hpp"
#include "frontends/pusher/api.hpp"

#include <functional>
#include <unordered_map>
#include <vector>

namespace fulmar::pusher {

class api_shard final : public broker::endpoint
{
public:
    api_shard(broker::shard& home, broker::apps_in_force const& apps);

    [[nodiscard]] broker::shard& home() noexcept { return home_; }
    [[nodiscard]] broker::app_snapshot const& apps() { return view_.now(); }
    [[nodiscard]] api_metrics& metrics() noexcept { return metrics_; }
    [[nodiscard]] api_metrics const& metrics() const noexcept { return metrics_; }

    // Runs `work` when shards and store have caught up: at once, or later.
    void when_relieved(std::function<void()> work);

    // A request of this app begins: false if too many of them are under way.
    [[nodiscard]] bool begin(broker::app const& app);
    void end(broker::app_id app) noexcept;

    // Publishes all of `messages`; `done` learns the first failure, or none, when all of them are settled.
    void publish(std::vector<broker::message_ptr> const& messages, std::function<void(broker::error_code)> done);

private:
    void on_published(std::uint64_t token, broker::publish_outcome const& outcome) override;
    void settle(std::uint32_t slot);

    struct waiting
    {
        std::size_t missing = 0;
        broker::error_code failed;
        std::function<void(broker::error_code)> done;
    };

    broker::shard& home_;
    broker::app_view view_;
    broker::endpoint_id const id_;
    api_metrics metrics_;
    std::unordered_map<std::uint32_t, std::uint32_t> in_flight_;  // by app
    std::vector<waiting> waiting_;
    std::vector<std::uint32_t> free_;
};

}  // namespace fulmar::pusher
