#include "frontends/pusher/webhooks.hpp"

#include "broker/log.hpp"
#include "frontends/pusher/webhook_sender.hpp"
#include "frontends/pusher/webhook_shard.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <map>
#include <utility>

namespace fulmar::pusher {

namespace {

// "c<app> <channel>" or "m<app> <channel> <user>"
[[nodiscard]] std::string_view channel_in(std::string_view departure_key) noexcept
{
    auto const begin = departure_key.find(' ');
    if (begin == std::string_view::npos)
        return {};
    auto const rest = departure_key.substr(begin + 1);
    return departure_key.front() == 'm' ? rest.substr(0, rest.find(' ')) : rest;
}

}  // namespace

webhooks::webhooks(broker::node_context& node, broker::apps_in_force const& apps) : node_{node}, apps_{apps}
{
    for (auto const& shard : node.shards)
        shards_.push_back(std::make_unique<webhook_shard>(*this, *shard));
}

webhooks::~webhooks() { stop(); }

void webhooks::restore(broker::put_outbox_op&& row,
                       std::function<broker::shard_id(broker::app_id, std::string_view channel)> const& home_of)
{
    if (row.id >= next_id_)
        next_id_ = row.id + 1;
    auto item = decode_row(row.id, row.row);
    if (!item) {
        broker::log_error("a stored webhook event cannot be read and is dropped", {{"id", row.id}});
        node_.shards.front()->store({broker::erase_outbox_op{row.id}, 0});
        return;
    }
    {
        std::lock_guard const lock{pending_mutex_};
        ++pending_[static_cast<std::uint32_t>(item->app)];
    }
    ++metrics_.pending;
    auto const channel = channel_in(item->delayed_key);
    if (channel.empty()) {
        restored_.push_back(std::move(*item));
        return;
    }
    item->home = home_of(item->app, channel);
    auto& there = *shards_[item->home];
    there.restore(std::move(*item));
}

void webhooks::start()
{
    sender_ = std::make_unique<webhook_sender>(apps_, node_.clock, metrics_,
                                               [this](std::vector<webhook_item> const& items) { settled(items); });
    start([this](std::vector<webhook_item>&& items) { sender_->add(std::move(items)); });
}

void webhooks::start(outlet to)
{
    {
        std::lock_guard const lock{outlet_mutex_};
        outlet_ = std::move(to);
    }
    for (std::size_t i = 0; i < shards_.size(); ++i)
        boost::asio::post(node_.shards[i]->io(), [mine = shards_[i].get()] { mine->start(); });
    if (!restored_.empty())
        hand_over(std::exchange(restored_, {}));
}

void webhooks::stop()
{
    {
        std::lock_guard const lock{outlet_mutex_};
        outlet_ = {};
    }
    if (sender_)
        sender_->stop();
    for (auto const& shard : shards_)
        shard->stop();
}

bool webhooks::wanted(broker::app_id app, broker::webhook_kind kind) const
{
    auto const apps = apps_.current();
    auto const* const found = apps->find(app);
    return found != nullptr &&
           std::ranges::any_of(found->webhooks, [kind](auto const& target) { return target.wants(kind); });
}

void webhooks::tell(broker::shard& here, channel_event&& what) { shards_[here.id()]->tell(std::move(what)); }

void webhooks::sweep(broker::shard& here) { shards_[here.id()]->sweep(); }

void webhooks::hand_over(std::vector<webhook_item>&& items)
{
    std::lock_guard const lock{outlet_mutex_};
    if (outlet_)
        outlet_(std::move(items));
}

bool webhooks::reserve(broker::app const& app)
{
    {
        std::lock_guard const lock{pending_mutex_};
        auto& count = pending_[static_cast<std::uint32_t>(app.id)];
        if (count < app.limits.webhooks_pending) {
            ++count;
            ++metrics_.pending;
            return true;
        }
    }
    ++metrics_.overflowed;
    return false;
}

void webhooks::release(broker::app_id app)
{
    std::lock_guard const lock{pending_mutex_};
    auto const found = pending_.find(static_cast<std::uint32_t>(app));
    if (found != pending_.end() && --found->second == 0)
        pending_.erase(found);
    --metrics_.pending;
}

// Through the shard that stored it, so that the row cannot come after its erasure.
void webhooks::settled(std::vector<webhook_item> const& items)
{
    std::map<broker::shard_id, std::vector<std::uint64_t>> rows;
    for (auto const& item : items) {
        release(item.app);
        rows[item.home].push_back(item.id);
    }
    for (auto& [home, ids] : rows) {
        auto& shard = *node_.shards[home];
        boost::asio::post(shard.io(), [&shard, ids = std::move(ids)] {
            for (auto const id : ids)
                shard.store({broker::erase_outbox_op{id}, 0});
        });
    }
}

}  // namespace fulmar::pusher
