#include "frontends/pusher/protocol.hpp"

#include "broker/shard.hpp"
#include "frontends/pusher/channel_shard.hpp"
#include "frontends/pusher/event.hpp"
#include "frontends/pusher/frontend.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

namespace fulmar::pusher {

namespace {

constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();
constexpr std::uint8_t version_min = 5;
constexpr std::uint8_t version_max = 7;

// Of "a=1&b=2"; values are looked at as they were sent.
[[nodiscard]] std::string_view query_value(std::string_view query, std::string_view name)
{
    while (!query.empty()) {
        auto const end = std::min(query.find('&'), query.size());
        auto const pair = query.substr(0, end);
        if (pair.size() > name.size() && pair.starts_with(name) && pair[name.size()] == '=')
            return pair.substr(name.size() + 1);
        query.remove_prefix(std::min(end + 1, query.size()));
    }
    return {};
}

// "8.6.0", "8.4.0-rc2"
[[nodiscard]] bool plausible_version(std::string_view text) noexcept
{
    auto const letter = [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '-' ||
               c == '+' || c == '_';
    };
    return text.size() <= 64 && text.front() >= '0' && text.front() <= '9' &&
           std::all_of(text.begin(), text.end(), letter);
}

// 0: not a version that is spoken here. Absent: the latest.
[[nodiscard]] std::uint8_t protocol_version(std::string_view text) noexcept
{
    if (text.empty())
        return version_max;
    unsigned version = 0;
    auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), version);
    auto const known =
        error == std::errc{} && end == text.data() + text.size() && version >= version_min && version <= version_max;
    return known ? static_cast<std::uint8_t>(version) : std::uint8_t{0};
}

// The protocol leaves it to libraries with pings of their own (Java, .NET) whether they answer pusher:ping, and they do
// not. From others, and from whoever has answered once, an answer can be expected.
[[nodiscard]] bool answers_pings(std::string_view library) noexcept
{
    return library.empty() || library.starts_with("js");
}

// A page of another site; whoever is no browser sends no Origin.
[[nodiscard]] bool origin_allowed(net::http_request const& request, std::vector<std::string> const& allowed)
{
    if (allowed.empty() || request.count("Origin") == 0)
        return true;
    auto const origin = request.header("Origin");
    return request.count("Origin") == 1 && std::any_of(allowed.begin(), allowed.end(), [origin](auto const& one) {
               return one == "*" || one == origin;
           });
}

}  // namespace

std::unique_ptr<net::message_protocol> make_protocol(frontend& shared, net::message_wire& wire,
                                                     net::http_request const& request)
{
    return std::make_unique<protocol>(shared, wire, request);
}

protocol::protocol(frontend& shared, net::message_wire& wire, net::http_request const& request)
    : shared_(shared), wire_(wire), shard_(shared.channels().at(wire.home()))
{
    open(request);
}

protocol::~protocol() { leave_everything(); }

std::int64_t protocol::now_ms() const
{
    return std::chrono::duration_cast<std::chrono::milliseconds>(shard_.home().now().time_since_epoch()).count();
}

// --- opening -----------------------------------------------------------------------------------------------------

