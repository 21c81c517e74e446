// What time does to sessions: expiry, delayed wills, cursors to be stored; and their return after a restart.
#include "broker/router.hpp"
#include "broker/session_state.hpp"
#include "broker/session_table_state.hpp"
#include "broker/topic.hpp"

#include <algorithm>

namespace fulmar::broker {

namespace {
constexpr std::uint32_t never = 0xFFFF'FFFF;
constexpr unsigned ticks_per_idle_sweep = 60;  // 30 s

template <class Lasting>
[[nodiscard]] wall_ms expiry_of(Lasting const& session)
{
    return session.expiry_s == never ? 0 : session.disconnected_at + std::uint64_t{session.expiry_s} * 1000;
}

}  // namespace

void session_table::yield_on(shard& from, shard_id owner, yield_request const& wanted)
{
    from.send(owner, [wanted](shard& there) { there.sessions().impl_->yield(wanted); });
}

void session_table::impl::settle_directory(session_key const& key, claim_end how)
{
    home.send(home_of(key),
              [key, how, me = home.id()](shard& there) { there.sessions().impl_->directory.settled(key, me, how); });
}

void session_table::impl::arm_timers(session& s)
{
    auto const& state = s.self();
    auto const key = state.key();
    if (state.lasting->will_due != 0)
        timers.emplace(state.lasting->will_due, key);
    if (auto const due = expiry_of(*state.lasting); due != 0)
        timers.emplace(due, key);
}

bool session_table::impl::expired(session::impl const& offline) const
{
    auto const due = offline.durable() ? expiry_of(*offline.lasting) : 0;
    return due != 0 && due <= home.wall();
}

void session_table::impl::forget_timers(session& s)
{
    auto const& state = s.self();
    auto const key = state.key();
    if (!state.durable())
        return;
    for (auto const due : {state.lasting->will_due, expiry_of(*state.lasting)}) {
        auto const [first, last] = timers.equal_range(due);
        for (auto place = first; place != last; ++place) {
            if (place->second == key) {
                timers.erase(place);
                break;
            }
        }
    }
}

void session_table::impl::fire(session_key const& key, wall_ms now)
{
    auto* const found = sessions.find(key);
    if (found == nullptr || found->connected())
        return;
    auto& state = found->self();
    auto const& lasting = *state.lasting;  // an ephemeral session ends with its connection
    if (lasting.will_due != 0 && lasting.will_due <= now) {
        state.publish_will();
        state.store_record();
    }
    auto const due = expiry_of(lasting);
    if (due == 0 || due > now)
        return;
    state.publish_will();  // the session ends: its will cannot wait longer [MQTT-3.1.2-8]
    end(*found, true);
}

void session_table::list_cursor(session& s) { impl_->cursors.push_back(s.self().address); }

void session_table::tick()
{
    auto const now = impl_->home.wall();
    while (!impl_->timers.empty() && impl_->timers.begin()->first <= now) {
        auto const key = impl_->timers.begin()->second;
        impl_->timers.erase(impl_->timers.begin());
        impl_->fire(key, now);
    }
    for (auto const& address : std::exchange(impl_->cursors, {})) {
        if (auto* const s = static_cast<session*>(impl_->home.resolve(address))) {
            s->self().lasting->cursor_listed = false;
            s->self().store_cursor();
        }
    }
    impl_->home.routes().tick_groups();
    if (++impl_->ticks % ticks_per_idle_sweep == 0)
        impl_->store_idle_cursors();
}

// Sessions that receive nothing move on with the log, too, so that it can be trimmed behind them.
void session_table::impl::store_idle_cursors()
{
    sessions.for_each([](session& s) {
        if (s.connected() && s.self().durable()) {
            s.self().store_cursor();
            s.self().pump();
        }
        return true;
    });
}

// --- recovery --------------------------------------------------------------------------------------------

void session_table::restore(recovered_session&& stored)
{
    auto const key = make_key(stored.record.app, stored.record.client_id);
    if (holds(key)) {
        impl_->home.store({erase_session_op{stored.record.id}});  // a crash came between its successor and its end
        return;
    }
    auto made = session::impl::make(stored.record.app, stored.record.client_id, stored.record.user);
    auto& state = made->self();
    state.lasting = std::make_unique<session::impl::lasting_part>(state, stored.record.id, stored.cursor);
    auto& lasting = *state.lasting;
    lasting.expiry_s = stored.record.expiry_s;
    std::sort(stored.subscriptions.begin(), stored.subscriptions.end(),
              [](auto const& a, auto const& b) { return a.filter < b.filter; });
    for (auto& own : stored.subscriptions)
        state.subscriptions.push_back(std::move(own));
    std::sort(stored.inflight.begin(), stored.inflight.end(),
              [](auto const& a, auto const& b) { return a.sequence < b.sequence; });
    for (auto const& record : stored.inflight) {
        if (record.state == inflight_state::received) {
            state.received.push_back(record.id);
            continue;
        }
        inflight_entry entry;
        entry.id = record.id;
        entry.level = record.level;
        entry.state = record.state == inflight_state::completed ? inflight_state::released : record.state;
        entry.acknowledged = record.state == inflight_state::completed;
        entry.sequence = record.sequence;
        state.window.restore(std::move(entry));
    }
    std::sort(state.received.begin(), state.received.end());
    state.attach(impl_->home);
    impl_->count(*made);
    for (auto const& own : state.subscriptions) {
        if (parse_shared(own.filter))
            impl_->home.routes().join_group(state.app, *made, own.filter, own.options, true, {});
        else if (own.options.level != qos::at_most_once)
            impl_->home.routes().add_durable_interest(state.app, own.filter, {});
    }
    impl_->home.send(impl_->home_of(key), [key, me = impl_->home.id()](shard& there) {
        there.sessions().impl_->directory.restored(key, me);
    });
    if (stored.record.will)
        state.will = std::make_unique<will_record>(std::move(*stored.record.will));
    lasting.disconnected_at = stored.record.disconnected_at;
    lasting.will_due = stored.record.will_due;
    auto& kept = impl_->adopt(std::move(made));
    if (lasting.disconnected_at == 0) {  // was connected when the broker stopped: that was its disconnection
        lasting.disconnected_at = impl_->home.wall();
        state.arm_will(lasting.disconnected_at);
        state.store_record();
    }
    impl_->arm_timers(kept);
}

void session_table::restore_group(recovered_group&& stored) { impl_->home.routes().restore_group(std::move(stored)); }

}  // namespace fulmar::broker
