#include "broker/router_state.hpp"
#include "broker/session.hpp"

#include <algorithm>

namespace fulmar::broker {

namespace {
[[nodiscard]] constexpr std::size_t index_of(interest_kind kind) noexcept { return static_cast<std::size_t>(kind); }
constexpr std::size_t group_credit_max = 100;
}  // namespace

// --- telling the other shards ----------------------------------------------------------------------

void router::impl::broadcast(std::function<void(router&)> apply, std::function<void()> confirmed)
{
    auto const count = home.node().shards.size();
    if (count <= 1) {
        if (confirmed)
            confirmed();
        return;
    }
    auto const missing = std::make_shared<std::size_t>(count - 1);  // touched on this shard only
    for (std::size_t to = 0; to < count; ++to) {
        if (to == home.id())
            continue;
        home.send(static_cast<shard_id>(to), [apply, confirmed, missing, me = home.id()](shard& there) {
            apply(there.routes());
            if (confirmed)
                there.send(me, [confirmed, missing](shard&) {
                    if (--*missing == 0)
                        confirmed();
                });
        });
    }
}

void router::impl::announce(filter_interest& entry, interest_kind kind)
{
    if (home.node().shards.size() <= 1)
        return;                                                     // nobody to tell
    last_announcement += last_announcement == 0xFFFF'FFFF ? 2 : 1;  // never 0
    auto const id = last_announcement;
    entry.obtain_outside().announcement[index_of(kind)] = id;
    broadcast(
        [from = home.id(), app = entry.app, filter = entry.filter, kind](router& there) {
            there.impl_->apply_remote(from, app, filter, kind, true);
        },
        [this, id, app = entry.app, filter = entry.filter, kind] {
            auto* const known = interests.find(app, filter);
            if (known != nullptr && known->outside != nullptr && known->outside->announcement[index_of(kind)] == id) {
                known->outside->announcement[index_of(kind)] = 0;
                known->drop_outside_if_unused();
            }
            auto const waiters = unconfirmed.extract(id);
            if (waiters.empty())
                return;
            for (auto const& run : waiters.mapped())
                run();
        });
}

void router::impl::withdraw(filter_interest& entry, interest_kind kind)
{
    broadcast([from = home.id(), app = entry.app, filter = entry.filter,
               kind](router& there) { there.impl_->apply_remote(from, app, filter, kind, false); },
              {});
}

void router::impl::apply_remote(shard_id from, app_id app, std::string const& filter, interest_kind kind, bool add)
{
    ++generation;
    auto const bit = std::uint64_t{1} << from;
    if (add) {
        interests.obtain(app, filter).obtain_outside().shards[index_of(kind)] |= bit;
        return;
    }
    auto* const entry = interests.find(app, filter);
    if (entry == nullptr || entry->outside == nullptr)
        return;
    entry->outside->shards[index_of(kind)] &= ~bit;
    entry->drop_outside_if_unused();
    interests.drop_if_unused(*entry);
}

// --- subscriptions -----------------------------------------------------------------------------------

void router::subscribe(app_id app, subscriber& who, std::string_view filter, subscription_options const& options,
                       bool durable, std::function<void()> ready)
{
    ++impl_->generation;
    auto& entry = impl_->interests.obtain(app, filter);
    auto const first = entry.locals.empty();
    auto const logs = durable && options.level != qos::at_most_once;
    if (auto* const known = entry.find(&who)) {
        auto const logged = known->logged;
        *known = {who, options, durable};
        if (logged && !logs) {
            --impl_->durable_subscriptions;
            impl_->drop_durable(entry);
        } else if (!logged && logs) {
            ++impl_->durable_subscriptions;
            return add_durable_interest(app, filter, std::move(ready));
        }
        if (ready)
            ready();
        return;
    }
    entry.locals.push_back({who, options, durable});
    impl_->home.metrics().subscriptions.add();
    if (first)
        impl_->announce(entry, interest_kind::live);
    if (logs) {
        ++impl_->durable_subscriptions;
        add_durable_interest(app, filter, {});
    }
    impl_->when_confirmed(app, filter, std::move(ready));
}

// Mail between two shards is in order, so the later announcement confirms the earlier one, too.
void router::impl::when_confirmed(app_id app, std::string_view filter, std::function<void()> ready)
{
    if (!ready)
        return;
    auto const* const entry = interests.find(app, filter);
    auto const* const outside = entry == nullptr ? nullptr : entry->outside.get();
    auto const pending = outside == nullptr ? 0U : std::max(outside->announcement[0], outside->announcement[1]);
    if (pending == 0)
        return ready();
    unconfirmed[pending].push_back(std::move(ready));
}

void router::unsubscribe(app_id app, subscriber& who, std::string_view filter)
{
    auto* const entry = impl_->interests.find(app, filter);
    auto const* const local = entry == nullptr ? nullptr : entry->find(&who);
    if (local == nullptr)
        return;
    ++impl_->generation;
    auto const logged = local->logged;
    entry->remove(&who);
    impl_->home.metrics().subscriptions.subtract();
    if (entry->locals.empty())
        impl_->withdraw(*entry, interest_kind::live);
    if (logged) {
        --impl_->durable_subscriptions;
        impl_->drop_durable(*entry);
    }
    impl_->interests.drop_if_unused(*entry);
}

void router::add_durable_interest(app_id app, std::string_view filter, std::function<void()> ready)
{
    auto& entry = impl_->interests.obtain(app, filter);
    if (++entry.durable_here == 1) {
        ++impl_->generation;
        impl_->announce(entry, interest_kind::durable);
    }
    impl_->when_confirmed(app, filter, std::move(ready));
}

void router::impl::drop_durable(filter_interest& entry)
{
    if (--entry.durable_here != 0)
        return;
    ++generation;
    withdraw(entry, interest_kind::durable);
}

void router::remove_durable_interest(app_id app, std::string_view filter)
{
    auto* const entry = impl_->interests.find(app, filter);
    FULMAR_ASSERT(entry != nullptr && entry->durable_here > 0);
    impl_->drop_durable(*entry);
    impl_->interests.drop_if_unused(*entry);
}

// --- shared subscriptions ----------------------------------------------------------------------------

shard_id router::impl::group_home(app_id app, std::string_view filter) const
{
    return static_cast<shard_id>(static_cast<std::uint64_t>(hash_filter(app, filter)) % home.node().shard_count);
}

void router::impl::apply_group(app_id app, std::string const& filter, group_interest const& interest, bool add)
{
    ++generation;
    auto& entry = interests.obtain(app, filter);
    auto& outside = entry.obtain_outside();
    outside.groups.erase_if([&](group_interest const& known) { return known.id == interest.id; });
    if (add)
        outside.groups.push_back(interest);
    entry.drop_outside_if_unused();
    interests.drop_if_unused(entry);
}

void router::impl::announce_group(shared_group const& group, bool add, std::function<void()> ready)
{
    auto const inner = parse_shared(group.filter());
    group_interest const interest{group.id(), home.id(), group.durable()};
    std::string filter{inner->filter};
    apply_group(group.app(), filter, interest, add);
    broadcast([app = group.app(), filter, interest,
               add](router& there) { there.impl_->apply_group(app, filter, interest, add); },
              std::move(ready));
}

shared_group& router::impl::obtain_group(app_id app, std::string_view filter)
{
    auto& place = groups[hash_filter(app, filter)];
    if (!place) {
        place = std::make_unique<shared_group>(home, app, std::string{filter});
        home.metrics().shared_groups.set(groups.size());
    }
    return *place;
}

void router::impl::drop_group_if_empty(shared_group& group)
{
    if (!group.empty())
        return;
    announce_group(group, false, {});
    groups.erase(group.id());
    home.metrics().shared_groups.set(groups.size());
}

void router::join_group(app_id app, session& who, std::string_view filter, subscription_options const& options,
                        bool durable, std::function<void()> ready)
{
    group_member member;
    member.session = who.address();
    member.client = who.publisher_hash();
    member.options = options;
    member.durable = durable && options.level != qos::at_most_once;
    member.online = who.connected();
    member.credit = std::min<std::size_t>(who.receive_maximum(), group_credit_max);
    impl_->home.send(impl_->group_home(app, filter), [app, member, name = std::string{filter}, ready = std::move(ready),
                                                      from = impl_->home.id()](shard& there) {
        auto& state = *there.routes().impl_;
        auto& group = state.obtain_group(app, name);
        group.join(member);
        if (group.update_durable())
            group.durable() ? ++state.durable_groups : --state.durable_groups;
        state.announce_group(group, true, [&there, ready, from] {
            if (ready)
                there.send(from, [ready](shard&) { ready(); });
        });
    });
}

void router::leave_group(app_id app, session& who, std::string_view filter, bool for_good)
{
    impl_->home.send(impl_->group_home(app, filter),
                     [client = who.publisher_hash(), id = hash_filter(app, filter), for_good](shard& there) {
                         auto& state = *there.routes().impl_;
                         auto const found = state.groups.find(id);
                         if (found == state.groups.end())
                             return;
                         auto& group = *found->second;
                         group.leave(client, for_good);
                         if (group.update_durable()) {
                             --state.durable_groups;
                             if (!group.empty())
                                 state.announce_group(group, true, {});
                         }
                         state.drop_group_if_empty(group);
                     });
}

void router::acknowledge_group(group_ticket const& ticket)
{
    impl_->home.send(ticket.home, [ticket](shard& there) {
        auto const group = there.routes().impl_->groups.find(ticket.group);
        if (group != there.routes().impl_->groups.end())
            group->second->acknowledged(ticket.number);
    });
}

void router::return_to_group(group_ticket const& ticket)
{
    if (ticket.number == 0) {
        impl_->home.metrics().dropped[static_cast<std::size_t>(drop_reason::no_member)].add();
        return;
    }
    impl_->home.send(ticket.home, [ticket](shard& there) {
        auto const group = there.routes().impl_->groups.find(ticket.group);
        if (group != there.routes().impl_->groups.end())
            group->second->returned(ticket.number);
    });
}

void router::restore_group(recovered_group&& stored)
{
    // App 0 is all there is on disk until tenants are stored by name.
    auto& group = impl_->obtain_group(default_app, stored.filter);
    group.restore(stored.cursor);
    ++impl_->durable_groups;
}

void router::tick_groups()
{
    for (auto& [id, group] : impl_->groups) {
        group->store_cursor();
        group->pump();
    }
}

}  // namespace fulmar::broker
