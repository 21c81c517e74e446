#include "broker/interest.hpp"

#include <algorithm>

namespace fulmar::broker {

local_subscription* filter_interest::find(subscriber const* who) noexcept
{
    auto const found =
        std::find_if(locals.begin(), locals.end(), [who](auto const& local) { return local.who == who; });
    return found == locals.end() ? nullptr : &*found;
}

bool filter_interest::remove(subscriber const* who) noexcept
{
    auto* const local = find(who);
    if (local == nullptr)
        return false;
    *local = std::move(locals.back());
    locals.pop_back();
    return true;
}

void filter_interest::drop_outside_if_unused() noexcept
{
    if (outside != nullptr && !outside->wanted() && outside->announcement[0] == 0 && outside->announcement[1] == 0)
        outside.reset();
}

filter_interest& interest_table::obtain(app_id app, std::string_view filter)
{
    if (auto* const known = find(app, filter))
        return *known;
    auto const tree = static_cast<std::size_t>(app);
    if (tree >= trees_.size())
        trees_.resize(tree + 1);
    if (free_.empty()) {
        free_.push_back(static_cast<std::uint32_t>(entries_.size()));
        entries_.emplace_back();
    }
    auto const index = free_.back();
    free_.pop_back();
    entries_[index] = std::make_unique<filter_interest>();
    entries_[index]->app = app;
    entries_[index]->filter = filter;
    trees_[tree].insert(filter, index);
    return *entries_[index];
}

filter_interest* interest_table::find(app_id app, std::string_view filter) noexcept
{
    auto const tree = static_cast<std::size_t>(app);
    if (tree >= trees_.size())
        return nullptr;
    auto const index = trees_[tree].find(filter);
    return index ? entries_[*index].get() : nullptr;
}

void interest_table::drop_if_unused(filter_interest& entry)
{
    if (!entry.unused())
        return;
    auto& tree = trees_[static_cast<std::size_t>(entry.app)];
    auto const index = tree.find(entry.filter);
    tree.erase(entry.filter);
    entries_[*index].reset();
    free_.push_back(*index);
}

}  // namespace fulmar::broker