// The first thing that a client is told is connection_established, or why not: pusher-js gives up for good on anything
// else.
void protocol::open(net::http_request const& request)
{
    auto const version = protocol_version(query_value(request.query, "protocol"));
    auto const client = query_value(request.query, "version");
    version_ = version == 0 ? version_min : version;
    if (version == 0)
        return refuse(close_reason::protocol_unsupported, "Unsupported protocol version: 5, 6 and 7 are spoken here");
    if (!client.empty() && !plausible_version(client))
        return refuse(close_reason::version_invalid, "Invalid version string format");
    auto const key = request.capture("key");
    if (key.empty() || !request.capture("rest").empty())
        return refuse(close_reason::path_unknown, "Path not found");
    auto const apps = shard_.apps();
    auto const* const app = apps->find_by_key(key).owner;
    if (app == nullptr)
        return refuse(close_reason::app_unknown, "Could not find an app with this key");
    if (!app->enabled)
        return refuse(close_reason::app_disabled, "The app is disabled");
    if (!origin_allowed(request, app->allowed_origins))
        return refuse(close_reason::unauthorized, "This origin may not connect");
    if (!choose_session(request, *app))
        return;
    if (shared_.node().draining || shard_.home().congested())
        return refuse(close_reason::over_capacity, "Over capacity");
    app_ = app->id;
    place_ = shared_.counts().take(app_, app->limits.connections_max);
    if (!place_)
        return refuse(close_reason::over_quota, "The app has as many connections as it may have");
    id_ = shard_.attach(*this);
    if (id_ == connection_id{})
        return refuse(close_reason::over_capacity, "Over capacity");
    open_ = true;
    answers_ = answers_pings(query_value(request.query, "client"));
    shard_.metrics().connections.add();
    shard_.metrics().connections_total.add();
    heard_ms_ = now_ms();
    if (app->authorized_connections)
        authorize_by_ = heard_ms_ + app->authorization_timeout.count();
    send(connection_established(to_socket_id(id_), static_cast<unsigned>(shared_.settings().activity_timeout.count())));
    open_session();
    arm();
}

void protocol::refuse(close_reason why, std::string_view text)
{
    shard_.metrics().connections_refused.add();
    close(why, text);
}

// From version 6 on the close code says it all.
void protocol::close(close_reason why, std::string_view text)
{
    auto const code = static_cast<std::uint16_t>(why);
    if (version_ < 6)
        wire_.send_message(net::websocket_opcode::text, error_event(text, code));
    leave_everything();
    wire_.close(code, text);
}

void protocol::leave_everything()
{
    if (!std::exchange(open_, false))
        return;
    for (auto& one : subscriptions_)
        leave(one, false);
    subscriptions_.clear();
    close_session();
    forget_user();
    shard_.detach(id_);
    place_ = {};
    shard_.metrics().connections.subtract();
}

void protocol::on_closed(bool) { leave_everything(); }

// --- what the client says ----------------------------------------------------------------------------------------

void protocol::on_message(net::websocket_opcode kind, std::string_view text)
{
    if (!open_)
        return;
    heard_ms_ = now_ms();
    pinged_ = false;
    if (kind != net::websocket_opcode::text)
        return send_error("Only text messages are understood");
    client_command command;
    if (auto const problem = decode(text, command); !problem.empty()) {
        shard_.metrics().commands_refused.add();
        return send_error(problem);
    }
    switch (command.kind) {
    case command_kind::ping: return send(pong_event);
    case command_kind::pong: return on_pong();
    case command_kind::subscribe: return on_subscribe(command);
    case command_kind::unsubscribe: return on_unsubscribe(command);
    case command_kind::signin: return on_signin(command);
    case command_kind::client_event: return on_client_event(command);
    case command_kind::unknown: break;
    }
    shard_.metrics().commands_refused.add();
    send_error("Unknown event: client events begin with client-");
}

// --- what it is told ---------------------------------------------------------------------------------------------

// What is said to this client alone is never dropped: one that lets it pile up is cut off.
void protocol::send(std::string_view text)
{
    if (open_ && !cut_off_if_piled_up(wire_.backlog_bytes()))
        wire_.send_message(net::websocket_opcode::text, text);
}

// What waits for one client never holds more than one such text beyond the limit.
void protocol::send_shared(std::string_view head, std::string_view tail, std::shared_ptr<void const> keep)
{
    if (open_ && !cut_off_if_piled_up(wire_.backlog_bytes() + wire_.shared_backlog_bytes()))
        wire_.send_shared(head, tail, std::move(keep));
}

bool protocol::cut_off_if_piled_up(std::size_t waiting)
{
    if (waiting <= 2 * shard_.home().limit().outbox_bytes)
        return false;
    shard_.home().metrics().slow_consumers_closed.add();
    leave_everything();
    wire_.abort();
    return true;
}

