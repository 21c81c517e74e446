#include "broker/router.hpp"

#include "broker/delivery_plan.hpp"
#include "broker/retained_index.hpp"
#include "broker/router_state.hpp"
#include "broker/session.hpp"
#include "broker/shard.hpp"

#include <algorithm>

namespace fulmar::broker {

router::router(shard& home) : impl_{std::make_unique<impl>(home)} {}
router::~router() = default;

void router::changed() noexcept { ++impl_->generation; }

delivery_plan& router::impl::plan_for(message const& m)
{
    bool hit = false;
    auto& plan = plans.find(interests, m, generation, hit);
    (hit ? home.metrics().plan_hits : home.metrics().plan_misses).add();
    return plan;
}

// --- publish ---------------------------------------------------------------------------------------

namespace {

void settle(shard& home, router::publish_request const& request, publish_outcome const& outcome)
{
    if (auto* const publisher = home.resolve(request.publisher))
        publisher->on_published(request.token, outcome);
}

}  // namespace

error_code router::impl::admit(message const& m, bool logged, bool remembers_id) const
{
    auto const wants_store = m.retain || remembers_id || logged;
    if (!wants_store || m.level == qos::at_most_once)
        return {};
    auto const state = home.node().store.state();
    if (state == store_state::failed)
        return errc::store_failed;
    if (state == store_state::full)
        return errc::store_full;
    auto const& limit = home.limit();
    auto const& retained = home.node().retained;
    if (m.retain && !m.payload().empty() &&
        (retained.size() >= limit.retained_max || retained.bytes() >= limit.retained_bytes_max))
        return errc::quota_exceeded;
    return {};
}

void router::publish(publish_request request)
{
    auto& home = impl_->home;
    auto const& m = request.message;
    auto& plan = impl_->plan_for(*m);
    auto const matched = plan.matched();
    publish_op op;
    if (m->level != qos::at_most_once)
        op.filters = plan.logged_for;
    auto const kept = impl_->history && impl_->history->append_streams(m->app, m->topic(), op.filters);
    if (auto const error = impl_->admit(*m, !op.filters.empty(), request.received_id != 0)) {
        home.metrics().publishes_refused.add();
        return settle(home, request, {error, matched, 0});
    }
    op.received_by = request.received_by;
    op.received_id = request.received_id;
    op.retain = m->retain && impl_->retain(m);
    auto const to_store = op.retain || op.received_id != 0 || !op.filters.empty();
    impl_->deliver(plan, m, kept);
    impl_->route_shared(plan, m);
    impl_->forward(plan.other_shards, to_store ? message_ptr{m} : std::move(request.message));
    if (!to_store)
        return settle(home, request, {{}, matched, 0});
    op.message = m;
    if (m->level == qos::at_most_once) {
        settle(home, request, {{}, matched, 0});
        if (!kept)
            return home.store({std::move(op)});
        return home.store({std::move(op)}, [&home](store_result const& stored) {
            if (stored.error)
                home.metrics().dropped[static_cast<std::size_t>(drop_reason::store_failed)].add();
        });
    }
    home.store({std::move(op)}, [&home, request, matched](store_result const& stored) {
        settle(home, request, {stored.error, matched, stored.sequence});
    });
}

// True if the store has to hear of it. A QoS 0 message over the limits is not retained, and counted.
bool router::impl::retain(message_ptr const& m)
{
    auto& retained = home.node().retained;
    auto const& limit = home.limit();
    auto const full = retained.size() >= limit.retained_max || retained.bytes() >= limit.retained_bytes_max;
    if (full && !m->payload().empty() && m->level == qos::at_most_once && !retained.get(m->app, m->topic())) {
        home.metrics().dropped[static_cast<std::size_t>(drop_reason::store_failed)].add();
        return false;
    }
    retained.set(m);
    return !m->topic().starts_with("$SYS/");  // this process's own numbers: nothing to remember
}

void router::keep_history(std::shared_ptr<history_rules const> rules)
{
    impl_->history = rules != nullptr && !rules->empty() ? std::move(rules) : nullptr;
}

history_rules const* router::history() const noexcept { return impl_->history.get(); }

// Asked only when somebody of this shard gets such messages from the log.
bool router::impl::keeps_history(delivery_plan const& plan, message const& m) const
{
    return history != nullptr &&
           (plan.follows_history ||
            std::any_of(plan.groups.begin(), plan.groups.end(),
                        [](run_group const& group) { return group.variant->history() != history_use::live; })) &&
           history->find(m.app, m.topic()) != nullptr;
}

// `kept`: the topic keeps a history.
void router::impl::deliver(delivery_plan& plan, message_ptr const& m, bool kept)
{
    auto const reliable = m->level != qos::at_most_once;
    for (auto& group : plan.groups) {
        if (kept && group.variant->history() != history_use::live)
            continue;  // comes from the log, after the commit
        if (!reliable || group.lowered) {
            extend_run(group, *m);
            continue;
        }
        group.turn = 0;  // what follows must not overtake the run: a later QoS 0 message begins another
        for (auto const& to : group.receivers)
            deliver_one(to, m);
    }
    for (auto const& to : plan.individual)
        if (!kept || !to.follows_history)
            deliver_one(to, m);
}

void router::impl::deliver_one(receiver const& to, message_ptr const& m)
{
    if (m->level != qos::at_most_once && to.match.durable_level)
        return;  // comes from the log, after the commit
    if (to.match.no_local && m->publisher != 0 && m->publisher == to.who->publisher_hash())
        return;
    to.who->deliver(m, to.match);
}

frame_run& router::impl::run_of(run_group& group)
{
    if (group.turn != turn || group.run->bytes.size() >= run_bytes_max) {
        group.run = &open_run();
        group.turn = turn;
        for (auto const& to : group.receivers)
            to.who->take_run(*group.run, 0, 0);
    }
    return *group.run;
}

void router::impl::extend_run(run_group& group, logged_message const& item)
{
    auto& run = run_of(group);
    group.variant->encode_logged(item, turn_wall(), run.bytes);
    run.frame_ends.push_back(static_cast<std::uint32_t>(run.bytes.size()));
    run.payload_bytes += item.message->payload().size();
}

void router::impl::extend_run(run_group& group, message const& m)
{
    auto& run = run_of(group);
    group.variant->encode(m, m.retain && group.retain_as_published, turn_wall(), run.bytes);
    run.frame_ends.push_back(static_cast<std::uint32_t>(run.bytes.size()));
    run.payload_bytes += m.payload().size();
}

frame_run& router::impl::open_run()
{
    if (runs_used == runs.size())
        runs.push_back(std::make_unique<frame_run>());
    return *runs[runs_used++];
}

// The last shard is given this shard's own reference: who drops the message counts it down where it is at hand.
void router::impl::forward(std::uint64_t shards, message_ptr m)
{
    for (; shards != 0; shards &= shards - 1) {
        auto const to = static_cast<shard_id>(__builtin_ctzll(shards));
        home.forward(to, (shards & (shards - 1)) == 0 ? std::move(m) : m);
    }
}

void router::impl::route_shared(delivery_plan const& plan, message_ptr const& m)
{
    for (auto const& interest : plan.shared) {
        if (interest.durable && m->level != qos::at_most_once)
            continue;  // the group reads it from the log
        home.send(
            interest.home,
            [id = interest.id, m](shard& there) {
                auto const group = there.routes().impl_->groups.find(id);
                if (group != there.routes().impl_->groups.end())
                    group->second->route(m);
            },
            m->footprint());
    }
}

void router::deliver_forwarded(message_ptr const& m)
{
    auto& plan = impl_->plan_for(*m);
    impl_->deliver(plan, m, impl_->keeps_history(plan, *m));
}

void router::impl::deliver_history(delivery_plan& plan, logged_message const& item)
{
    if (!keeps_history(plan, *item.message))
        return;
    for (auto& group : plan.groups) {
        if (group.variant->history() == history_use::run)
            extend_run(group, item);
        else if (group.variant->history() == history_use::each)
            for (auto const& to : group.receivers)
                to.who->deliver_history(item);
    }
    if (!plan.follows_history)
        return;
    for (auto const& to : plan.individual)
        if (to.follows_history)
            to.who->deliver_history(item);
}

void router::on_committed(std::vector<logged_message> const& batch)
{
    if (impl_->durable_subscriptions == 0 && impl_->durable_groups == 0 && impl_->history == nullptr)
        return;
    for (auto const& item : batch) {
        auto& plan = impl_->plan_for(*item.message);
        impl_->deliver_history(plan, item);
        if (item.message->level == qos::at_most_once)
            continue;  // logged as history only: the others had it when it was published
        for (auto const& to : plan.durable) {
            if (!to.match.no_local || item.message->publisher == 0 ||
                item.message->publisher != to.who->publisher_hash())
                to.who->deliver_logged(item, to.match);
        }
        for (auto const& interest : plan.shared) {
            auto const group =
                interest.home == impl_->home.id() ? impl_->groups.find(interest.id) : impl_->groups.end();
            if (group != impl_->groups.end() && group->second->durable())
                group->second->on_logged(item);
        }
    }
}

void router::end_turn()
{
    ++impl_->turn;
    impl_->wall = 0;
    constexpr std::size_t runs_kept = 64;
    for (std::size_t i = 0; i < impl_->runs_used; ++i)
        impl_->runs[i]->clear();
    if (impl_->runs.size() > runs_kept && impl_->runs_used < runs_kept)
        impl_->runs.resize(runs_kept);
    impl_->runs_used = 0;
    impl_->plans.trim();
}

}  // namespace fulmar::broker
