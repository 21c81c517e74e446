#include "frontends/pusher/home_sessions.hpp"

#include "broker/router.hpp"
#include "broker/session_directory.hpp"
#include "broker/shard.hpp"
#include "frontends/pusher/channel_directory.hpp"
#include "frontends/pusher/channel_shard.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace fulmar::pusher {

namespace {

using namespace std::string_view_literals;

constexpr std::string_view stored_prefix = "\0pusher:"sv;
constexpr std::size_t remembered_connections = 8;

// The connections of a session are kept where an MQTT session has its user: "1,2".
[[nodiscard]] std::string joined(std::vector<std::uint64_t> const& numbers)
{
    std::string text;
    for (auto const number : numbers)
        text.append(text.empty() ? "" : ",").append(std::to_string(number));
    return text;
}

[[nodiscard]] std::vector<std::uint64_t> split(std::string_view text)
{
    std::vector<std::uint64_t> numbers;
    while (!text.empty() && numbers.size() < remembered_connections) {
        std::uint64_t number = 0;
        auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
        if (error != std::errc{})
            break;
        numbers.push_back(number);
        text.remove_prefix(std::min(static_cast<std::size_t>(end - text.data()) + 1, text.size()));
    }
    return numbers;
}

}  // namespace

bool is_session_record(broker::session_record const& record) noexcept
{
    return record.client_id.starts_with(stored_prefix);
}

std::string_view session_id_in(broker::session_record const& record) noexcept
{
    return std::string_view{record.client_id}.substr(stored_prefix.size());
}

struct home_sessions::home_session
{
    home_session(broker::app_id in, std::string_view called, broker::session_id number)
        : app(in), id(called), stored_as(number)
    {
    }

    [[nodiscard]] channel_place* find(std::string_view channel) noexcept
    {
        auto const found = std::find_if(channels.begin(), channels.end(),
                                        [channel](channel_place const& one) { return one.name == channel; });
        return found == channels.end() ? nullptr : &*found;
    }
    [[nodiscard]] broker::log_sequence lowest() const noexcept
    {
        auto low = broker::log_end;
        for (auto const& one : channels)
            low = std::min(low, one.position);
        return low;
    }

    broker::app_id const app;
    std::string const id;
    broker::session_id const stored_as;
    connection_id connection{};              // nobody: away
    std::vector<std::uint64_t> connections;  // the latest last
    std::vector<channel_place> channels;
    broker::wall_ms away_since = 0;
    std::uint32_t expiry_s = 0;
    broker::log_sequence stored_cursor = 0;
    connection_counts::place place;
    std::multimap<broker::wall_ms, home_session*>::iterator timer;
    bool armed = false;
    bool recorded = false;  // the store knows of it
    bool listed = false;    // in moved_
};

home_sessions::home_sessions(channel_shard& owner) : owner_(owner) {}
home_sessions::~home_sessions() = default;

home_sessions::home_session* home_sessions::find(broker::app_id app, std::string_view id) noexcept
{
    auto const found = sessions_.find({app, id});
    return found == sessions_.end() ? nullptr : found->second.get();
}

home_sessions::home_session* home_sessions::find(broker::app_id app, std::string_view id, connection_id by) noexcept
{
    auto* const found = find(app, id);
    return found != nullptr && found->connection == by ? found : nullptr;
}

// Null: the app has as many as it may have.
home_sessions::home_session* home_sessions::create(broker::app_id app, std::string_view id)
{
    auto const* const owner = owner_.apps()->find(app);
    auto place = owner == nullptr ? connection_counts::place{}
                                  : owner_.directory().session_counts().take(app, owner->sessions.sessions_max);
    if (!place) {
        owner_.metrics().sessions_refused.add();
        return nullptr;
    }
    auto made = std::make_unique<home_session>(app, id, broker::new_session_id());
    auto* const found = made.get();
    found->place = std::move(place);
    sessions_.emplace(channel_key{app, found->id}, std::move(made));
    owner_.metrics().sessions.add();
    owner_.keep_ticking();
    return found;
}

// --- connections -------------------------------------------------------------------------------------------------

