// One channel at its home: see home_channels.hpp, which owns it.
#pragma once

#include "broker/clock.hpp"
#include "broker/subscriber.hpp"
#include "frontends/pusher/channel_name.hpp"
#include "frontends/pusher/home_channels.hpp"

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace fulmar::pusher {

struct presence_member
{
    std::uint32_t connections = 0;
    std::string id_json;
    std::string info_json;  // empty: none
    // What a greeting has of the member, escaped when the member came: encoding all of them anew for everybody who comes
    // would cost as much as the square of their number.
    std::string in_ids;
    std::string in_hash;
};

struct shard_count
{
    broker::shard_id shard = 0;
    std::uint32_t count = 0;
};

// Of a cache channel it is a subscriber, too: it notes what every protocol publishes.
class home_channel final : public broker::subscriber
{
public:
    home_channel(home_channels& owner, broker::app_id in, std::string_view called)
        : name(called), app(in), kind(classify(called)), owner_(owner)
    {
    }

    std::string const name;
    broker::app_id const app;
    channel_kind const kind;
    bool throttled = false;   // waits in home_channels::throttled_
    bool miss_told = false;   // cache_miss was told and nothing was cached since
    bool listening = false;   // subscribed at the router
    bool recalled = false;    // what the log has is known
    std::uint32_t total = 0;  // subscribed connections of all shards
    std::vector<shard_count> counts;
    broker::steady_time next_count_at{};
    std::unique_ptr<std::map<std::string, presence_member, std::less<>>> members;
    std::shared_ptr<std::string const> greeting;    // null: to be encoded anew
    std::vector<home_channels::entered> newcomers;  // not greeted yet: those of one turn share a greeting
    broker::message_ptr cached;
    broker::wall_ms cached_at = 0;
    std::list<home_channel*>::iterator cached_place;  // while cached
    std::vector<std::function<void()>> recalling;     // who waits while the log is read: as many as subscribe

    [[nodiscard]] bool unused() const noexcept
    {
        return total == 0 && !cached && recalling.empty() && newcomers.empty();
    }
    [[nodiscard]] std::uint32_t& count_of(broker::shard_id shard);

private:
    [[nodiscard]] broker::wire_variant const* shared_variant() const noexcept override { return nullptr; }
    void take_run(broker::frame_run const&, std::uint32_t, std::uint32_t) override {}
    void deliver(broker::message_ptr const& m, broker::matched_subscription const&) override { owner_.remember(m); }
    [[nodiscard]] bool may_receive(std::string_view) const override { return true; }
    [[nodiscard]] std::uint64_t publisher_hash() const noexcept override { return 0; }

    home_channels& owner_;
};

[[nodiscard]] presence_member make_member(std::string_view user_id, std::string id_json, std::string info_json);

// The whole subscription_succeeded of a presence channel with these members.
[[nodiscard]] std::string presence_greeting(home_channel const& channel);
[[nodiscard]] std::string member_added(home_channel const& channel, presence_member const& who);
[[nodiscard]] std::string member_removed(home_channel const& channel, presence_member const& who);

}  // namespace fulmar::pusher
