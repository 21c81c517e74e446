// The WebSocket side of Pusher Channels: what its connections share, and its routes.
//
// Owner:    the composition root; ends after the connections and after the shards' threads.
// Threads:  built before the shards run; functions that take a shard are called on it, others from any thread.
#pragma once

#include "broker/app_registry.hpp"
#include "broker/metrics.hpp"
#include "frontends/net/http_router.hpp"
#include "frontends/pusher/channel_directory.hpp"
#include "frontends/pusher/connection_counts.hpp"
#include "frontends/pusher/pusher_metrics.hpp"

#include <chrono>

namespace fulmar::pusher {

struct frontend_settings
{
    std::chrono::seconds activity_timeout{120};  // told to clients; after so much silence they are asked
    std::chrono::seconds pong_timeout{30};       // for their answer
    net::websocket_settings websocket{.message_bytes_max = 256 * 1024};
};

class frontend
{
public:
    frontend(broker::node_context& node, broker::apps_in_force const& apps, channel_events& events,
             frontend_settings settings = {});

    [[nodiscard]] channel_directory& channels() noexcept { return channels_; }
    [[nodiscard]] connection_counts& counts() noexcept { return counts_; }
    [[nodiscard]] frontend_settings const& settings() const noexcept { return settings_; }
    [[nodiscard]] broker::node_context const& node() const noexcept { return node_; }

    // Closes the connections of this shard with 4200, each at a random moment within `window`.
    void drain(broker::shard& here, std::chrono::milliseconds window);

    // Sum over the shards; any thread.
    [[nodiscard]] std::uint64_t total(broker::counter pusher_metrics::*which) const noexcept;

private:
    broker::node_context& node_;
    frontend_settings const settings_;
    connection_counts counts_;
    channel_directory channels_;
};

// /app/{key}, with and without one segment in front of it (wsPath). `of` outlives `routes`.
void add_websocket_routes(net::http_router& routes, frontend& of);

}  // namespace fulmar::pusher
