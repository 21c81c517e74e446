// The channels whose home is this shard: how many are subscribed on each shard, who is present, the last cached event.
//
// All of it is told by shards that own subscriptions and is kept per telling shard, so that what a node tells of its
// connections can be merged in the same way.
//
// Spec:     Pusher Channels: presence channels, cache channels, subscription_count, webhooks.
// Owner:    channel_shard.
// Threads:  shard-owned.
// Limits:   app_limits::presence_members; channel_directory::cached_max and cached_bytes_max; everything else is bounded by
//           the subscriptions of connections.
// Cost:     a join or leave encodes one event, whatever the number of members; the list of members is put together once for
//           all who come in one turn, and kept until somebody comes or goes.
#pragma once

#include "broker/app.hpp"
#include "broker/session_store.hpp"
#include "broker/subscriber.hpp"
#include "frontends/pusher/channel_directory.hpp"
#include "frontends/pusher/channel_key.hpp"
#include "frontends/pusher/client_command.hpp"

#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace fulmar::pusher {

class home_channel;

class home_channels
{
public:
    explicit home_channels(channel_shard& owner);
    ~home_channels();

    // What a subscriber is told: of presence channels and of cache channels.
    struct entry_outcome
    {
        std::string_view refused;                     // empty: entered
        std::shared_ptr<std::string const> greeting;  // presence
        broker::message_ptr cached;
    };
    using entered = std::function<void(entry_outcome const&)>;
    // A connection of shard `from` subscribes. Of a presence channel it is a member from now on; it is greeted in the next
    // turn, together with all others who come in this one. `then` runs at once for other channels, and if it is refused.
    void enter(broker::shard_id from, broker::app_id app, std::string_view channel,
               std::optional<member_identity> const& member, entered then);
    void leave(broker::shard_id from, broker::app_id app, std::string_view channel, std::string_view user);
    // Shard `from` has `count` subscribed connections now. Not for presence channels.
    void set_count(broker::shard_id from, broker::app_id app, std::string_view channel, std::uint32_t count);

    void remember(broker::message_ptr const& event);
    // Runs `then` when the last event of a cache channel is known: after a restart it is looked for in the log, if the channel
    // keeps a history. At once for all others.
    void recall(broker::app_id app, std::string_view channel, std::function<void()> then);

    [[nodiscard]] channel_state state(broker::app_id app, std::string_view channel);
    void states(broker::app_id app, std::string_view prefix, std::vector<channel_state>& out);
    [[nodiscard]] std::vector<std::string> users(broker::app_id app, std::string_view channel);
    [[nodiscard]] std::vector<broker::channel_member> members(broker::app_id app, std::string_view channel);

    // True: there is more to do later.
    bool tick();
    [[nodiscard]] std::size_t size() const noexcept { return channels_.size(); }

private:
    friend class home_channel;

    [[nodiscard]] home_channel& obtain(broker::app_id app, std::string_view name);
    [[nodiscard]] home_channel* find(broker::app_id app, std::string_view name) noexcept;
    void drop_if_unused(home_channel& channel);
    [[nodiscard]] bool admit(home_channel& channel, broker::shard_id from, member_identity const& member);
    void greet_newcomers();
    void greet(home_channel& channel);
    void look_into_cache(home_channel& channel, entry_outcome& out);
    [[nodiscard]] broker::app const* app_of(broker::app_id app);
    void change_total(home_channel& channel, broker::shard_id from, std::uint32_t count);
    void announce_count(home_channel& channel);
    void broadcast(home_channel const& channel, std::string text);
    void tell(broker::webhook_kind kind, home_channel const& channel, std::string user = {});
    [[nodiscard]] broker::message_ptr valid_cached(home_channel& channel);
    void forget_cached(home_channel& channel);
    void cache(home_channel& channel, broker::message_ptr const& event, broker::wall_ms at);
    void on_recalled(broker::app_id app, std::string const& name, broker::queue_page const& page);
    [[nodiscard]] broker::wall_ms cache_ttl(broker::app_id app);

    channel_shard& owner_;
    std::unordered_map<channel_key, std::unique_ptr<home_channel>, channel_key_hash> channels_;
    std::list<home_channel*> cached_;  // the oldest first
    std::size_t cached_bytes_ = 0;
    std::vector<std::pair<broker::app_id, std::string>> throttled_;  // whose count is still to be told
    std::vector<std::pair<broker::app_id, std::string>> greeting_;   // that have newcomers
};

}  // namespace fulmar::pusher
