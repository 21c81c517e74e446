// Durable sessions: which one a connection uses, what it is told of what it missed, and how events are acknowledged.
//
// A pusher:pong says that the application has had every event before the pusher:ping that it answers. Libraries that need
// not answer it are also sent a ping of WebSocket's own, whose pong counts when no pusher:pong comes for a while.
#include "broker/shard.hpp"
#include "frontends/net/cors.hpp"
#include "frontends/pusher/channel_shard.hpp"
#include "frontends/pusher/event.hpp"
#include "frontends/pusher/frontend.hpp"
#include "frontends/pusher/home_sessions.hpp"
#include "frontends/pusher/protocol.hpp"
#include "frontends/pusher/session_token.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace fulmar::pusher {

namespace {

constexpr std::int64_t barrier_after_ms = 200;  // the first event that is not acknowledged
constexpr std::uint32_t barrier_turns = 64;
constexpr std::size_t barriers_max = 8;
constexpr std::int64_t patience_ms = 10'000;  // for a pusher:pong of a library that has answered WebSocket's ping
constexpr std::int64_t report_every_ms = 30'000;
constexpr std::size_t shared_greeting_bytes_min =
    16 * 1024;  // smaller ones are copied, and compressed for who wants it

// A cookie comes along whatever page opens the connection: only those of the app's own sites may use it.
[[nodiscard]] bool cookie_counts(net::http_request const& request, broker::app const& app)
{
    auto own = app.allowed_origins;
    std::erase(own, "*");
    return net::origin_allowed(request, own);
}

[[nodiscard]] std::string_view refusal_of(token_outcome outcome)
{
    switch (outcome) {
    case token_outcome::malformed: return "Invalid session id: up to 64 letters, digits, '-' and '_'";
    case token_outcome::unsigned_id: return "This app accepts signed session ids only";
    case token_outcome::mismatch: return "Invalid signature of the session id";
    case token_outcome::granted: break;
    }
    return {};
}

}  // namespace

// False: refused.
bool protocol::choose_session(net::http_request const& request, broker::app const& app)
{
    auto const in_path = request.capture("session");
    if (!in_path.empty() && !app.sessions.enabled) {
        refuse(close_reason::path_unknown, "This app has no sessions");
        return false;
    }
    if (!app.sessions.enabled)
        return true;
    auto const cookies = request.joined("Cookie");
    auto const in_cookie = in_path.empty() ? cookie_value(cookies, session_cookie) : std::string_view{};
    if (in_path.empty() && (in_cookie.empty() || !cookie_counts(request, app)))
        return true;
    auto const verdict = read_session_token(app, in_path.empty() ? in_cookie : in_path);
    if (verdict.outcome == token_outcome::granted) {
        session_ = std::make_unique<used_session>();
        session_->id = verdict.id;
        return true;
    }
    if (in_path.empty())
        return true;  // a stale cookie must not keep a page out
    refuse(close_reason::unauthorized, refusal_of(verdict.outcome));
    return false;
}

void protocol::open_session()
{
    if (!session_ || !open_)
        return;
    auto& all = shard_.directory();
    session_->home = all.home_of(app_, session_->id);
    session_->report_at = now_ms() + report_every_ms;
    all.run_at(shard_.home(), session_->home,
               [app = app_, id = session_->id, by = id_](channel_shard& there) { there.sessions().open(app, id, by); });
}

void protocol::close_session()
{
    if (!session_)
        return;
    shard_.directory().run_at(
        shard_.home(), session_->home,
        [app = app_, id = session_->id, by = id_](channel_shard& there) { there.sessions().close(app, id, by); });
    session_.reset();
}

void protocol::forget_in_session(std::string_view channel)
{
    if (!session_)
        return;
    shard_.directory().run_at(shard_.home(), session_->home,
                              [app = app_, id = session_->id, by = id_, name = std::string{channel}](
                                  channel_shard& there) { there.sessions().unsubscribe(app, id, by, name); });
}

