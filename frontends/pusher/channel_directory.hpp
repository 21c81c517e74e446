// What is known of the channels of all apps on this node, whoever is subscribed wherever.
//
// What must be seen in one place (how many are subscribed, who is present, the last event of a cache channel, which users
// are signed in) is kept on the home shard of the channel or user: the hash of app and name. Shards that have
// subscribers tell it of changes; messages are not touched by any of this.
//
// Spec:     Pusher Channels: presence channels, cache channels, subscription counts, watchlist, HTTP API.
// Owner:    pusher::frontend; one for the node. Ends after the shards' threads.
// Threads:  every function is called on the shard that is given as `here`; `done` runs there, too, possibly before the
//           function returns (when `here` is the home).
// Limits:   answers name at most answer_channels_max channels; state is bounded by connections and their subscriptions,
//           and for cached events by cached_max and cached_bytes_max on each shard (the oldest go first).
// Cost:     one letter to the home and one back; a list of channels asks every shard once.
#pragma once

#include "broker/app_registry.hpp"
#include "broker/message.hpp"
#include "broker/presence_directory.hpp"
#include "frontends/pusher/channel_events.hpp"
#include "frontends/pusher/connection_counts.hpp"
#include "frontends/pusher/pusher_metrics.hpp"
#include "frontends/pusher/socket_id.hpp"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace fulmar::broker {
class shard;
struct node_context;
struct recovered_session;
}  // namespace fulmar::broker

namespace fulmar::pusher {

class channel_shard;

struct channel_state
{
    std::string name;
    std::uint64_t subscription_count = 0;  // connections
    std::uint64_t user_count = 0;          // distinct users of a presence channel
    broker::message_ptr cached;            // the last event of a cache channel, if it is still valid
    std::uint32_t cached_ttl_s = 0;        // for so long, at least 1

    [[nodiscard]] bool occupied() const noexcept { return subscription_count != 0; }
};

class channel_directory final : public broker::presence_directory
{
public:
    static constexpr std::size_t answer_channels_max = 100'000;
    static constexpr std::size_t cached_max = 100'000;                 // per shard
    static constexpr std::size_t cached_bytes_max = 64 * 1024 * 1024;  // per shard

    channel_directory(broker::node_context& node, broker::apps_in_force const& apps, channel_events& events);
    ~channel_directory() override;
    channel_directory(channel_directory const&) = delete;
    channel_directory& operator=(channel_directory const&) = delete;

    // --- for the HTTP API --------------------------------------------------------------------------------------
    // Occupied channels whose name begins with `prefix`, sorted by name.
    void channels(broker::shard& here, broker::app_id app, std::string prefix,
                  std::function<void(std::vector<channel_state>)> done);
    void channel(broker::shard& here, broker::app_id app, std::string name, std::function<void(channel_state)> done);
    // Of a presence channel; empty for any other.
    void users(broker::shard& here, broker::app_id app, std::string name,
               std::function<void(std::vector<std::string>)> done);
    void members(broker::shard& here, broker::app_id app, std::string name,
                 std::function<void(broker::channel_members)> done) override;
    // Closes every connection on which this user is signed in, as app::terminate says.
    void terminate_user(broker::shard& here, broker::app_id app, std::string user_id);
    // An event was published to a cache channel through the HTTP API. (What other protocols publish is noticed while
    // somebody is subscribed.) To be called before router::publish.
    void remember_cached(broker::shard& here, broker::message_ptr const& event);

    // --- for the WebSocket side ----------------------------------------------------------------------------------
    [[nodiscard]] channel_shard& at(broker::shard const& here) noexcept;
    [[nodiscard]] broker::shard_id home_of(broker::app_id app, std::string_view name) const noexcept;
    // Runs `task` on shard `to`: at once if that is `here`, through the mail otherwise.
    void run_at(broker::shard& here, broker::shard_id to, std::function<void(channel_shard&)> task,
                std::size_t bytes = 0);
    [[nodiscard]] channel_events& events() noexcept { return events_; }
    [[nodiscard]] connection_counts& session_counts() noexcept { return session_counts_; }
    // A session that was stored, before the shards run.
    void restore(broker::recovered_session&& stored);
    [[nodiscard]] std::size_t shard_count() const noexcept { return shards_.size(); }
    [[nodiscard]] pusher_metrics const& metrics(std::size_t shard) const noexcept;  // any thread

private:
    channel_events& events_;
    connection_counts session_counts_;
    std::vector<std::unique_ptr<channel_shard>> shards_;
};

}  // namespace fulmar::pusher