void home_sessions::open(broker::app_id app, std::string_view id, connection_id by)
{
    auto* session = find(app, id);
    if (session == nullptr)
        session = create(app, id);
    if (session == nullptr)
        return;
    // The older connection closes the session when it hears of this: by then it is not its own any more.
    auto const older = std::exchange(session->connection, by);
    if (older != connection_id{}) {
        owner_.metrics().sessions_taken_over.add();
        session->away_since = owner_.home().wall();
        owner_.directory().run_at(owner_.home(), shard_of(older), [older](channel_shard& there) {
            if (auto* const client = there.find(older))
                client->on_taken_over();
        });
    }
    session->connections.push_back(static_cast<std::uint64_t>(by));
    if (session->connections.size() > remembered_connections)
        session->connections.erase(session->connections.begin());
    for (auto& one : session->channels)
        one.wish = 0;
    disarm(*session);
    auto const* const owner = owner_.apps()->find(app);
    if (owner == nullptr)
        return;
    session->expiry_s =
        static_cast<std::uint32_t>(std::chrono::duration_cast<std::chrono::seconds>(owner->sessions.expiry).count());
    if (session->channels.empty())
        return;
    arm(*session, owner_.home().wall() + static_cast<std::uint64_t>(owner->sessions.resubscribe_within.count()));
    store_record(*session);
}

void home_sessions::close(broker::app_id app, std::string_view id, connection_id by)
{
    auto* const session = find(app, id, by);
    if (session == nullptr)
        return;
    session->connection = {};
    disarm(*session);
    if (session->channels.empty())
        return erase(*session);
    session->away_since = owner_.home().wall();
    arm(*session, session->away_since + std::uint64_t{session->expiry_s} * 1000);
    store_record(*session);
}

// --- channels ----------------------------------------------------------------------------------------------------

home_sessions::claim home_sessions::claim_of(home_session const& of, channel_place const& where, bool known) const
{
    return {true, known, where.position, of.away_since, of.connections};
}

void home_sessions::subscribe(broker::app_id app, std::string_view id, connection_id by, std::string const& channel,
                              std::uint32_t wish, std::function<void(claim const&)> done)
{
    auto* const session = find(app, id, by);
    if (session == nullptr)
        return done({});
    if (auto* const known = session->find(channel); known != nullptr && known->stored) {
        known->wish = wish;
        return done(claim_of(*session, *known, true));
    } else if (known != nullptr) {
        return done({});  // the store has not answered the first wish yet: rather no promise than a doubtful one
    }
    add_channel(*session, channel, wish, std::move(done));
}

void home_sessions::add_channel(home_session& to, std::string const& channel, std::uint32_t wish,
                                std::function<void(claim const&)> done)
{
    auto& home = owner_.home();
    auto const begin = home.node().store.last_committed();
    if (!std::exchange(to.recorded, true)) {
        store_record(to);
        to.stored_cursor = begin;
        home.store({broker::cursor_op{to.stored_as, begin}});
    }
    to.channels.push_back({channel, begin, wish, false});
    broker::subscription wanted;
    wanted.filter = channel;
    wanted.options.level = broker::qos::at_least_once;
    wanted.begin = begin;
    struct waiting
    {
        std::size_t missing = 2;
        bool stored = true;
    };
    auto const both = std::make_shared<waiting>();
    auto const arrive = [this, both, app = to.app, id = to.id, number = to.stored_as, channel,
                         done = std::move(done)]() {
        if (--both->missing != 0)
            return;
        auto* const session = find(app, id);
        if (session == nullptr || session->stored_as != number)
            return done({});
        confirmed(*session, channel, both->stored, done);
    };
    home.routes().add_durable_interest(to.app, channel, arrive);
    home.store({broker::put_subscription_op{to.stored_as, std::move(wanted)}},
               [both, arrive](broker::store_result const& result) {
                   both->stored = !result.error;
                   arrive();
               });
}

void home_sessions::confirmed(home_session const& of, std::string const& channel, bool stored,
                              std::function<void(claim const&)> const& done)
{
    auto& session = *find(of.app, of.id);
    auto* const where = session.find(channel);
    if (where == nullptr)
        return done({});
    if (!stored) {
        drop_channel(session, static_cast<std::size_t>(where - session.channels.data()));
        return done({});
    }
    where->stored = true;
    done(claim_of(session, *where, false));
}

void home_sessions::drop_channel(home_session& of, std::size_t index)
{
    auto const gone = std::move(of.channels[index]);
    if (index + 1 != of.channels.size())
        of.channels[index] = std::move(of.channels.back());
    of.channels.pop_back();
    owner_.home().routes().remove_durable_interest(of.app, gone.name);
    owner_.home().store({broker::erase_subscription_op{of.stored_as, gone.name}});
    touch(of);
}

void home_sessions::unsubscribe(broker::app_id app, std::string_view id, connection_id by, std::string_view channel)
{
    auto* const session = find(app, id, by);
    auto const* const where = session == nullptr ? nullptr : session->find(channel);
    if (where != nullptr)
        drop_channel(*session, static_cast<std::size_t>(where - session->channels.data()));
}