// pusher-js would come back at once after 42xx, and two tabs with one session would take it from each other for ever.
void protocol::on_taken_over()
{
    if (open_)
        close(close_reason::unauthorized, "Another connection uses this session");
}

// --- what the client is told -------------------------------------------------------------------------------------

void protocol::greet(std::string const& channel, subscribe_outcome const& outcome)
{
    std::string verdict;
    if (outcome.follows)
        verdict = outcome.follows->verdict();
    else if (session_)
        verdict = R"("recovered":false,"reason":"unavailable","missed":0)";
    if (!outcome.greeting)
        return send(channel_event_text("pusher_internal:subscription_succeeded", channel, "{" + verdict + "}"));
    // The data of a presence channel is an object in a string: the verdict becomes its first members.
    static constexpr std::string_view data_begins = R"("data":"{)";
    std::string_view members = *outcome.greeting;
    std::string head;
    if (!verdict.empty()) {
        std::string escaped;
        append_json_string(escaped, verdict + ",");
        auto const at = members.find(data_begins) + data_begins.size();
        head.append(members.substr(0, at)).append(escaped, 1, escaped.size() - 2);
        members.remove_prefix(at);
    }
    if (members.size() >= shared_greeting_bytes_min)
        return send_shared(head, members, outcome.greeting);
    send(head.append(members));
}

void protocol::send_cached(std::string const& channel, subscribe_outcome const& outcome)
{
    if (outcome.cached && outcome.follows && outcome.follows->covers(*outcome.cached))
        return;
    if (outcome.cached) {
        std::string event;
        append_event(event, *outcome.cached);
        return send(event);
    }
    if (!outcome.follows || outcome.follows->missed() == 0)
        send(cache_miss(channel));
}

// --- events ------------------------------------------------------------------------------------------------------

bool protocol::crowded() const { return wire_.backlog_bytes() > shard_.home().limit().outbox_bytes / 2; }

void protocol::take_logged(broker::frame_run const& run)
{
    wire_.send_run(run, 0, 0);
    expect_acknowledgement();
}

// Never closes: whoever calls visits all followers of a channel.
void protocol::take_text(std::string_view event)
{
    if (!open_)
        return;
    if (wire_.backlog_bytes() > 2 * shard_.home().limit().outbox_bytes)
        return on_lost();
    wire_.send_message(net::websocket_opcode::text, event);
    expect_acknowledgement();
}

// A client that is cut off again and again while it is sent much gets on, part by part.
void protocol::on_part_sent()
{
    if (open_ && session_ && session_->unacknowledged && session_->barriers.size() < barriers_max)
        place_barrier();
}

void protocol::on_caught_up()
{
    if (!session_ || !session_->unacknowledged)
        return;
    if (!session_->barriers.empty()) {
        session_->hurry = true;
        return;
    }
    session_->barrier_at = now_ms();
    arm();
}

void protocol::on_lost()
{
    if (!session_ || std::exchange(session_->lost, true))
        return;
    session_->barriers.clear();
    arm();
}

void protocol::on_frames_dropped()
{
    if (!open_ || !session_)
        return;
    session_->lost = true;
    shard_.home().metrics().slow_consumers_closed.add();
    close(close_reason::reconnect, "Too slow: come back for what was missed");
}

// --- acknowledgements --------------------------------------------------------------------------------------------

void protocol::expect_acknowledgement()
{
    if (!session_)
        return;
    session_->unacknowledged = true;
    auto const many = ++session_->turns >= barrier_turns;
    if (!session_->barriers.empty() || (session_->barrier_at != 0 && !many))
        return;
    auto const due = many ? heard_ms_ : now_ms() + barrier_after_ms;  // in the past: at once
    if (session_->barrier_at != 0 && session_->barrier_at <= due)
        return;
    session_->barrier_at = due;
    arm();
}

void protocol::ping()
{
    if (session_)
        ++session_->pings;
    send(ping_event);
}

