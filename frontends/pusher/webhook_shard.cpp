#include "frontends/pusher/webhook_shard.hpp"

#include <algorithm>
#include <iterator>

namespace fulmar::pusher {

namespace {

using broker::webhook_kind;

constexpr std::chrono::milliseconds sweep_period{250};

}  // namespace

webhook_shard::webhook_shard(webhooks& all, broker::shard& home)
    : all_{all}, home_{home}, apps_{all.apps_}, timer_{std::in_place, home.io()}
{
}

void webhook_shard::tell(channel_event&& what)
{
    if (auto const key = return_key(what); !key.empty() && take_back(key))
        return;
    auto const apps = apps_.now();
    auto const* const app = apps->find(what.app);
    if (app == nullptr || app->webhooks.empty())
        return;
    if (what.kind == webhook_kind::cache_miss && repeated_miss(what))
        return;
    auto items = items_of(*app, what);
    for (auto const& item : items)
        keep(item);
    if (items.empty())
        return;
    if (auto key = departure_key(what); !key.empty())
        wait_for_return(std::move(key), std::move(items));
    else
        all_.hand_over(std::move(items));
}

std::vector<webhook_item> webhook_shard::items_of(broker::app const& app, channel_event const& what)
{
    std::vector<webhook_item> items;
    std::string text;
    for (auto const& target : app.webhooks) {
        if (!target.wants(what.kind, what.channel))
            continue;
        ++all_.metrics_.told;
        if (!all_.reserve(app))
            continue;
        if (text.empty())
            text = event_text(what);
        items.push_back({all_.new_id(), home_.id(), app.id, target.url, home_.wall(), text, departure_key(what)});
    }
    return items;
}

// If the store refuses, the event is sent all the same; it just does not survive a crash.
void webhook_shard::keep(webhook_item const& item)
{
    home_.store({broker::put_outbox_op{item.id, encode_row(item)}, 0});
}

void webhook_shard::wait_for_return(std::string key, std::vector<webhook_item>&& items)
{
    auto& waiting = departures_[key];
    waiting.number = ++last_number_;
    std::ranges::move(items, std::back_inserter(waiting.items));
    due_.push_back({home_.now() + webhooks::departure_wait, std::move(key), waiting.number});
    arm();
}

// Whoever left came back in time: neither is told.
bool webhook_shard::take_back(std::string const& key)
{
    auto const found = departures_.find(key);
    if (found == departures_.end())
        return false;
    all_.metrics_.cancelled += found->second.items.size();
    all_.settled(found->second.items);
    departures_.erase(found);
    return true;
}

bool webhook_shard::repeated_miss(channel_event const& what)
{
    auto const now = home_.now();
    auto key = std::to_string(static_cast<std::uint32_t>(what.app)) + " " + what.channel;
    auto const found = misses_.find(key);
    if (found != misses_.end() && now < found->second + webhooks::cache_miss_once_per)
        return true;
    if (misses_.size() >= cache_misses_max && found == misses_.end())
        return false;
    misses_[key] = now;
    old_misses_.emplace_back(now, std::move(key));
    arm();
    return false;
}

void webhook_shard::sweep()
{
    auto const now = home_.now();
    std::vector<webhook_item> gone;
    for (; !due_.empty() && due_.front().at <= now; due_.pop_front()) {
        auto const found = departures_.find(due_.front().key);
        if (found == departures_.end() || found->second.number != due_.front().number)
            continue;  // taken back; perhaps it left again, and waits anew
        std::ranges::move(found->second.items, std::back_inserter(gone));
        departures_.erase(found);
    }
    for (; !old_misses_.empty() && old_misses_.front().first + webhooks::cache_miss_once_per <= now;
         old_misses_.pop_front()) {
        auto const found = misses_.find(old_misses_.front().second);
        if (found != misses_.end() && found->second == old_misses_.front().first)
            misses_.erase(found);
    }
    if (!gone.empty())
        all_.hand_over(std::move(gone));
}

void webhook_shard::restore(webhook_item&& item)
{
    auto key = item.delayed_key;
    std::vector<webhook_item> items;
    items.push_back(std::move(item));
    auto& waiting = departures_[key];
    waiting.number = ++last_number_;
    std::ranges::move(items, std::back_inserter(waiting.items));
    due_.push_back({home_.now() + webhooks::departure_wait, std::move(key), waiting.number});
}

void webhook_shard::start()
{
    if (!due_.empty())
        arm();
}

void webhook_shard::arm()
{
    if (armed_ || !timer_)
        return;
    armed_ = true;
    timer_->expires_after(sweep_period);
    timer_->async_wait([this, alive = std::weak_ptr<int>{alive_}](boost::system::error_code error) {
        if (alive.expired())
            return;
        armed_ = false;
        if (error)
            return;
        sweep();
        if (!due_.empty() || !old_misses_.empty())
            arm();
    });
}

}  // namespace fulmar::pusher
