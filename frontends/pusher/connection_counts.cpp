#include "frontends/pusher/connection_counts.hpp"

namespace fulmar::pusher {

connection_counts::place connection_counts::take(broker::app_id app, std::uint32_t limit)
{
    std::lock_guard const lock{mutex_};
    auto& count = counts_[static_cast<std::uint32_t>(app)];
    if (!count)
        count = std::make_unique<std::atomic<std::uint32_t>>(0);
    if (limit != 0 && count->load(std::memory_order_relaxed) >= limit)
        return {};
    count->fetch_add(1, std::memory_order_relaxed);
    return place{*count};
}

std::uint32_t connection_counts::of(broker::app_id app) const
{
    std::lock_guard const lock{mutex_};
    auto const known = counts_.find(static_cast<std::uint32_t>(app));
    return known == counts_.end() ? 0 : known->second->load(std::memory_order_relaxed);
}

}  // namespace fulmar::pusher
