#include "broker/session_table.hpp"

#include "broker/router.hpp"
#include "broker/session_directory.hpp"
#include "broker/session_state.hpp"
#include "broker/session_table_state.hpp"
#include "broker/shard.hpp"
#include "broker/topic.hpp"

#include <algorithm>
#include <random>

namespace fulmar::broker {

session_id new_session_id()
{
    thread_local std::mt19937_64 engine{std::random_device{}()};
    auto id = engine();
    while (id == 0)
        id = engine();
    return session_id{id};
}

session_key make_key(app_id app, std::string_view client_id)
{
    auto const number = static_cast<std::uint32_t>(app);
    session_key key;
    key.reserve(client_id.size() + 4);
    for (int shift = 0; shift < 32; shift += 8)
        key.push_back(static_cast<char>(number >> shift));
    key.append(client_id);
    return key;
}

session_table::session_table(shard& home) : impl_{std::make_unique<impl>(*this, home)} {}
session_table::~session_table() = default;

bool session_table::holds(std::string_view key) const { return impl_->sessions.find(key) != nullptr; }
std::size_t session_table::size() const noexcept { return impl_->sessions.size(); }

shard_id session_table::impl::home_of(session_key const& key) const
{
    return static_cast<shard_id>(stable_hash(key) % home.node().shard_count);
}

// --- claiming ----------------------------------------------------------------------------------------

std::uint64_t session_table::claim(claim_request request, session_client& client,
                                   std::function<void(result<claim_result>)> done)
{
    auto const ticket = ++impl_->last_ticket;
    if (impl_->home.node().draining.load(std::memory_order_relaxed)) {
        done(make_error_code(errc::shutting_down));
        return ticket;
    }
    auto const key = make_key(request.app, request.client_id);
    yield_request const wanted{key, impl_->home.id(), ticket, request.user, request.clean_start};
    impl_->claims.emplace(ticket, impl::claim{std::move(request), &client, std::move(done)});
    impl_->home.send(impl_->home_of(key), [wanted](shard& there) { there.sessions().impl_->directory.claim(wanted); });
    return ticket;
}

void session_table::cancel(std::uint64_t ticket)
{
    auto const found = impl_->claims.find(ticket);
    if (found == impl_->claims.end())
        return;
    found->second.client = nullptr;
    found->second.done = nullptr;
}

// The old owner's side: the session leaves this shard, if it is here and belongs to that user.
void session_table::impl::yield(yield_request const& wanted)
{
    auto* const found = sessions.find(wanted.key);
    if (found == nullptr)
        return grant(wanted, nullptr, {});
    auto& state = found->self();
    if (state.user() != wanted.user)
        return grant(wanted, nullptr, errc::not_authorized);
    if (auto* const client = state.client; client != nullptr) {
        home.metrics().takeovers.add();
        state.doomed = true;
        // A will with a delay is cancelled when the session goes on; every other one is due now.
        if (state.will && (wanted.clean_start || !state.durable() || state.will->delay_s == 0))
            state.publish_will();
        state.will.reset();
        if (state.durable() && !wanted.clean_start)
            state.go_offline();
        client->on_session_end(session_end::taken_over);
    } else if (wanted.clean_start || expired(state)) {
        // Expired, although no tick has come to say so [MQTT-3.1.2-23]: its end, and its will, are due now.
        state.publish_will();
        return replace(*found, wanted);
    } else {
        state.will.reset();
        if (state.durable())
            state.lasting->will_due = 0;
    }
    if (wanted.clean_start || !state.durable())
        return replace(*found, wanted);
    if (!state.incoming.empty()) {
        moving.emplace(wanted.key, wanted);  // became_quiet goes on
        return;
    }
    move_out(wanted);
}

// The session ends because its client begins a new one. The client hears of it when the store has forgotten the old one: what
// was discarded must not come back with the next crash [MQTT-3.1.2-4]. A store that refuses holds nobody up.
void session_table::impl::replace(session& s, yield_request const& wanted)
{
    if (!s.self().durable()) {
        end(s, false);
        return grant(wanted, nullptr, {});
    }
    end(s, false, [here = &home, wanted](store_result const&) { here->sessions().impl_->grant(wanted, nullptr, {}); });
}

// Durable interest stays on this shard until the new one has its own: a message must always find one of them.
void session_table::impl::move_out(yield_request const& wanted)
{
    auto moved = sessions.take(wanted.key);
    forget(*moved);
    if (moved->self().home == &home)
        home.detach(moved->self().address);
    grant(wanted, std::move(moved), {});
}

void session_table::became_quiet(session& s)
{
    auto const found = impl_->moving.find(session_key{s.self().key()});
    if (found == impl_->moving.end())
        return;
    auto const wanted = found->second;
    impl_->moving.erase(found);
    // Not at once: the caller still uses the session.
    impl_->home.send(impl_->home.id(), [wanted](shard& there) {
        if (there.sessions().holds(wanted.key))
            there.sessions().impl_->move_out(wanted);
    });
}

void session_table::impl::grant(yield_request const& wanted, std::unique_ptr<session> moved, error_code error)
{
    // std::function must be copyable, so the session travels in a shared_ptr.
    auto const held = std::make_shared<std::unique_ptr<session>>(std::move(moved));
    home.send(wanted.to, [wanted, held, error, from = home.id()](shard& there) {
        there.sessions().impl_->granted(wanted, std::move(*held), error, from);
    });
}

void session_table::impl::granted(yield_request const& wanted, std::unique_ptr<session> moved, error_code error,
                                  shard_id from)
{
    auto node = claims.extract(wanted.ticket);
    auto& claimed = node.mapped();
    if (moved)
        take_in(*moved, from);
    if (error) {
        settle_directory(wanted.key, claim_end::refused);
        if (claimed.done)
            claimed.done(error);
        return;
    }
    if (!claimed.done) {  // the connection has gone meanwhile
        settle_directory(wanted.key, moved ? claim_end::owned : claim_end::gone);
        if (moved) {
            auto& kept = adopt(std::move(moved));
            kept.self().store_record();
            arm_timers(kept);
        }
        return;
    }
    auto const present = moved != nullptr;
    auto& node_state = home.node();
    if (!present && node_state.sessions.load(std::memory_order_relaxed) >= node_state.limits.sessions_max) {
        settle_directory(wanted.key, claim_end::gone);
        return claimed.done(make_error_code(errc::quota_exceeded));
    }
    auto& resumed = adopt(present ? std::move(moved) : create(claimed.request));
    if (present)
        resume(resumed, *claimed.client, claimed.request.settings);
    else
        begin_life(resumed, *claimed.client, claimed.request.settings);
    settle_directory(wanted.key, claim_end::owned);
    claimed.done(claim_result{&resumed, present});
}

// A session that was somewhere else, or here without a connection: offline on this shard now.
void session_table::impl::take_in(session& s, shard_id from)
{
    auto& state = s.self();
    auto const same = from == home.id();
    state.attach(home);
    count(s);
    if (same)
        return;
    // Interest here first, then the old shard may forget its own.
    auto const missing = std::make_shared<std::size_t>(1);
    auto const filters = std::make_shared<std::vector<std::string>>();
    auto const app = state.app;
    auto arrived = [missing, filters, app, from, here = &home] {
        if (--*missing == 0)
            here->send(from, [filters, app](shard& there) {
                for (auto const& filter : *filters)
                    there.routes().remove_durable_interest(app, filter);
            });
    };
    for (auto const& own : state.subscriptions) {
        if (parse_shared(own.filter) || own.options.level == qos::at_most_once)
            continue;
        filters->push_back(own.filter);
        ++*missing;
        home.routes().add_durable_interest(app, own.filter, arrived);
    }
    arrived();
}

void session_table::impl::begin_life(session& s, session_client& client, client_settings const& settings)
{
    auto& state = s.self();
    state.go_online(client, settings);
    if (state.durable())  // after its record: the store knows no cursor of a session that it does not know
        home.store({cursor_op{state.lasting->id, state.lasting->stored_cursor}});
}

void session_table::impl::resume(session& s, session_client& client, client_settings const& settings)
{
    auto& state = s.self();
    std::vector<std::string> filters;
    for (auto const& own : state.subscriptions) {
        if (!parse_shared(own.filter) && own.options.level != qos::at_most_once)
            filters.push_back(own.filter);
    }
    forget_timers(s);
    state.go_online(client, settings);
    for (auto const& filter : filters)
        home.routes().remove_durable_interest(state.app, filter);
}

std::unique_ptr<session> session_table::impl::create(claim_request const& request)
{
    auto made = session::impl::make(request.app, request.client_id, request.user);
    auto& state = made->self();
    if (request.settings.expiry_s != 0)
        state.lasting =
            std::make_unique<session::impl::lasting_part>(state, new_session_id(), home.node().store.last_committed());
    state.attach(home);
    count(*made);
    return made;
}

session& session_table::impl::adopt(std::unique_ptr<session> s) { return sessions.add(std::move(s)); }

void session_table::begin(session& s) { s.self().begin(); }

// --- connections end -----------------------------------------------------------------------------------

void session_table::disconnected(session& s)
{
    auto& state = s.self();
    state.doomed = true;  // the connection takes nothing any more, not even its own will
    if (!state.durable() || state.lasting->expiry_s == 0) {
        state.publish_will();
        return impl_->end(s, true);
    }
    state.arm_will(impl_->home.wall());
    impl_->leave_connection(s);
    state.doomed = false;
}

void session_table::impl::leave_connection(session& s)
{
    auto& state = s.self();
    state.go_offline();
    state.store_record();
    arm_timers(s);
}

void session_table::condemn(session& s, session_end why)
{
    if (s.self().doomed)
        return;
    s.self().doomed = true;
    impl_->condemned.push_back({s.self().address, why});
    impl_->home.at_turn_end(*impl_);
}

void session_table::impl::on_turn_end()
{
    ended.clear();
    for (auto const& [address, why] : std::exchange(condemned, {})) {
        auto* const s = static_cast<session*>(home.resolve(address));
        if (s != nullptr && s->self().client != nullptr)
            end_connection(*s, why);
    }
}

// The broker ends a connection. The will is published: there was no DISCONNECT from the client [MQTT-3.1.2-8].
void session_table::impl::end_connection(session& s, session_end why)
{
    auto& state = s.self();
    auto* const client = state.client;
    state.doomed = true;
    if (!state.durable()) {
        state.publish_will();
        end(s, true);
    } else {
        state.arm_will(home.wall());
        leave_connection(s);
        state.doomed = false;
    }
    client->on_session_end(why);
}

void session_table::impl::end(session& s, bool tell_directory, std::function<void(store_result const&)> erased)
{
    session_key const key{s.self().key()};
    s.self().give_up(std::move(erased));
    forget(s);
    home.detach(s.self().address);
    auto const moving_claim = moving.extract(key);
    // Not destroyed at once: a protocol may end its connection from inside a call of this very session.
    ended.push_back(sessions.take(key));
    home.at_turn_end(*this);
    if (tell_directory)
        home.send(home_of(key),
                  [key, me = home.id()](shard& there) { there.sessions().impl_->directory.released(key, me); });
    if (!moving_claim.empty())
        grant(moving_claim.mapped(), nullptr, {});
}

void session_table::kick(app_id app, std::string client_id, bool drop)
{
    auto const key = make_key(app, client_id);
    impl_->home.send(impl_->home_of(key), [key, drop](shard& there) {
        auto const owner = there.sessions().impl_->directory.owner(key);
        if (!owner)
            return;
        there.send(*owner, [key, drop](shard& last) {
            auto& table = *last.sessions().impl_;
            auto* const found = table.sessions.find(key);
            if (found == nullptr)
                return;
            if (found->connected())
                table.end_connection(*found, session_end::kicked);
            if (auto* const left = table.sessions.find(key); drop && left != nullptr)
                table.end(*left, true);
        });
    });
}

void session_table::drain()
{
    std::vector<endpoint_id> connected;
    impl_->sessions.for_each([&connected](session const& s) {
        if (s.connected())
            connected.push_back(s.address());
        return true;
    });
    for (auto const& address : connected) {
        auto* const s = static_cast<session*>(impl_->home.resolve(address));
        if (s != nullptr && s->connected())
            impl_->end_connection(*s, session_end::shutting_down);
    }
}

// --- counting --------------------------------------------------------------------------------------------

void session_table::impl::count(session& s)
{
    home.metrics().sessions.add();
    if (s.self().durable())
        home.metrics().sessions_durable.add();
    home.node().sessions.fetch_add(1, std::memory_order_relaxed);
}

void session_table::impl::forget(session& s)
{
    home.metrics().sessions.subtract();
    if (s.self().durable())
        home.metrics().sessions_durable.subtract();
    home.node().sessions.fetch_sub(1, std::memory_order_relaxed);
    forget_timers(s);
    if (s.self().durable() && std::exchange(s.self().lasting->cursor_listed, false))
        std::erase(cursors, s.self().address);
}

}  // namespace fulmar::broker
