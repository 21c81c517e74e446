// The signed-in users whose home is this shard: on which connections, and who watches them.
//
// Spec:     Pusher Channels: user authentication, watchlist events, terminating user connections.
// Owner:    channel_shard.
// Threads:  shard-owned.
// Limits:   bounded by connections and by their watchlists (app_limits::watchlist).
// Cost:     sign-in and sign-out of a user without watchers touch nobody else; an edge is one letter to each shard with
//           watchers.
#pragma once

#include "frontends/pusher/channel_key.hpp"
#include "frontends/pusher/socket_id.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace fulmar::pusher {

class channel_shard;

class home_users
{
public:
    explicit home_users(channel_shard& owner) : owner_(owner) {}

    void sign_in(broker::app_id app, std::string_view user, connection_id on);
    void sign_out(broker::app_id app, std::string_view user, connection_id on);

    // True: the user is online now; `watcher` is told of every change from here on.
    [[nodiscard]] bool watch(broker::app_id app, std::string_view user, connection_id watcher);
    void unwatch(broker::app_id app, std::string_view user, connection_id watcher);

    void terminate(broker::app_id app, std::string_view user);

    [[nodiscard]] std::size_t size() const noexcept { return users_.size(); }

private:
    struct user_entry
    {
        explicit user_entry(std::string_view called) : id(called) {}
        std::string const id;
        std::vector<connection_id> connections;
        std::unordered_set<std::uint64_t> watchers;
    };

    [[nodiscard]] user_entry& obtain(broker::app_id app, std::string_view user);
    [[nodiscard]] user_entry* find(broker::app_id app, std::string_view user) noexcept;
    void drop_if_unused(broker::app_id app, user_entry& entry);
    void announce(user_entry const& entry, bool online);

    channel_shard& owner_;
    std::unordered_map<channel_key, std::unique_ptr<user_entry>, channel_key_hash> users_;
};

}  // namespace fulmar::pusher
