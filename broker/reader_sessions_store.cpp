// What lasts of a reader's session, and for how long: rows of the store, their return after a restart, expiry, administration.
#include "broker/reader_sessions_state.hpp"
#include "broker/router.hpp"
#include "broker/session_directory.hpp"
#include "broker/shard.hpp"

#include <algorithm>
#include <utility>

namespace fulmar::broker {

namespace {

using namespace std::string_view_literals;

// The name under which a session is stored: no MQTT client can have it.
constexpr std::string_view stored_prefix = "\0reader:"sv;

// What a reader's machine has acknowledged the reader may not have read: it may come back and say so. The log is kept from a
// place on that is so old, as for a message in flight.
constexpr wall_ms kept_behind_ms = 30'000;
constexpr packet_id kept_row = 1;

}  // namespace

// --- time ------------------------------------------------------------------------------------------

void reader_sessions::arm(session& of)
{
    disarm(of);
    of.timer = timers_.emplace(of.away_since + std::uint64_t{of.expiry_s} * 1000, &of);
    of.armed = true;
}

void reader_sessions::disarm(session& of)
{
    if (std::exchange(of.armed, false))
        timers_.erase(of.timer);
}

void reader_sessions::touch(session& of)
{
    if (!std::exchange(of.listed, true))
        moved_.push_back(&of);
}

void reader_sessions::tick()
{
    auto const now = home_.wall();
    while (!timers_.empty() && timers_.begin()->first <= now) {
        home_.metrics().reader_sessions_expired.add();
        erase(*timers_.begin()->second);
    }
    for (auto* const each : std::exchange(moved_, {})) {
        each->listed = false;
        store_place(*each);
    }
}

// --- the store -------------------------------------------------------------------------------------

void reader_sessions::store_record(session const& of)
{
    session_record record;
    record.id = of.stored_as;
    record.app = of.app;
    record.client_id = std::string{stored_prefix}.append(of.name);
    record.user = of.user;
    record.expiry_s = of.expiry_s;
    record.disconnected_at = of.away_since;
    home_.store({put_session_op{std::move(record)}});
}

void reader_sessions::store_place(session& of)
{
    if (of.place == of.stored_place)
        return;
    of.stored_place = of.place;
    home_.store({cursor_op{of.stored_as, of.place}});
    auto const now = home_.wall();
    if (now < of.kept_since + kept_behind_ms)
        return;
    of.kept_since = now;
    of.kept_from = std::min(std::exchange(of.kept_from_next, of.place), of.place);
    store_kept(of);
}

void reader_sessions::store_kept(session const& of)
{
    inflight_record row;
    row.id = kept_row;
    row.level = qos::at_least_once;
    row.sequence = of.kept_from + 1;
    home_.store({put_inflight_op{of.stored_as, row}});
}

bool reader_sessions::restore(node_context& node, recovered_session& stored)
{
    if (!stored.record.client_id.starts_with(stored_prefix))
        return false;
    auto const name = std::string{std::string_view{stored.record.client_id}.substr(stored_prefix.size())};
    node.shards[home_of(node, stored.record.app, name)]->readers().take_in(stored, name);
    return true;
}

void reader_sessions::take_in(recovered_session& stored, std::string_view name)
{
    auto& record = stored.record;
    if (find_session(record.app, name) != nullptr)
        return home_.store({erase_session_op{record.id}});  // a crash came between its successor and its end
    auto made = std::make_unique<session>();
    auto& session = *made;
    session.app = record.app;
    session.name = name;
    session.user = std::move(record.user);
    session.stored_as = record.id;
    session.expiry_s = record.expiry_s;
    session.place = session.stored_place = session.kept_from_next = stored.cursor;
    session.kept_from = stored.inflight.empty() ? stored.cursor : stored.inflight.front().sequence - 1;
    session.kept_since = home_.wall();
    for (auto& own : stored.subscriptions) {
        home_.routes().add_durable_interest(session.app, own.filter, {});
        session.topics.push_back({std::move(own.filter), own.begin, true});
    }
    // Had a reader when the broker stopped: that was when it went.
    auto const was_read = record.disconnected_at == 0;
    session.away_since = was_read ? home_.wall() : record.disconnected_at;
    home_.node().sessions.fetch_add(1, std::memory_order_relaxed);
    home_.metrics().reader_sessions.add();
    sessions_.emplace(make_key(session.app, name), std::move(made));
    arm(session);
    if (was_read)
        store_record(session);
}

// --- administration --------------------------------------------------------------------------------

reader_sessions::listed reader_sessions::view_of(session const& of)
{
    listed out{of.app, of.name, of.user, {}, of.reader.has_value(), of.place, of.away_since, of.expiry_s};
    for (auto const& one : of.topics)
        out.topics.push_back(one.filter);
    return out;
}

void reader_sessions::for_each(std::function<bool(listed const&)> const& visit) const
{
    for (auto const& [key, one] : sessions_)
        if (!visit(view_of(*one)))
            return;
}

std::optional<reader_sessions::listed> reader_sessions::find(app_id app, std::string_view name) const
{
    auto const* const session = find_session(app, name);
    return session == nullptr ? std::nullopt : std::optional{view_of(*session)};
}

bool reader_sessions::drop(app_id app, std::string_view name)
{
    auto* const session = find_session(app, name);
    if (session == nullptr)
        return false;
    if (session->reader)
        tell(*session->reader, reader_end::dropped);
    erase(*session);
    return true;
}

}  // namespace fulmar::broker
