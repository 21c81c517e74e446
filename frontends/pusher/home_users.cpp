#include "frontends/pusher/home_users.hpp"

#include "frontends/pusher/channel_shard.hpp"
#include "frontends/pusher/event.hpp"

#include <algorithm>
#include <map>

namespace fulmar::pusher {

namespace {

template <class Ids>
[[nodiscard]] std::map<broker::shard_id, std::vector<connection_id>> by_shard(Ids const& ids)
{
    std::map<broker::shard_id, std::vector<connection_id>> sorted;
    for (auto const id : ids)
        sorted[shard_of(connection_id{id})].push_back(connection_id{id});
    return sorted;
}

}  // namespace

home_users::user_entry* home_users::find(broker::app_id app, std::string_view user) noexcept
{
    auto const place = users_.find({app, user});
    return place == users_.end() ? nullptr : place->second.get();
}

home_users::user_entry& home_users::obtain(broker::app_id app, std::string_view user)
{
    if (auto* const known = find(app, user))
        return *known;
    auto made = std::make_unique<user_entry>(user);
    auto& entry = *made;
    users_.emplace(channel_key{app, entry.id}, std::move(made));
    return entry;
}

void home_users::drop_if_unused(broker::app_id app, user_entry& entry)
{
    if (entry.connections.empty() && entry.watchers.empty())
        users_.erase({app, entry.id});
}

void home_users::sign_in(broker::app_id app, std::string_view user, connection_id on)
{
    auto& entry = obtain(app, user);
    entry.connections.push_back(on);
    if (entry.connections.size() == 1)
        announce(entry, true);
}

void home_users::sign_out(broker::app_id app, std::string_view user, connection_id on)
{
    auto* const entry = find(app, user);
    if (entry == nullptr)
        return;
    auto const place = std::find(entry->connections.begin(), entry->connections.end(), on);
    if (place == entry->connections.end())
        return;
    entry->connections.erase(place);
    if (entry->connections.empty())
        announce(*entry, false);
    drop_if_unused(app, *entry);
}

bool home_users::watch(broker::app_id app, std::string_view user, connection_id watcher)
{
    auto& entry = obtain(app, user);
    entry.watchers.insert(static_cast<std::uint64_t>(watcher));
    return !entry.connections.empty();
}

void home_users::unwatch(broker::app_id app, std::string_view user, connection_id watcher)
{
    if (auto* const entry = find(app, user)) {
        entry->watchers.erase(static_cast<std::uint64_t>(watcher));
        drop_if_unused(app, *entry);
    }
}

void home_users::announce(user_entry const& entry, bool online)
{
    if (entry.watchers.empty())
        return;
    std::vector<std::string> const who{entry.id};
    std::vector<std::string> const nobody;
    auto const text =
        std::make_shared<std::string const>(watchlist_events(online ? who : nobody, online ? nobody : who));
    for (auto& [shard, watchers] : by_shard(entry.watchers)) {
        auto const bytes = watchers.size() * sizeof(connection_id) + text->size();
        owner_.directory().run_at(
            owner_.home(), shard,
            [text, online, user = entry.id, ids = std::move(watchers)](channel_shard& there) {
                for (auto const id : ids)
                    if (auto* const watcher = there.find(id))
                        watcher->on_watched(user, online, *text);
            },
            bytes);
    }
}

void home_users::terminate(broker::app_id app, std::string_view user)
{
    auto const* const entry = find(app, user);
    if (entry == nullptr)
        return;
    for (auto& [shard, connections] : by_shard(entry->connections)) {
        owner_.directory().run_at(owner_.home(), shard, [ids = std::move(connections)](channel_shard& there) {
            for (auto const id : ids)
                if (auto* const client = there.find(id))
                    client->on_terminated();
        });
    }
}

}  // namespace fulmar::pusher
