#include "broker/session_state.hpp"
#include "broker/session_table_state.hpp"

namespace fulmar::broker {

std::uint32_t session_table::impl::index::place_of(std::string_view key) const
{
    return by_key_.find(fast_hash(key, seed_),
                        [&](probe_table::ref place) { return held_[place - 1]->self().key() == key; });
}

session* session_table::impl::index::find(std::string_view key) const
{
    auto const place = place_of(key);
    return place == 0 ? nullptr : held_[place - 1].get();
}

session& session_table::impl::index::add(std::unique_ptr<session> s)
{
    if (free_.empty()) {
        held_.emplace_back();
        free_.push_back(static_cast<std::uint32_t>(held_.size()));
    }
    auto const place = free_.back();
    free_.pop_back();
    by_key_.insert(fast_hash(s->self().key(), seed_), place);
    held_[place - 1] = std::move(s);
    return *held_[place - 1];
}

std::unique_ptr<session> session_table::impl::index::take(std::string_view key)
{
    auto const place = place_of(key);
    if (place == 0)
        return nullptr;
    by_key_.erase(fast_hash(key, seed_), place);
    free_.push_back(place);
    return std::move(held_[place - 1]);
}

}  // namespace fulmar::broker
