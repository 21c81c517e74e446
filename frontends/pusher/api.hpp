// The Pusher HTTP API under /apps/{id}: triggers, channels, users.
//
// Each shard serves the requests of its own connections with state of its own (api_shard.hpp). An answer of 200 to a
// trigger is sent when whoever wanted the events durably has them in the log.
//
// Spec:     Pusher Channels HTTP API.
// Owner:    the composition root; ends after the shards themselves, whose last letters may hold requests.
// Threads:  handlers run on the shard of the connection; metrics are read from any thread.
// Limits:   app_limits; requests that wait are bounded per app and shard, bodies by api_body_bytes_max.
#pragma once

#include "broker/app_registry.hpp"
#include "broker/clock.hpp"
#include "broker/metrics.hpp"
#include "frontends/net/http_router.hpp"

#include <array>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace fulmar::broker {
struct node_context;
}

namespace fulmar::pusher {

class api_shard;
class channel_directory;

// What became of requests. Counted per shard, summed when somebody scrapes.
struct api_metrics
{
    broker::counter triggers;  // answered with success
    broker::counter events;    // published by them, one per channel
    broker::counter queries;   // answered with success
    broker::counter bad_request, unauthorized, forbidden, not_found, too_large, over_quota, unavailable;
    broker::counter in_flight;  // now
    broker::counter delayed;    // waited for shards or store to catch up
};

// Largest body that a request of these apps can need.
[[nodiscard]] std::size_t api_body_bytes_max(broker::app_registry const& apps) noexcept;

class http_api
{
public:
    http_api(broker::node_context& node, broker::apps_in_force const& apps, channel_directory& channels);
    ~http_api();
    http_api(http_api const&) = delete;
    http_api& operator=(http_api const&) = delete;

    void add_routes(net::http_router& routes);

    // Sum over the shards; any thread.
    [[nodiscard]] std::uint64_t total(broker::counter api_metrics::*which) const noexcept;

    // --- for the handlers ------------------------------------------------------------------------------------------
    [[nodiscard]] api_shard& at(broker::shard const& here) noexcept;
    [[nodiscard]] channel_directory& channels() noexcept { return channels_; }
    // Takes one request from the app's allowance of this second. Only asked when the app has one.
    [[nodiscard]] bool within_rate(broker::app const& app, broker::steady_time now);

private:
    struct allowance
    {
        double left = 0;
        broker::steady_time filled_at{};
    };

    broker::apps_in_force const& apps_;
    channel_directory& channels_;
    std::vector<std::unique_ptr<api_shard>> shards_;
    std::mutex rate_mutex_;  // only for apps with a limit
    std::unordered_map<std::uint32_t, allowance> allowances_;
};

}  // namespace fulmar::pusher
