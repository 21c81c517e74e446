#include "frontends/pusher/home_channels.hpp"

#include "broker/history_rules.hpp"
#include "broker/router.hpp"
#include "broker/shard.hpp"
#include "frontends/pusher/channel_shard.hpp"
#include "frontends/pusher/event.hpp"
#include "frontends/pusher/home_channel.hpp"

#include <algorithm>
#include <utility>

namespace fulmar::pusher {

namespace {

constexpr std::uint32_t counts_unthrottled_max = 100;  // above it counts are told at most every count_interval
constexpr std::chrono::seconds count_interval{5};
broker::app const absent_app{};

}  // namespace

home_channels::home_channels(channel_shard& owner) : owner_(owner) {}
home_channels::~home_channels() = default;

broker::app const* home_channels::app_of(broker::app_id app)
{
    auto const* const found = owner_.apps()->find(app);
    return found == nullptr ? &absent_app : found;
}

home_channel* home_channels::find(broker::app_id app, std::string_view name) noexcept
{
    auto const place = channels_.find({app, name});
    return place == channels_.end() ? nullptr : place->second.get();
}

home_channel& home_channels::obtain(broker::app_id app, std::string_view name)
{
    if (auto* const known = find(app, name))
        return *known;
    auto made = std::make_unique<home_channel>(*this, app, name);
    auto& channel = *made;
    channels_.emplace(channel_key{app, channel.name}, std::move(made));
    if (channel.kind.cache) {
        channel.listening = true;
        owner_.home().routes().subscribe(app, channel, channel.name, {}, false, {});
    }
    return channel;
}

void home_channels::drop_if_unused(home_channel& channel)
{
    if (!channel.unused())
        return;
    if (channel.listening)
        owner_.home().routes().unsubscribe(channel.app, channel, channel.name);
    channels_.erase({channel.app, channel.name});
}

// --- subscribers -----------------------------------------------------------------------------------------------

// False: it has as many members as it may have.
bool home_channels::admit(home_channel& channel, broker::shard_id from, member_identity const& member)
{
    if (!channel.members)
        channel.members = std::make_unique<std::map<std::string, presence_member, std::less<>>>();
    auto place = channel.members->find(member.user_id);
    if (place == channel.members->end()) {
        if (channel.members->size() >= app_of(channel.app)->limits.presence_members)
            return false;
        place = channel.members->emplace(member.user_id, make_member(member.user_id, member.id_json, member.info_json))
                    .first;
        channel.greeting.reset();
        broadcast(channel, member_added(channel, place->second));  // newcomers are not among the receivers yet
    }
    auto const first = ++place->second.connections == 1;
    change_total(channel, from, channel.count_of(from) + 1);
    if (first)
        tell(broker::webhook_kind::member_added, channel, member.user_id);
    return true;
}

void home_channels::enter(broker::shard_id from, broker::app_id app, std::string_view name,
                          std::optional<member_identity> const& member, entered then)
{
    auto& channel = obtain(app, name);
    entry_outcome out;
    if (channel.kind.access != channel_access::presence || !member) {
        look_into_cache(channel, out);
        return then(out);
    }
    if (!admit(channel, from, *member)) {
        drop_if_unused(channel);
        out.refused = "the presence channel has as many members as it may have";
        return then(out);
    }
    channel.newcomers.push_back(std::move(then));
    if (channel.newcomers.size() > 1)
        return;
    greeting_.emplace_back(app, channel.name);
    if (greeting_.size() == 1)
        owner_.next_turn([](channel_shard& here) { here.channels().greet_newcomers(); });
}

void home_channels::greet_newcomers()
{
    for (auto const& [app, name] : std::exchange(greeting_, {}))
        greet(*find(app, name));  // who waits keeps it
}

// What was told of comings and goings before went to everybody else only; what is told from now on goes to them, too.
void home_channels::greet(home_channel& channel)
{
    if (!channel.greeting)
        channel.greeting = std::make_shared<std::string const>(presence_greeting(channel));
    entry_outcome out;
    out.greeting = channel.greeting;
    look_into_cache(channel, out);
    auto const app = channel.app;
    auto const name = channel.name;
    for (auto const& then : std::exchange(channel.newcomers, {}))
        then(out);
    if (auto* const left = find(app, name))  // they may have been cut off meanwhile
        drop_if_unused(*left);
}

void home_channels::look_into_cache(home_channel& channel, entry_outcome& out)
{
    if (!channel.kind.cache)
        return;
    out.cached = valid_cached(channel);
    if (!out.cached && !std::exchange(channel.miss_told, true))
        tell(broker::webhook_kind::cache_miss, channel);
}

void home_channels::leave(broker::shard_id from, broker::app_id app, std::string_view name, std::string_view user)
{
    auto* const channel = find(app, name);
    if (channel == nullptr || !channel->members)
        return;
    auto const place = channel->members->find(user);
    if (place == channel->members->end())
        return;
    if (--place->second.connections == 0) {
        auto const text = member_removed(*channel, place->second);
        auto const id = place->first;
        channel->members->erase(place);
        channel->greeting.reset();
        broadcast(*channel, text);
        tell(broker::webhook_kind::member_removed, *channel, id);
    }
    change_total(*channel, from, channel->count_of(from) - 1);
    drop_if_unused(*channel);
}

void home_channels::set_count(broker::shard_id from, broker::app_id app, std::string_view name, std::uint32_t count)
{
    auto& channel = obtain(app, name);
    change_total(channel, from, count);
    if (app_of(app)->subscription_counts)
        announce_count(channel);
    drop_if_unused(channel);
}

void home_channels::change_total(home_channel& channel, broker::shard_id from, std::uint32_t count)
{
    auto const before = channel.total;
    auto& known = channel.count_of(from);
    channel.total = before - known + count;
    known = count;
    if (count == 0)
        std::erase_if(channel.counts, [](shard_count const& c) { return c.count == 0; });
    if (before == 0 && channel.total != 0)
        tell(broker::webhook_kind::channel_occupied, channel);
    else if (before != 0 && channel.total == 0)
        tell(broker::webhook_kind::channel_vacated, channel);
}

void home_channels::announce_count(home_channel& channel)
{
    auto const now = owner_.home().now();
    if (channel.total > counts_unthrottled_max && now < channel.next_count_at) {
        if (!std::exchange(channel.throttled, true)) {
            throttled_.emplace_back(channel.app, channel.name);
            owner_.keep_ticking();
        }
        return;
    }
    channel.next_count_at = now + count_interval;
    auto const text = std::string{R"({"subscription_count":)"}.append(std::to_string(channel.total)).append("}");
    broadcast(channel, channel_event_text("pusher_internal:subscription_count", channel.name, text));
    tell(broker::webhook_kind::subscription_count, channel);
}

// One letter to each shard that has subscribers, whatever their number.
void home_channels::broadcast(home_channel const& channel, std::string text)
{
    auto const shared = std::make_shared<std::string const>(std::move(text));
    for (auto const& on : channel.counts) {
        if (on.count == 0)
            continue;
        owner_.directory().run_at(
            owner_.home(), on.shard,
            [shared, app = channel.app, name = channel.name](channel_shard& there) {
                if (auto* const local = there.find_channel(app, name))
                    local->broadcast(*shared);
            },
            shared->size());
    }
}

void home_channels::tell(broker::webhook_kind kind, home_channel const& channel, std::string user)
{
    auto& events = owner_.directory().events();
    if (!events.wanted(channel.app, kind))
        return;
    channel_event what;
    what.kind = kind;
    what.app = channel.app;
    what.channel = channel.name;
    what.user_id = std::move(user);
    what.subscription_count = channel.total;
    events.tell(owner_.home(), std::move(what));
}

// --- cached events -----------------------------------------------------------------------------------------------

void home_channels::remember(broker::message_ptr const& event)
{
    if (client_event(event->event()) || cache_ttl(event->app) == 0)
        return;
    auto& channel = obtain(event->app, event->topic());
    if (channel.cached != event)
        cache(channel, event, owner_.home().wall());
}

void home_channels::cache(home_channel& channel, broker::message_ptr const& event, broker::wall_ms at)
{
    forget_cached(channel);
    channel.cached = event;
    channel.cached_at = at;
    channel.miss_told = false;
    channel.cached_place = cached_.insert(cached_.end(), &channel);
    cached_bytes_ += event->footprint();
    owner_.keep_ticking();
    while (cached_.size() > channel_directory::cached_max || cached_bytes_ > channel_directory::cached_bytes_max) {
        auto& oldest = *cached_.front();
        owner_.metrics().cached_dropped.add();
        forget_cached(oldest);
        drop_if_unused(oldest);
    }
}

void home_channels::recall(broker::app_id app, std::string_view name, std::function<void()> then)
{
    auto* const known = find(app, name);
    auto const* const rules = owner_.home().routes().history();
    if (rules == nullptr || !classify(name).cache || (known != nullptr && (known->cached || known->recalled)) ||
        cache_ttl(app) == 0 || rules->find(app, name) == nullptr)
        return then();
    auto& channel = obtain(app, name);  // listens from now on
    channel.recalling.push_back(std::move(then));
    if (channel.recalling.size() > 1)
        return;
    broker::queue_read request;
    request.filters.push_back({app, channel.name, 0, true});
    request.newest_max = request.messages_max = 1;
    owner_.home().read(std::move(request), [this, app, called = channel.name](broker::queue_page const& page) {
        on_recalled(app, called, page);
    });
}

void home_channels::on_recalled(broker::app_id app, std::string const& name, broker::queue_page const& page)
{
    auto* const channel = find(app, name);  // somebody waits: it is there
    channel->recalled = !page.error;
    auto const* const rule = owner_.home().routes().history()->find(app, name);
    if (!page.messages.empty() && !channel->cached && rule != nullptr) {
        auto const& last = page.messages.back().message;
        if (rule->max_age_ms == 0 || last->published_at + rule->max_age_ms > owner_.home().wall())
            cache(*channel, last, last->published_at);
    }
    for (auto const& then : std::exchange(channel->recalling, {}))
        then();
}

broker::wall_ms home_channels::cache_ttl(broker::app_id app)
{
    return static_cast<broker::wall_ms>(std::max<std::int64_t>(app_of(app)->limits.cache_ttl.count(), 0));
}

void home_channels::forget_cached(home_channel& channel)
{
    if (!channel.cached)
        return;
    cached_bytes_ -= channel.cached->footprint();
    cached_.erase(channel.cached_place);
    channel.cached.reset();
}

broker::message_ptr home_channels::valid_cached(home_channel& channel)
{
    auto const now = owner_.home().wall();
    if (channel.cached && (now >= channel.cached_at + cache_ttl(channel.app) || channel.cached->expired(now)))
        forget_cached(channel);
    return channel.cached;
}

// --- questions -----------------------------------------------------------------------------------------------------

channel_state home_channels::state(broker::app_id app, std::string_view name)
{
    channel_state out;
    out.name = name;
    auto* const channel = find(app, name);
    if (channel == nullptr)
        return out;
    out.subscription_count = channel->total;
    out.user_count = channel->members ? channel->members->size() : 0;
    out.cached = valid_cached(*channel);
    if (out.cached) {
        auto const left = channel->cached_at + cache_ttl(app) - owner_.home().wall();
        out.cached_ttl_s = static_cast<std::uint32_t>(std::max<std::uint64_t>((left + 999) / 1000, 1));
    }
    drop_if_unused(*channel);
    return out;
}

void home_channels::states(broker::app_id app, std::string_view prefix, std::vector<channel_state>& out)
{
    for (auto const& [key, channel] : channels_) {
        if (out.size() >= channel_directory::answer_channels_max)
            return;
        if (key.app != app || channel->total == 0 || !key.name.starts_with(prefix))
            continue;
        channel_state one;
        one.name = channel->name;
        one.subscription_count = channel->total;
        one.user_count = channel->members ? channel->members->size() : 0;
        out.push_back(std::move(one));
    }
}

std::vector<std::string> home_channels::users(broker::app_id app, std::string_view name)
{
    std::vector<std::string> out;
    if (auto const* const channel = find(app, name); channel != nullptr && channel->members)
        for (auto const& [id, who] : *channel->members)
            out.push_back(id);
    return out;
}

std::vector<broker::channel_member> home_channels::members(broker::app_id app, std::string_view name)
{
    std::vector<broker::channel_member> out;
    if (auto const* const channel = find(app, name); channel != nullptr && channel->members)
        for (auto const& [id, who] : *channel->members)
            out.push_back({id, who.info_json, who.connections});
    return out;
}

bool home_channels::tick()
{
    for (auto const& [app, name] : std::exchange(throttled_, {})) {
        auto* const channel = find(app, name);
        if (channel == nullptr || !std::exchange(channel->throttled, false))
            continue;
        announce_count(*channel);  // throttles again if it is too early
    }
    while (!cached_.empty()) {
        auto& oldest = *cached_.front();
        if (valid_cached(oldest))
            break;
        drop_if_unused(oldest);
    }
    return !throttled_.empty() || !cached_.empty();
}

}  // namespace fulmar::pusher