void protocol::send_error(std::string_view text, unsigned code) { send(error_event(text, code)); }

void protocol::take_frames(broker::frame_run const& run, std::uint32_t first_byte, std::uint32_t first_frame,
                           bool events_only)
{
    // A run has at most a quarter of what an outbox may hold: below three quarters nothing of it is dropped.
    if (!events_only && wire_.backlog_bytes() > shard_.home().limit().outbox_bytes / 4 * 3)
        behind_ = true;
    wire_.send_run(run, first_byte, first_frame);
}

// Its picture of a channel may be wrong: it starts afresh, now that it can be told so.
void protocol::on_drained()
{
    if (!open_)
        return;
    for (std::size_t i = 0; i < subscriptions_.size(); ++i)
        if (auto const& more = subscriptions_[i].more; more && more->follows)
            more->follows->go_on();
    if (!behind_)
        return;
    shard_.home().metrics().slow_consumers_closed.add();
    close(close_reason::reconnect, "Too slow: changes of a channel were lost");
}

bool protocol::describe(net::client_description& out) const
{
    if (!open_)
        return false;
    out.protocol = "pusher";
    out.app = app_;
    out.user = user_ == nullptr ? std::string{} : user_->id;
    out.client_id = to_socket_id(id_);
    return true;
}

void protocol::on_terminated()
{
    if (!open_)
        return;
    shard_.metrics().terminated.add();
    auto const* const app = shard_.apps()->find(app_);
    auto const again = app != nullptr && app->terminate == broker::termination::reconnect;
    close(again ? close_reason::reconnect : close_reason::unauthorized, "Connection terminated by the application");
}

// --- time --------------------------------------------------------------------------------------------------------

void protocol::on_draining(std::uint32_t within_ms)
{
    drain_at_ = now_ms() + within_ms;
    arm();
}

void protocol::arm()
{
    if (!open_)
        return;
    auto const silence =
        shared_.settings().activity_timeout + (pinged_ ? shared_.settings().pong_timeout : std::chrono::seconds{0});
    auto due = heard_ms_ + std::chrono::milliseconds{silence}.count();
    due = std::min(due, authorize_by_ == 0 ? never : authorize_by_);
    due = std::min(due, drain_at_ == 0 ? never : drain_at_);
    due = std::min(due, session_due() == 0 ? never : session_due());
    wire_.set_deadline(std::chrono::milliseconds{std::max<std::int64_t>(due - now_ms(), 1)});
}

// False: closed.
bool protocol::check_silence(std::int64_t now)
{
    auto const silent = std::chrono::milliseconds{now - heard_ms_};
    auto const& settings = shared_.settings();
    auto const overdue = pinged_ && silent >= settings.activity_timeout + settings.pong_timeout;
    if (overdue && !answers_) {
        // The ping was data that the peer's system had to acknowledge: if it is gone, TCP finds out. Ask again later.
        heard_ms_ = now;
        pinged_ = false;
        return true;
    }
    if (overdue) {
        shard_.metrics().inactive_closed.add();
        close(close_reason::pong_missing, "Pong reply not received");
        return false;
    }
    if (!pinged_ && silent >= settings.activity_timeout) {
        pinged_ = true;
        ping();
    }
    return true;
}

void protocol::on_deadline()
{
    if (!open_)
        return;
    auto const now = now_ms();
    if (drain_at_ != 0 && now >= drain_at_)
        return close(close_reason::reconnect, "The server is about to stop");
    if (authorize_by_ != 0 && now >= authorize_by_) {
        shard_.metrics().unauthorized_closed.add();
        return close(close_reason::unauthorized, "Connection not authorized within timeout");
    }
    if (session_)
        on_session_deadline(now);
    if (open_ && check_silence(now))
        arm();
}

}  // namespace fulmar::pusher
