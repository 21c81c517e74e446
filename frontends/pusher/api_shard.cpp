#include "frontends/pusher/api_shard.hpp"

#include "broker/router.hpp"

#include <utility>

namespace fulmar::pusher {

api_shard::api_shard(broker::shard& home, broker::apps_in_force const& apps)
    : home_{home}, view_{apps}, id_{home.attach(*this)}
{
}

void api_shard::when_relieved(std::function<void()> work)
{
    if (!home_.congested())
        return work();
    metrics_.delayed.add();
    home_.when_relieved(id_, std::move(work));
}

bool api_shard::begin(broker::app const& app)
{
    auto& count = in_flight_[static_cast<std::uint32_t>(app.id)];
    if (count >= app.limits.api_requests_in_flight)
        return false;
    ++count;
    metrics_.in_flight.add();
    return true;
}

void api_shard::end(broker::app_id app) noexcept
{
    metrics_.in_flight.subtract();
    auto const found = in_flight_.find(static_cast<std::uint32_t>(app));
    if (found != in_flight_.end() && --found->second == 0)
        in_flight_.erase(found);
}

void api_shard::publish(std::vector<broker::message_ptr> const& messages, std::function<void(broker::error_code)> done)
{
    if (free_.empty()) {
        free_.push_back(static_cast<std::uint32_t>(waiting_.size()));
        waiting_.emplace_back();
    }
    auto const slot = free_.back();
    free_.pop_back();
    waiting_[slot] = {messages.size() + 1, {}, std::move(done)};  // one more, so that it is not settled on the way
    for (auto const& message : messages)
        home_.routes().publish({message, id_, slot});
    settle(slot);
}

void api_shard::on_published(std::uint64_t token, broker::publish_outcome const& outcome)
{
    auto const slot = static_cast<std::uint32_t>(token);
    if (outcome.error && !waiting_[slot].failed)
        waiting_[slot].failed = outcome.error;
    settle(slot);
}

void api_shard::settle(std::uint32_t slot)
{
    if (--waiting_[slot].missing != 0)
        return;
    auto const settled = std::exchange(waiting_[slot], {});
    free_.push_back(slot);
    settled.done(settled.failed);
}

}  // namespace fulmar::pusher
