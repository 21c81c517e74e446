#include "storage/losses.hpp"

namespace fulmar::storage {

using namespace broker;

void losses::restore(filter_hash filter, std::vector<loss> stored)
{
    std::lock_guard const lock{mutex_};
    by_filter_[filter] = std::move(stored);
}

std::vector<loss> losses::add(filter_hash filter, loss what)
{
    std::lock_guard const lock{mutex_};
    auto& list = by_filter_[filter];
    list.push_back(what);
    if (list.size() > losses_per_filter) {
        list[1].after = list[0].after;
        list[1].messages += list[0].messages;
        list.erase(list.begin());
    }
    return list;
}

std::vector<filter_hash> losses::forget(log_sequence lowest)
{
    std::lock_guard const lock{mutex_};
    std::vector<filter_hash> gone;
    std::erase_if(by_filter_, [&](auto const& each) {
        if (!each.second.empty() && each.second.back().upto > lowest)
            return false;
        gone.push_back(each.first);
        return true;
    });
    return gone;
}

std::uint64_t losses::after(filter_hash filter, log_sequence position) const
{
    std::lock_guard const lock{mutex_};
    auto const found = by_filter_.find(filter);
    if (found == by_filter_.end())
        return 0;
    std::uint64_t messages = 0;
    for (auto const& each : found->second)
        if (each.upto > position)
            messages += each.messages;
    return messages;
}

bool losses::empty() const
{
    std::lock_guard const lock{mutex_};
    return by_filter_.empty();
}

}  // namespace fulmar::storage
