#include "broker/reader_sessions.hpp"

#include "broker/reader_claim.hpp"
#include "broker/reader_sessions_state.hpp"
#include "broker/router.hpp"
#include "broker/session_directory.hpp"
#include "broker/shard.hpp"
#include "broker/topic.hpp"

#include <algorithm>
#include <utility>

namespace fulmar::broker {

reader_sessions::reader_sessions(shard& home) : home_{home} {}
reader_sessions::~reader_sessions() = default;

shard_id reader_sessions::home_of(node_context const& node, app_id app, std::string_view name)
{
    return static_cast<shard_id>(stable_hash(make_key(app, name)) % node.shard_count);
}

reader_sessions::session* reader_sessions::find_session(app_id app, std::string_view name) const noexcept
{
    auto const found = sessions_.find(make_key(app, name));
    return found == sessions_.end() ? nullptr : found->second.get();
}

// --- readers come and go ---------------------------------------------------------------------------

// Null: there are as many sessions as there may be.
reader_sessions::session* reader_sessions::create(reader_request const& wanted)
{
    auto& node = home_.node();
    if (node.sessions.load(std::memory_order_relaxed) >= node.limits.sessions_max)
        return nullptr;
    auto made = std::make_unique<session>();
    made->app = wanted.app;
    made->name = wanted.name;
    made->user = wanted.user;
    made->stored_as = new_session_id();
    made->place = made->stored_place = made->kept_from = made->kept_from_next = node.store.last_committed();
    made->kept_since = home_.wall();
    node.sessions.fetch_add(1, std::memory_order_relaxed);
    home_.metrics().reader_sessions.add();
    auto* const session = made.get();
    sessions_.emplace(make_key(wanted.app, wanted.name), std::move(made));
    return session;
}

void reader_sessions::open(reader_request wanted, endpoint_id by, std::function<void(result<reader_grant>)> done)
{
    auto* found = find_session(wanted.app, wanted.name);
    auto const known = found != nullptr;
    if (wanted.seen && *wanted.seen > home_.node().store.last_committed())
        wanted.seen.reset();  // no place in this log
    auto const refuse = [&](errc why) {
        home_.metrics().reader_sessions_refused.add();
        done(make_error_code(why));
    };
    if (known && found->user != wanted.user)
        return refuse(errc::not_authorized);
    if (known && wanted.yields && found->reader)
        return done(make_error_code(errc::taken_over));
    if (!known)
        found = create(wanted);
    if (found == nullptr)
        return refuse(errc::quota_exceeded);
    auto& session = *found;
    if (auto const older = std::exchange(session.reader, by)) {
        home_.metrics().reader_sessions_taken_over.add();
        tell(*older, reader_end::taken_over);
    }
    disarm(session);
    session.away_since = 0;
    session.expiry_s = wanted.expiry_s;
    if (known && wanted.seen)
        session.place = *wanted.seen;
    confirm(session, std::move(wanted), known, std::move(done));
}

// Waits until the store and every shard know what the reader wants.
void reader_sessions::confirm(session& of, reader_request&& wanted, bool known,
                              std::function<void(result<reader_grant>)>&& done)
{
    auto const fresh = take_topics(of, wanted.topics);
    auto const wish = std::make_shared<opening>();
    *wish = {std::move(wanted), *of.reader, of.stored_as, known, std::move(done), 1 + fresh.size(), {}};
    auto const arrive = [this, wish] {
        if (--wish->missing == 0)
            settle(*wish);
    };
    for (auto const& filter : fresh)
        home_.routes().add_durable_interest(of.app, filter, arrive);
    // Of one turn, so they are committed together: the last one answers for all.
    store_record(of);
    for (auto const& filter : fresh)
        home_.store({put_subscription_op{of.stored_as, {filter, {qos::at_least_once}, of.find(filter)->begin}}});
    of.kept_from = std::min(of.kept_from, of.place);
    store_kept(of);
    of.stored_place = of.place;
    home_.store({cursor_op{of.stored_as, of.place}}, [wish, arrive](store_result const& result) {
        wish->error = result.error;
        arrive();
    });
}

// Makes `wanted` the topics of a session. Returns those that are new.
std::vector<std::string> reader_sessions::take_topics(session& of, std::vector<std::string> const& wanted)
{
    for (auto i = of.topics.size(); i-- > 0;)
        if (std::find(wanted.begin(), wanted.end(), of.topics[i].filter) == wanted.end())
            drop_topic(of, i);
    auto const begin = home_.node().store.last_committed();
    std::vector<std::string> fresh;
    for (auto const& filter : wanted) {
        if (of.find(filter) != nullptr)
            continue;
        of.topics.push_back({filter, begin, false});
        fresh.push_back(filter);
    }
    return fresh;
}

// The shards know and the store has answered.
void reader_sessions::settle(opening const& finished)
{
    auto const& wanted = finished.wanted;
    auto* const found = find_session(wanted.app, wanted.name);
    if (found == nullptr || found->stored_as != finished.session)
        return finished.done(make_error_code(errc::cancelled));
    auto& session = *found;
    if (finished.error)
        return give_up(finished);
    reader_grant grant{finished.known, session.place, {}};
    if (!finished.known && wanted.seen)
        grant.after = *wanted.seen;
    auto const whole_history = !finished.known || wanted.seen;
    for (auto const& filter : wanted.topics) {
        auto* const topic = session.find(filter);
        if (topic == nullptr)
            return finished.done(make_error_code(errc::taken_over));  // by somebody with other topics
        auto const fresh = !std::exchange(topic->stored, true) && finished.known;
        grant.begins.push_back({topic->begin, whole_history && !fresh ? 0 : topic->begin});
    }
    finished.done(session.held_by(finished.by) ? result<reader_grant>{std::move(grant)}
                                               : make_error_code(errc::taken_over));
}

// The store did not take it.
void reader_sessions::give_up(opening const& failed)
{
    auto& session = *find_session(failed.wanted.app, failed.wanted.name);
    for (auto i = session.topics.size(); i-- > 0;)
        if (!session.topics[i].stored)
            drop_topic(session, i);
    auto const mine = session.held_by(failed.by);
    if (session.topics.empty() && mine)
        erase(session);
    else if (mine)
        wait_for_reader(session);
    home_.metrics().reader_sessions_refused.add();
    failed.done(failed.error);
}

void reader_sessions::report(app_id app, std::string_view name, endpoint_id by, log_sequence place)
{
    auto* const session = find_session(app, name);
    if (session == nullptr || !session->held_by(by) || place <= session->place)
        return;
    session->place = place;
    touch(*session);
}

void reader_sessions::close(app_id app, std::string_view name, endpoint_id by)
{
    auto* const session = find_session(app, name);
    if (session != nullptr && session->held_by(by))
        wait_for_reader(*session);
}

void reader_sessions::wait_for_reader(session& of)
{
    of.reader.reset();
    of.away_since = home_.wall();
    arm(of);
    store_record(of);
    store_place(of);
}

void reader_sessions::tell(endpoint_id reader, reader_end why)
{
    home_.send(reader.shard, [reader, why](shard& there) {
        if (auto* const claim = static_cast<reader_claim*>(there.resolve(reader)))
            claim->ended(why);
    });
}

void reader_sessions::drop_topic(session& of, std::size_t index)
{
    home_.routes().remove_durable_interest(of.app, of.topics[index].filter);
    home_.store({erase_subscription_op{of.stored_as, of.topics[index].filter}});
    of.topics.erase(of.topics.begin() + static_cast<std::ptrdiff_t>(index));
}

void reader_sessions::erase(session& gone)
{
    disarm(gone);
    if (gone.listed)
        std::erase(moved_, &gone);
    for (auto const& one : gone.topics)
        home_.routes().remove_durable_interest(gone.app, one.filter);
    home_.store({erase_session_op{gone.stored_as}});
    home_.node().sessions.fetch_sub(1, std::memory_order_relaxed);
    home_.metrics().reader_sessions.subtract();
    sessions_.erase(make_key(gone.app, gone.name));
}

}  // namespace fulmar::broker
