#include "frontends/pusher/channel_shard.hpp"

#include "broker/router.hpp"
#include "frontends/pusher/home_channels.hpp"
#include "frontends/pusher/home_sessions.hpp"
#include "frontends/pusher/home_users.hpp"

#include <openssl/rand.h>
#include <boost/asio/post.hpp>
#include <utility>

namespace fulmar::pusher {

namespace {

constexpr std::chrono::milliseconds tick_period{500};

// Never 0, so that no connection is called 0.
[[nodiscard]] std::uint32_t random_tag()
{
    std::uint32_t tag = 0;
    while (tag == 0)
        if (::RAND_bytes(reinterpret_cast<unsigned char*>(&tag), sizeof tag) != 1)
            tag = static_cast<std::uint32_t>(broker::random_seed());
    return tag;
}

}  // namespace

// What the home said to a newcomer.
struct channel_shard::answer
{
    std::string_view refused;
    std::shared_ptr<std::string const> greeting;
    broker::message_ptr cached;
    std::shared_ptr<follower> follows;
};

channel_shard::channel_shard(channel_directory& all, broker::shard& home, broker::apps_in_force const& apps)
    : directory_(all),
      home_(home),
      apps_(apps),
      alive_(std::make_shared<channel_shard*>(this)),
      timer_(home.io()),
      channels_(std::make_unique<home_channels>(*this)),
      users_(std::make_unique<home_users>(*this)),
      sessions_(std::make_unique<home_sessions>(*this))
{
}

channel_shard::~channel_shard() { *alive_ = nullptr; }

// --- connections -----------------------------------------------------------------------------------------------

connection_id channel_shard::attach(channel_client& who)
{
    if (free_places_.empty()) {
        if (places_.size() >= places_max)
            return connection_id{0};
        free_places_.push_back(static_cast<std::uint32_t>(places_.size()));
        places_.push_back(nullptr);
        tags_.push_back(0);
    }
    auto const place = free_places_.back();
    free_places_.pop_back();
    places_[place] = &who;
    tags_[place] = random_tag();
    return make_connection_id(home_.id(), place, tags_[place]);
}

void channel_shard::detach(connection_id id) noexcept
{
    if (find(id) == nullptr)
        return;
    auto const place = place_of(id);
    places_[place] = nullptr;
    tags_[place] = 0;
    free_places_.push_back(place);
}

channel_client* channel_shard::find(connection_id id) const noexcept
{
    auto const place = place_of(id);
    auto const tag = static_cast<std::uint32_t>(static_cast<std::uint64_t>(id));
    auto const here = shard_of(id) == home_.id() && place < places_.size() && tags_[place] == tag;
    return here ? places_[place] : nullptr;
}

void channel_shard::for_each(std::function<void(channel_client&)> const& visit)
{
    for (std::size_t i = 0; i < places_.size(); ++i)
        if (places_[i] != nullptr)
            visit(*places_[i]);
}

// --- channels --------------------------------------------------------------------------------------------------

local_channel* channel_shard::find_channel(broker::app_id app, std::string_view name) noexcept
{
    auto const place = locals_.find({app, name});
    return place == locals_.end() ? nullptr : place->second.get();
}

local_channel& channel_shard::obtain(broker::app_id app, std::string_view name)
{
    if (auto* const known = find_channel(app, name))
        return *known;
    auto made = std::make_unique<local_channel>(*this, app, name, ++serials_);
    auto& channel = *made;
    locals_.emplace(channel_key{app, channel.name()}, std::move(made));
    home_.routes().subscribe(app, channel, channel.name(), {}, false,
                             [this, app, key = channel.name(), serial = channel.serial()] {
                                 auto* const known = find_channel(app, key);
                                 if (known != nullptr && known->serial() == serial && known->on_ready())
                                     drop_if_unused(*known);
                             });
    return channel;
}

void channel_shard::drop_if_unused(local_channel& channel)
{
    if (!channel.unused())
        return;
    home_.routes().unsubscribe(channel.app(), channel, channel.name());
    locals_.erase({channel.app(), channel.name()});
}

// First the topic, so that nothing can be missed; then the home, which knows who is there and what is cached.
void channel_shard::subscribe(subscribe_request wanted)
{
    auto& channel = obtain(wanted.app, wanted.channel);
    channel.begin_pending();
    auto const held = std::make_shared<subscribe_request const>(std::move(wanted));
    channel.when_ready([this, held, serial = channel.serial()] {
        if (held->session.empty())
            ask_home(held, serial, nullptr);
        else
            ask_session(held, serial);
    });
}

// With a session: what it has of this channel, then what it missed, so that the client can be told how much follows.
void channel_shard::ask_session(request_ptr const& wanted, std::uint32_t serial)
{
    auto& channel = *find_channel(wanted->app, wanted->channel);  // somebody is pending: it is there
    auto* const client = find(wanted->client);
    if (client == nullptr || !client->waits_for(wanted->token))
        return finish(*wanted, serial, {});
    auto const follows = std::make_shared<follower>(*this, channel.logged(), wanted->client);
    channel.add(follows);
    directory_.run_at(
        home_, directory_.home_of(wanted->app, wanted->session),
        [&all = directory_, wanted, serial, follows, from = home_.id()](channel_shard& there) {
            there.sessions().subscribe(
                wanted->app, wanted->session, wanted->client, wanted->channel, wanted->token,
                [&all, &there, wanted, serial, follows, from](home_sessions::claim const& claimed) {
                    all.run_at(there.home(), from, [wanted, serial, follows, claimed](channel_shard& back) {
                        if (claimed.accepted)
                            return follows->open(
                                claimed, [&back, wanted, serial, follows] { back.ask_home(wanted, serial, follows); });
                        back.let_go(*back.find_channel(wanted->app, wanted->channel), follows);
                        back.ask_home(wanted, serial, nullptr);
                    });
                });
        },
        wanted->channel.size());
}

void channel_shard::ask_home(request_ptr const& wanted, std::uint32_t serial, std::shared_ptr<follower> const& follows)
{
    auto& channel = *find_channel(wanted->app, wanted->channel);  // somebody is pending: it is there
    if (!wanted->member && !channel.kind().cache)
        return finish(*wanted, serial, {{}, {}, {}, follows});
    directory_.run_at(
        home_, channel.home(),
        [&all = directory_, wanted, serial, follows, from = home_.id()](channel_shard& there) {
            there.channels().recall(wanted->app, wanted->channel, [&all, &there, wanted, serial, follows, from] {
                there.channels().enter(
                    from, wanted->app, wanted->channel, wanted->member,
                    [&all, &there, wanted, serial, follows, from](home_channels::entry_outcome const& outcome) {
                        all.run_at(there.home(), from, [wanted, serial, follows, outcome](channel_shard& back) {
                            back.finish(*wanted, serial, {outcome.refused, outcome.greeting, outcome.cached, follows});
                        });
                    });
            });
        },
        wanted->channel.size());
}

void channel_shard::finish(subscribe_request const& wanted, std::uint32_t serial, answer&& from_home)
{
    auto& channel = *find_channel(wanted.app, wanted.channel);
    FULMAR_ASSERT(channel.serial() == serial);
    auto* const client = find(wanted.client);
    subscribe_outcome outcome;
    outcome.refused = from_home.refused;
    auto const waits = client != nullptr && client->waits_for(wanted.token);
    if (from_home.follows && (!waits || !outcome.refused.empty()))
        let_go(channel, from_home.follows);
    if (!waits) {
        if (wanted.member && outcome.refused.empty())
            tell_leave(channel.home(), channel.app(), channel.name(), wanted.member->user_id);
    } else if (!outcome.refused.empty()) {
        client->on_subscribed(wanted.token, outcome);
    } else {
        outcome.where = &channel;
        outcome.greeting = std::move(from_home.greeting);
        // What passed by here while the home was asked is not older than its answer.
        outcome.cached = channel.passed_by() ? channel.passed_by() : from_home.cached;
        outcome.follows = std::move(from_home.follows);
        outcome.place = outcome.follows ? outcome.follows->place : channel.add(*client);
        metrics_.subscriptions.add();
        client->on_subscribed(wanted.token, outcome);
        if (!outcome.follows && find(wanted.client) == client)  // it may have been cut off
            channel.let_in(*client);
        if (!wanted.member)
            tell_count(channel);
    }
    channel.end_pending();
    drop_if_unused(channel);
}

void channel_shard::let_go(local_channel& channel, std::shared_ptr<follower> const& follows)
{
    if (!follows->ended())
        channel.remove(*follows);
}

void channel_shard::unsubscribe(local_channel& where, std::uint32_t place, std::string_view member,
                                bool stays_connected)
{
    where.remove(place, stays_connected);
    tell_gone(where, member);
    drop_if_unused(where);
}

void channel_shard::unsubscribe(local_channel& where, follower& who, std::string_view member)
{
    where.remove(who);
    tell_gone(where, member);
    drop_if_unused(where);
}

void channel_shard::tell_gone(local_channel const& channel, std::string_view member)
{
    metrics_.subscriptions.subtract();
    if (member.empty())
        tell_count(channel);
    else
        tell_leave(channel.home(), channel.app(), channel.name(), member);
}

void channel_shard::tell_count(local_channel const& channel)
{
    auto const count = static_cast<std::uint32_t>(channel.size());
    directory_.run_at(
        home_, channel.home(),
        [from = home_.id(), app = channel.app(), name = channel.name(), count](channel_shard& there) {
            there.channels().set_count(from, app, name, count);
        },
        channel.name().size());
}

void channel_shard::tell_leave(broker::shard_id home, broker::app_id app, std::string const& channel,
                               std::string_view user)
{
    directory_.run_at(
        home_, home,
        [from = home_.id(), app, channel, who = std::string{user}](channel_shard& there) {
            there.channels().leave(from, app, channel, who);
        },
        channel.size() + user.size());
}

void channel_shard::next_turn(std::function<void(channel_shard&)> task)
{
    boost::asio::post(home_.io(), [alive = alive_, task = std::move(task)] {
        if (*alive != nullptr)
            task(**alive);
    });
}

// --- frame runs ------------------------------------------------------------------------------------------------

broker::frame_run& channel_shard::open_run()
{
    if (open_runs_.empty())
        home_.at_turn_end(*this);
    if (idle_runs_.empty()) {
        open_runs_.push_back(std::make_unique<broker::frame_run>());
    } else {
        open_runs_.push_back(std::move(idle_runs_.back()));
        idle_runs_.pop_back();
    }
    return *open_runs_.back();
}

// Connections that are flushed after this still read the runs: they are used again only when the whole turn is over.
void channel_shard::on_turn_end()
{
    ++turn_;
    boost::asio::post(home_.io(), [alive = alive_, spent = std::exchange(open_runs_, {})]() mutable {
        if (*alive != nullptr)
            (*alive)->recycle(std::move(spent));
    });
}

void channel_shard::recycle(std::vector<std::unique_ptr<broker::frame_run>> spent)
{
    for (auto& run : spent) {
        if (idle_runs_.size() >= runs_kept || run->bytes.capacity() > idle_run_bytes_max)
            continue;
        run->clear();
        idle_runs_.push_back(std::move(run));
    }
}

// --- time ------------------------------------------------------------------------------------------------------

void channel_shard::tick()
{
    auto const channels_left = channels_->tick();
    auto const sessions_left = sessions_->tick();
    if (channels_left || sessions_left)
        keep_ticking();
}

void channel_shard::keep_ticking()
{
    if (std::exchange(ticking_, true))
        return;
    timer_.expires_after(tick_period);
    timer_.async_wait([alive = alive_](boost::system::error_code error) {
        if (error || *alive == nullptr)
            return;
        (*alive)->ticking_ = false;
        (*alive)->tick();
    });
}

}  // namespace fulmar::pusher
