// Subscriptions of a session, and the retained messages that follow a SUBSCRIBE.
#include "broker/router.hpp"
#include "broker/session_history.hpp"
#include "broker/shard.hpp"
#include "broker/topic.hpp"

#include <algorithm>

namespace fulmar::broker {

namespace {
constexpr std::size_t scan_budget = 512;  // retained topics looked at per turn and session
}

subscription* session::impl::find_subscription(std::string_view filter) noexcept
{
    auto const place =
        std::lower_bound(subscriptions.begin(), subscriptions.end(), filter,
                         [](subscription const& own, std::string_view wanted) { return own.filter < wanted; });
    return place != subscriptions.end() && place->filter == filter ? &*place : nullptr;
}

// True if it is new. A replaced one keeps the position it began at [MQTT-3.8.4-3: no message is lost].
bool session::impl::put_subscription(subscription const& wanted)
{
    auto const place =
        std::lower_bound(subscriptions.begin(), subscriptions.end(), wanted.filter,
                         [](subscription const& own, std::string const& filter) { return own.filter < filter; });
    if (place != subscriptions.end() && place->filter == wanted.filter) {
        place->options = wanted.options;
        return false;
    }
    subscriptions.insert(place, wanted);
    return true;
}

void session::impl::erase_subscription(std::string_view filter)
{
    if (auto* const gone = find_subscription(filter))
        subscriptions.erase(gone);
}

void session::subscribe(packet_id id, std::vector<subscription> wanted, std::optional<starting_point> const& past)
{
    auto const job = std::make_shared<impl::subscribe_job>();
    job->packet = id;
    job->outcomes.resize(wanted.size());
    job->past = past;
    for (std::size_t i = 0; past && i < wanted.size(); ++i)
        job->filters.push_back(wanted[i].filter);
    job->finish = [there = self().home, at = self().address, on = self().connection](impl::subscribe_job& done) {
        auto* const owner = static_cast<session*>(there->resolve(at));
        if (owner == nullptr || !owner->self().online() || owner->self().connection != on)
            return;
        auto& state = owner->self();
        state.client->on_subscribed(done.packet, done.outcomes);
        for (auto& replay : done.replays)
            state.replays.push_back(std::move(replay));
        state.begin_history(done);
        state.pump();
    };
    for (std::size_t i = 0; i < wanted.size(); ++i)
        self().subscribe_one(job, i, std::move(wanted[i]));
    job->arrive();
}

void session::impl::subscribe_one(std::shared_ptr<subscribe_job> const& job, std::size_t index, subscription wanted)
{
    auto& outcome = job->outcomes[index];
    auto const full = subscriptions.size() >= home->limit().subscriptions_per_session;
    if ((full && find_subscription(wanted.filter) == nullptr) || (job->past && !may_follow(wanted.filter))) {
        outcome.error = errc::quota_exceeded;
        return;
    }
    wanted.begin = home->node().store.last_committed();
    auto const shared = parse_shared(wanted.filter);
    auto const fresh = put_subscription(wanted);
    outcome.granted = wanted.options.level;
    if (job->past)
        follow_history(job, index, wanted.filter);
    ++job->missing;
    if (shared)
        home->routes().join_group(app, *this, wanted.filter, wanted.options, durable(), [job] { job->arrive(); });
    else
        home->routes().subscribe(app, *this, wanted.filter, wanted.options, durable(), [job] { job->arrive(); });
    auto const handling = wanted.options.retained;
    if (!shared && (handling == retain_handling::send || (handling == retain_handling::send_if_new && fresh)))
        job->replays.push_back({wanted.filter, wanted.options, {}, {}});
    if (!durable())
        return;
    ++job->missing;
    home->store({put_subscription_op{lasting->id, *find_subscription(wanted.filter)}},
                [job, index](store_result const& stored) {
                    if (stored.error)
                        job->outcomes[index].error = stored.error;
                    job->arrive();
                });
}

void session::unsubscribe(packet_id id, std::vector<std::string> filters)
{
    auto& state = self();
    auto const existed = std::make_shared<std::vector<char>>();
    for (auto const& filter : filters) {
        auto const known = state.find_subscription(filter) != nullptr;
        existed->push_back(known ? 1 : 0);
        if (!known)
            continue;
        state.erase_subscription(filter);
        state.forget_history(filter);
        if (parse_shared(filter)) {
            state.keep_begun(hash_filter(state.app, filter));
            state.home->routes().leave_group(state.app, *this, filter, true);
        } else
            state.home->routes().unsubscribe(state.app, *this, filter);
    }
    state.drop_unsubscribed();
    auto answer = [there = state.home, at = state.address, on = state.connection, id, existed](store_result const&) {
        auto* const owner = static_cast<session*>(there->resolve(at));
        if (owner == nullptr || !owner->self().online() || owner->self().connection != on)
            return;
        auto const flags = std::make_unique<bool[]>(existed->size());
        std::copy(existed->begin(), existed->end(), flags.get());
        owner->self().client->on_unsubscribed(id, {flags.get(), existed->size()});
    };
    if (!state.durable())
        return answer({});
    for (std::size_t i = 0; i < filters.size(); ++i) {
        auto const last = i + 1 == filters.size();
        state.home->store(
            {erase_subscription_op{state.lasting->id, std::move(filters[i])}},
            last ? std::function<void(store_result const&)>{answer} : std::function<void(store_result const&)>{});
    }
}

// Leaves a shared subscription: deliveries that began are completed here and belong to this session alone from now on
// [MQTT-3.10.4-3]; the group gives the others to somebody else.
void session::impl::keep_begun(filter_hash group)
{
    for (auto& entry : window) {
        if (entry.group.number == 0 || entry.group.group != group)
            continue;
        home->routes().acknowledge_group(entry.group);
        entry.group = {};
        entry.sequence = 0;  // not in the queue of this session: its cursor does not wait for it
    }
    pending.erase_if([this, group](pending_delivery const& waiting) {
        if (waiting.group.number == 0 || waiting.group.group != group)
            return false;
        pending_bytes -= waiting.item.message->footprint();
        return true;
    });
}

// Nothing that was not sent yet may follow UNSUBACK [MQTT-3.10.4-2].
void session::impl::drop_unsubscribed()
{
    if (lasting)
        lasting->queue.drop_waiting_if([this](message const& m) { return !match_own(m, log_end); });
    pending.erase_if([this](pending_delivery const& waiting) {
        if (waiting.group.number != 0 || match_own(*waiting.item.message, log_end))
            return false;
        pending_bytes -= waiting.item.message->footprint();
        return true;
    });
    replays.erase_if([this](retained_replay const& replay) { return find_subscription(replay.filter) == nullptr; });
}

// --- retained messages -------------------------------------------------------------------------------

// Reads the index only when there is room to send at once, so that a copy read earlier never follows a newer live message.
void session::impl::replay_retained()
{
    auto const limit = home->limit().outbox_bytes;
    while (!replays.empty() && online()) {
        auto& replay = replays.front();
        if (replay.found.empty() && !replay.scan.done) {
            if (room() == 0 || client->backlog_bytes() > limit)
                return;
            std::vector<message_ptr> found;
            home->node().retained.scan(app, replay.filter, home->wall(), replay.scan, scan_budget, found);
            for (auto& m : found)
                replay.found.push_back(std::move(m));
            if (!replay.scan.done && replay.found.empty()) {
                // Nothing matched in this part: go on in another turn, so that a long scan delays nobody.
                home->send(home->id(), [at = address](shard& there) {
                    if (auto* const owner = static_cast<session*>(there.resolve(at)))
                        owner->self().pump();
                });
                return;
            }
        }
        while (!replay.found.empty()) {
            if (client->backlog_bytes() > limit || !send_retained(replay, replay.found.front()))
                return;
            replay.found.pop_front();
        }
        if (replay.scan.done)
            replays.pop_front();
    }
    if (replays.empty())
        replays.clear();  // gives the memory back: most sessions subscribe once
}

// False: no room now. The copy is read again from the index, because it may have been replaced while it waited.
bool session::impl::send_retained(retained_replay const& replay, message_ptr const& stale)
{
    auto const m = home->node().retained.get(app, stale->topic());
    auto const own = replay.options.no_local && m && m->publisher != 0 && m->publisher == client_hash;
    if (!m || own || m->expired(home->wall()) || !may_receive(m->topic()))
        return true;
    matched_subscription match;
    match.level = replay.options.level;
    if (replay.options.identifier != 0)
        match.identifiers.push_back(replay.options.identifier);
    if (std::min(m->level, match.level) == qos::at_most_once) {
        send_best_effort({m, 0, 0, true}, match);
        return true;
    }
    if (!pending.empty() || room() == 0)
        return false;
    send_reliable({m, 0, 0, true}, match, {});
    return true;
}

}  // namespace fulmar::broker
