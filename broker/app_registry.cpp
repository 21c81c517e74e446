#include "broker/app_registry.hpp"

#include <utility>

namespace fulmar::broker {

app_registry::app_registry(std::vector<app> apps) : apps_{std::move(apps)}
{
    for (auto const& each : apps_) {
        names_.emplace(each.name, &each);
        ids_.emplace(static_cast<std::uint32_t>(each.id), &each);
        for (auto const& key : each.keys)
            keys_.emplace(key.key, by_key{&each, &key});
    }
}

app_registry::by_key app_registry::find_by_key(std::string_view key) const
{
    auto const found = keys_.find(key);
    return found == keys_.end() ? by_key{} : found->second;
}

app const* app_registry::find_by_id(std::string_view name) const
{
    auto const found = names_.find(name);
    return found == names_.end() ? nullptr : found->second;
}

app const* app_registry::find(app_id id) const noexcept
{
    auto const found = ids_.find(static_cast<std::uint32_t>(id));
    return found == ids_.end() ? nullptr : found->second;
}

apps_in_force::apps_in_force(app_snapshot first) : current_{std::move(first)} {}

app_snapshot apps_in_force::current() const
{
    std::lock_guard const lock{mutex_};
    return current_;
}

void apps_in_force::replace(app_snapshot next)
{
    {
        std::lock_guard const lock{mutex_};
        current_.swap(next);
    }
    generation_.fetch_add(1, std::memory_order_acq_rel);
}

}  // namespace fulmar::broker