void protocol::place_barrier()
{
    session_->barrier_at = 0;
    session_->unacknowledged = false;
    session_->turns = 0;
    auto reached = progress();
    ping();
    if (!session_)
        return;  // too slow, and gone
    session_->barriers.push_back({session_->pings, false, now_ms(), std::move(reached)});
    if (!answers_)
        wire_.send_ping(std::to_string(session_->pings));
}

void protocol::on_pong()
{
    answers_ = true;
    if (!session_ || session_->pongs == session_->pings)
        return;
    session_->reading_counts = false;
    settle_barriers(++session_->pongs);
}

void protocol::settle_barriers(std::uint32_t upto)
{
    auto& all = session_->barriers;
    auto const rest = std::find_if(all.begin(), all.end(), [upto](barrier const& one) { return one.ping > upto; });
    if (rest == all.begin() || session_->lost)
        return;
    auto reached = std::move(std::prev(rest)->reached);
    all.erase(all.begin(), rest);
    acknowledge(std::move(reached));
    if (session_->unacknowledged && all.empty())
        session_->barrier_at = now_ms() + (std::exchange(session_->hurry, false) ? 0 : barrier_after_ms);
    arm();
}

// Says that the library has read everything before its ping, which is less than that the application has had it: it counts
// only where there is nothing better.
void protocol::on_websocket_pong(std::string_view payload)
{
    if (!open_ || !session_ || answers_)
        return;
    std::uint32_t number = 0;
    auto const [end, error] = std::from_chars(payload.data(), payload.data() + payload.size(), number);
    if (error != std::errc{} || end != payload.data() + payload.size() || number > session_->pings)
        return;
    for (auto& one : session_->barriers)
        one.read = one.read || one.ping <= number;
    if (session_->reading_counts)
        return settle_barriers(number);
    arm();
}

std::int64_t protocol::patience_ends() const noexcept
{
    auto const waits = !answers_ && !session_->barriers.empty() && session_->barriers.front().read;
    return waits ? session_->barriers.front().asked_at + patience_ms : 0;
}

// What has been sent by now.
session_progress protocol::progress() const
{
    session_progress reached;
    reached.base = shard_.home().position();
    reached.wishes = tokens_;
    for (auto const& one : subscriptions_) {
        if (one.where == nullptr)
            reached.behind.emplace_back(one.more->channel, 0);
        else if (one.more && one.more->follows && !one.more->follows->live())
            reached.behind.emplace_back(one.where->name(), one.more->follows->after());
    }
    return reached;
}

void protocol::acknowledge(session_progress&& upto)
{
    shard_.directory().run_at(shard_.home(), session_->home,
                              [app = app_, id = session_->id, by = id_, reached = std::move(upto)](
                                  channel_shard& there) { there.sessions().acknowledge(app, id, by, reached); });
}

std::int64_t protocol::session_due() const noexcept
{
    if (!session_)
        return 0;
    if (session_->lost)
        return 1;
    auto due = session_->report_at;
    for (auto const each : {session_->barrier_at, patience_ends()})
        due = each == 0 ? due : std::min(due, each);
    return due;
}

void protocol::on_session_deadline(std::int64_t now)
{
    if (session_->lost) {
        shard_.home().metrics().slow_consumers_closed.add();
        return close(close_reason::reconnect, "Come back for what was missed");
    }
    if (auto const ends = patience_ends(); ends != 0 && now >= ends) {
        session_->reading_counts = true;
        auto const& all = session_->barriers;
        auto const last = std::find_if(all.rbegin(), all.rend(), [](barrier const& one) { return one.read; });
        settle_barriers(last->ping);
    }
    if (session_->barrier_at != 0 && now >= session_->barrier_at && session_->barriers.empty())
        place_barrier();
    if (!session_)
        return;
    if (now < session_->report_at)
        return;
    session_->report_at = now + report_every_ms;
    // Nothing is under way: it has had everything, and the log need not be kept for it.
    if (!session_->unacknowledged && session_->barriers.empty())
        acknowledge(progress());
}

}  // namespace fulmar::pusher
