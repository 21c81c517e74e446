#include "broker/session_directory.hpp"

#include "broker/session_table.hpp"
#include "broker/session_table_state.hpp"
#include "broker/shard.hpp"

namespace fulmar::broker {

void session_directory::claim(yield_request const& wanted)
{
    auto const known = entries_.contains(wanted.key);
    auto& place = entries_[wanted.key];
    if (!known && held_here(wanted.key))
        place.owner = home_.id();
    if (place.busy)
        place.waiting.push_back(wanted);
    else
        pass_on(place, wanted);
}

// Without an owner the claimant itself finds that it has nothing, and begins anew.
void session_directory::pass_on(entry& place, yield_request const& wanted)
{
    place.busy = true;
    session_table::yield_on(home_, place.owner.value_or(wanted.to), wanted);
}

void session_directory::settled(session_key const& key, shard_id claimant, claim_end how)
{
    auto const found = entries_.find(key);
    if (found == entries_.end())
        return;
    auto& place = found->second;
    if (how == claim_end::owned)
        place.owner = claimant;
    else if (how == claim_end::gone)
        place.owner.reset();
    place.busy = false;
    if (!place.waiting.empty())
        return pass_on(place, place.waiting.pop_front());
    if (!place.owner || place.owner == home_.id())
        entries_.erase(found);
}

bool session_directory::held_here(session_key const& key) const { return home_.sessions().holds(key); }

void session_directory::released(session_key const& key, shard_id owner)
{
    auto const found = entries_.find(key);
    if (found == entries_.end() || found->second.owner != owner)
        return;
    found->second.owner.reset();
    if (!found->second.busy)
        entries_.erase(found);
}

void session_directory::restored(session_key key, shard_id owner)
{
    if (owner != home_.id())
        entries_[std::move(key)].owner = owner;
}

std::optional<shard_id> session_directory::owner(session_key const& key) const
{
    auto const found = entries_.find(key);
    if (found != entries_.end())
        return found->second.owner;
    return held_here(key) ? std::optional{home_.id()} : std::nullopt;
}

}  // namespace fulmar::broker
