#include "frontends/pusher/channel_directory.hpp"

#include "broker/shard.hpp"
#include "broker/topic.hpp"
#include "frontends/pusher/channel_name.hpp"
#include "frontends/pusher/channel_shard.hpp"
#include "frontends/pusher/home_channels.hpp"
#include "frontends/pusher/home_sessions.hpp"
#include "frontends/pusher/home_users.hpp"

#include <algorithm>
#include <utility>

namespace fulmar::pusher {

channel_directory::channel_directory(broker::node_context& node, broker::apps_in_force const& apps,
                                     channel_events& events)
    : events_(events)
{
    for (auto const& shard : node.shards)
        shards_.push_back(std::make_unique<channel_shard>(*this, *shard, apps));
}

channel_directory::~channel_directory() = default;

channel_shard& channel_directory::at(broker::shard const& here) noexcept { return *shards_[here.id()]; }

pusher_metrics const& channel_directory::metrics(std::size_t shard) const noexcept { return shards_[shard]->metrics(); }

broker::shard_id channel_directory::home_of(broker::app_id app, std::string_view name) const noexcept
{
    return static_cast<broker::shard_id>(static_cast<std::uint64_t>(broker::hash_filter(app, name)) % shards_.size());
}

void channel_directory::run_at(broker::shard& here, broker::shard_id to, std::function<void(channel_shard&)> task,
                               std::size_t bytes)
{
    if (to == here.id())
        return task(*shards_[to]);
    here.send(
        to, [this, task = std::move(task)](broker::shard& there) { task(at(there)); }, bytes);
}

void channel_directory::restore(broker::recovered_session&& stored)
{
    auto const home = home_of(stored.record.app, session_id_in(stored.record));
    shards_[home]->sessions().restore(std::move(stored));
}

namespace {

// The answers of all shards to one question, on the shard that asked.
struct gathering
{
    std::vector<channel_state> found;
    std::size_t missing = 0;
    std::function<void(std::vector<channel_state>)> done;

    void add(std::vector<channel_state>&& some)
    {
        found.insert(found.end(), std::make_move_iterator(some.begin()), std::make_move_iterator(some.end()));
        if (--missing != 0)
            return;
        std::sort(found.begin(), found.end(), [](auto const& a, auto const& b) { return a.name < b.name; });
        if (found.size() > channel_directory::answer_channels_max)
            found.resize(channel_directory::answer_channels_max);
        done(std::move(found));
    }
};

}  // namespace

void channel_directory::channels(broker::shard& here, broker::app_id app, std::string prefix,
                                 std::function<void(std::vector<channel_state>)> done)
{
    auto const all = std::make_shared<gathering>();
    all->missing = shards_.size();
    all->done = std::move(done);
    for (std::size_t i = 0; i < shards_.size(); ++i) {
        run_at(here, static_cast<broker::shard_id>(i),
               [this, all, app, prefix, from = here.id()](channel_shard& there) {
                   auto const some = std::make_shared<std::vector<channel_state>>();
                   there.channels().states(app, prefix, *some);
                   run_at(
                       there.home(), from, [all, some](channel_shard&) { all->add(std::move(*some)); },
                       some->size() * sizeof(channel_state));
               });
    }
}

void channel_directory::channel(broker::shard& here, broker::app_id app, std::string name,
                                std::function<void(channel_state)> done)
{
    run_at(here, home_of(app, name), [this, app, name, from = here.id(), done = std::move(done)](channel_shard& there) {
        there.channels().recall(app, name, [this, app, name, from, done, &there] {
            run_at(there.home(), from,
                   [done, state = there.channels().state(app, name)](channel_shard&) { done(state); });
        });
    });
}

void channel_directory::users(broker::shard& here, broker::app_id app, std::string name,
                              std::function<void(std::vector<std::string>)> done)
{
    run_at(here, home_of(app, name), [this, app, name, from = here.id(), done = std::move(done)](channel_shard& there) {
        run_at(there.home(), from, [done, ids = there.channels().users(app, name)](channel_shard&) { done(ids); });
    });
}

void channel_directory::members(broker::shard& here, broker::app_id app, std::string name,
                                std::function<void(broker::channel_members)> done)
{
    if (classify(name).access != channel_access::presence)
        return done(std::nullopt);
    run_at(here, home_of(app, name), [this, app, name, from = here.id(), done = std::move(done)](channel_shard& there) {
        auto const found = std::make_shared<std::vector<broker::channel_member>>(there.channels().members(app, name));
        std::size_t bytes = 0;
        for (auto const& each : *found)
            bytes += sizeof each + each.id.size() + each.info_json.size();
        run_at(
            there.home(), from, [done, found](channel_shard&) { done(std::move(*found)); }, bytes);
    });
}

void channel_directory::terminate_user(broker::shard& here, broker::app_id app, std::string user_id)
{
    auto const home = home_of(app, user_id);
    run_at(here, home, [app, user = std::move(user_id)](channel_shard& there) { there.users().terminate(app, user); });
}

void channel_directory::remember_cached(broker::shard& here, broker::message_ptr const& event)
{
    run_at(
        here, home_of(event->app, event->topic()), [event](channel_shard& there) { there.channels().remember(event); },
        event->footprint());
}

}  // namespace fulmar::pusher