void home_sessions::acknowledge(broker::app_id app, std::string_view id, connection_id by, session_progress const& upto)
{
    auto* const session = find(app, id, by);
    if (session == nullptr)
        return;
    for (auto& one : session->channels) {
        if (one.wish == 0 || one.wish > upto.wishes || !one.stored)
            continue;
        auto const less = std::find_if(upto.behind.begin(), upto.behind.end(),
                                       [&one](auto const& each) { return each.first == one.name; });
        one.position = std::max(one.position, less == upto.behind.end() ? upto.base : less->second);
    }
    touch(*session);
}

// --- time --------------------------------------------------------------------------------------------------------

void home_sessions::arm(home_session& of, broker::wall_ms due)
{
    disarm(of);
    of.timer = timers_.emplace(due, &of);
    of.armed = true;
    owner_.keep_ticking();
}

void home_sessions::disarm(home_session& of)
{
    if (std::exchange(of.armed, false))
        timers_.erase(of.timer);
}

// Away for too long, or connected and silent about some channels.
void home_sessions::fire(home_session& of)
{
    if (of.connection == connection_id{}) {
        owner_.metrics().sessions_expired.add();
        return erase(of);
    }
    for (auto i = of.channels.size(); i-- > 0;)
        if (of.channels[i].wish == 0)
            drop_channel(of, i);
}

void home_sessions::touch(home_session& of)
{
    if (!std::exchange(of.listed, true))
        moved_.push_back(&of);
    owner_.keep_ticking();
}

bool home_sessions::tick()
{
    auto const now = owner_.home().wall();
    while (!timers_.empty() && timers_.begin()->first <= now) {
        auto& due = *timers_.begin()->second;
        disarm(due);
        fire(due);
    }
    for (auto* const each : std::exchange(moved_, {})) {
        each->listed = false;
        store_cursor(*each);
    }
    return !timers_.empty();
}

// --- the store ---------------------------------------------------------------------------------------------------

void home_sessions::store_record(home_session& of)
{
    broker::session_record record;
    record.id = of.stored_as;
    record.app = of.app;
    record.client_id = std::string{stored_prefix}.append(of.id);
    record.user = joined(of.connections);
    record.expiry_s = of.expiry_s;
    record.disconnected_at = of.connection == connection_id{} ? of.away_since : 0;
    owner_.home().store({broker::put_session_op{std::move(record)}});
}

void home_sessions::store_cursor(home_session& of)
{
    auto const now = std::min(of.lowest(), owner_.home().node().store.last_committed());
    if (!of.recorded || now <= of.stored_cursor)
        return;
    of.stored_cursor = now;
    owner_.home().store({broker::cursor_op{of.stored_as, now}});
}

void home_sessions::erase(home_session& gone)
{
    disarm(gone);
    if (gone.listed)
        std::erase(moved_, &gone);
    for (auto const& one : gone.channels)
        owner_.home().routes().remove_durable_interest(gone.app, one.name);
    if (gone.recorded)
        owner_.home().store({broker::erase_session_op{gone.stored_as}});
    owner_.metrics().sessions.subtract();
    sessions_.erase({gone.app, std::string_view{gone.id}});
}

void home_sessions::restore(broker::recovered_session&& stored)
{
    auto const id = session_id_in(stored.record);
    if (find(stored.record.app, id) != nullptr) {
        owner_.home().store({broker::erase_session_op{stored.record.id}});  // a crash came between the two
        return;
    }
    auto made = std::make_unique<home_session>(stored.record.app, id, stored.record.id);
    auto& session = *made;
    session.recorded = true;
    session.expiry_s = stored.record.expiry_s;
    session.connections = split(stored.record.user);
    session.stored_cursor = stored.cursor;
    session.place = owner_.directory().session_counts().take(session.app, 0);
    for (auto& own : stored.subscriptions) {
        owner_.home().routes().add_durable_interest(session.app, own.filter, {});
        session.channels.push_back({std::move(own.filter), std::max(stored.cursor, own.begin), 0, true});
    }
    // Connected when the broker stopped: that was when it lost its connection.
    session.away_since = stored.record.disconnected_at != 0 ? stored.record.disconnected_at : owner_.home().wall();
    sessions_.emplace(channel_key{session.app, session.id}, std::move(made));
    owner_.metrics().sessions.add();
    arm(session, session.away_since + std::uint64_t{session.expiry_s} * 1000);
    if (stored.record.disconnected_at == 0)
        store_record(session);
}

}  // namespace fulmar::pusher
