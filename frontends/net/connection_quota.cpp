#include "frontends/net/connection_quota.hpp"

namespace fulmar::net {

bool connection_quota::enter(ip_address const& from)
{
    auto const before = count_.fetch_add(1, std::memory_order_relaxed);
    if (connections_max_ != 0 && before >= connections_max_) {
        count_.fetch_sub(1, std::memory_order_relaxed);
        return false;
    }
    if (per_address_max_ == 0) {
        return true;
    }
    std::lock_guard const lock{mutex_};
    auto& taken = by_address_[from.bytes];
    if (taken >= per_address_max_) {
        count_.fetch_sub(1, std::memory_order_relaxed);
        return false;
    }
    ++taken;
    return true;
}

void connection_quota::leave(ip_address const& from) noexcept
{
    count_.fetch_sub(1, std::memory_order_relaxed);
    if (per_address_max_ == 0) {
        return;
    }
    std::lock_guard const lock{mutex_};
    if (auto const found = by_address_.find(from.bytes); found != by_address_.end() && --found->second == 0) {
        by_address_.erase(found);
    }
}

}  // namespace fulmar::net
