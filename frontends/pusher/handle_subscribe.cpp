// Subscribing and unsubscribing: names, limits, signatures, and what the client is told of the outcome.
#include "broker/shard.hpp"
#include "broker/topic.hpp"
#include "frontends/pusher/channel_auth.hpp"
#include "frontends/pusher/channel_shard.hpp"
#include "frontends/pusher/event.hpp"
#include "frontends/pusher/local_channel.hpp"
#include "frontends/pusher/protocol.hpp"

#include <algorithm>
#include <utility>

namespace fulmar::pusher {

namespace {

constexpr std::size_t shown_bytes_max = 200;  // of what a peer sent, in an answer to it

[[nodiscard]] std::string shown(std::string_view text)
{
    auto cut = text.substr(0, shown_bytes_max);
    while (!cut.empty() && !broker::valid_utf8(cut))
        cut.remove_suffix(1);
    return std::string{cut};
}

[[nodiscard]] std::string_view name_of(local_channel const* where, std::string const* pending) noexcept
{
    return where != nullptr ? std::string_view{where->name()} : std::string_view{*pending};
}

}  // namespace

protocol::subscription* protocol::find_subscription(std::string_view channel) noexcept
{
    for (auto& one : subscriptions_)
        if (name_of(one.where, one.more ? &one.more->channel : nullptr) == channel)
            return &one;
    return nullptr;
}

void protocol::on_subscribe(client_command& command)
{
    auto const apps = shard_.apps();
    auto const* const app = apps->find(app_);
    if (app == nullptr)
        return close(close_reason::app_unknown, "The app does not exist any more");
    if (!valid_channel_name(command.channel, app->limits.channel_name_bytes))
        return refuse_subscription(command.channel, {"Invalid channel name: letters, digits and _-=@,.; of at most " +
                                                         std::to_string(app->limits.channel_name_bytes) + " bytes",
                                                     "InvalidChannel", 400, 0});
    if (find_subscription(command.channel) != nullptr)
        return send_error("Existing subscription to channel " + command.channel);
    if (subscriptions_.size() >= app->limits.subscriptions_per_connection)
        return refuse_subscription(
            command.channel, {"This connection has as many subscriptions as it may have", "LimitReached", 403, 0});
    subscribe_request wanted;
    if (auto const why = check_access(*app, command, wanted.member); !why.text.empty())
        return refuse_subscription(command.channel, why);
    wanted.client = id_;
    wanted.app = app_;
    wanted.token = ++tokens_;
    if (session_)
        wanted.session = session_->id;
    auto more = std::make_unique<wish>();
    more->channel = command.channel;
    if (wanted.member)
        more->member = wanted.member->user_id;
    wanted.channel = std::move(command.channel);
    subscriptions_.push_back({nullptr, 0, wanted.token, std::move(more)});
    shard_.subscribe(std::move(wanted));
}

protocol::refusal protocol::check_access(broker::app const& app, client_command const& command,
                                         std::optional<member_identity>& member) const
{
    switch (classify(command.channel).access) {
    case channel_access::open: return {};
    case channel_access::signed_only: return check_signature(app, command);
    case channel_access::server_to_user:
        if (user_ && command.channel.substr(server_to_user_prefix.size()) == user_->id)
            return {};
        return {"Only the connections on which this user is signed in may subscribe to " + command.channel};
    case channel_access::presence: break;
    }
    auto why = check_signature(app, command);
    return why.text.empty() ? find_member(app, command, member) : why;
}

protocol::refusal protocol::check_signature(broker::app const& app, client_command const& command) const
{
    auto const socket = to_socket_id(id_);
    auto const text = subscription_text(socket, command.channel, command.channel_data);
    auto const key = shown(command.auth.substr(0, command.auth.find(':')));
    switch (verify(app, command.auth, text)) {
    case auth_outcome::granted: return {};
    case auth_outcome::malformed:
        return {"Auth value for subscription to " + command.channel +
                " is invalid: should be of format 'key:signature'"};
    case auth_outcome::unknown_key: return {"Invalid key in subscription auth data: '" + key + "'"};
    case auth_outcome::mismatch: break;
    }
    return {"Invalid signature: Expected HMAC SHA256 hex digest of " + socket + ":" + command.channel +
            (command.channel_data ? ":" + shown(*command.channel_data) : std::string{}) + ", but got " +
            shown(std::string_view{command.auth}.substr(key.size() + 1))};
}

protocol::refusal protocol::find_member(broker::app const& app, client_command const& command,
                                        std::optional<member_identity>& member) const
{
    if (command.channel_data) {
        member = decode_channel_data(*command.channel_data);
        if (!member)
            return {"channel_data of " + command.channel + " must be a JSON object with a user_id"};
    } else if (user_) {
        member = member_identity{user_->id, {}, user_->info_json};
        append_json_string(member->id_json, user_->id);
    } else {
        return {"A presence channel needs channel_data with a user_id, or a signed-in user"};
    }
    if (member->user_id.size() > app.limits.user_id_bytes)
        return {"user_id has more than " + std::to_string(app.limits.user_id_bytes) + " bytes", "LimitReached", 403, 0};
    if (member->info_json.size() > app.limits.presence_user_info_bytes)
        return {"user_info has more than " + std::to_string(app.limits.presence_user_info_bytes) + " bytes",
                "LimitReached", 403, 0};
    return {};
}

// pusher:error is what the hosted service sends; subscription_error is what applications can bind to a channel.
void protocol::refuse_subscription(std::string_view channel, refusal const& why)
{
    shard_.metrics().subscriptions_refused.add();
    send_error(why.text, why.code);
    send(subscription_error(shown(channel), why.type, why.text, why.status));
}

// --- the outcome ---------------------------------------------------------------------------------------------------

bool protocol::waits_for(std::uint32_t token) const noexcept
{
    return open_ && std::any_of(subscriptions_.begin(), subscriptions_.end(), [token](subscription const& one) {
               return one.where == nullptr && one.token == token;
           });
}

void protocol::drop_subscription(subscription& which)
{
    std::swap(which, subscriptions_.back());
    subscriptions_.pop_back();
}

void protocol::on_subscribed(std::uint32_t token, subscribe_outcome const& outcome)
{
    auto const found = std::find_if(subscriptions_.begin(), subscriptions_.end(), [token](subscription const& one) {
        return one.where == nullptr && one.token == token;
    });
    auto const channel = found->more->channel;
    if (!outcome.refused.empty()) {
        drop_subscription(*found);
        return refuse_subscription(channel, {std::string{outcome.refused}, "LimitReached", 403, 0});
    }
    found->where = outcome.where;
    found->place = outcome.place;
    found->more->follows = outcome.follows;
    if (found->more->member.empty() && !outcome.follows)
        found->more.reset();
    else
        std::string{}.swap(found->more->channel);
    auto const kind = outcome.where->kind();
    if (kind.access == channel_access::signed_only || kind.access == channel_access::presence)
        authorize_by_ = 0;
    greet(channel, outcome);
    auto const follows = outcome.follows;
    auto const first = follows && follows->missed() != 0;
    if (first)
        follows->enter();
    if (kind.cache)
        send_cached(channel, outcome);
    if (follows && !first)
        follows->enter();
}

void protocol::on_moved(local_channel const& where, std::uint32_t place) noexcept
{
    for (auto& one : subscriptions_)
        if (one.where == &where)
            one.place = place;
}

void protocol::on_unsubscribe(client_command const& command)
{
    auto* const known = find_subscription(command.channel);
    if (known == nullptr)
        return send_error("No current subscription to channel " + shown(command.channel) +
                          ", or subscription in progress");
    auto gone = std::move(*known);
    drop_subscription(*known);
    forget_in_session(command.channel);
    leave(gone, true);
}

// One that is pending: whoever brings the outcome finds nobody waiting for it.
void protocol::leave(subscription& one, bool stays_connected)
{
    if (one.where == nullptr)
        return;
    auto const member = one.more ? std::string_view{one.more->member} : std::string_view{};
    if (one.more && one.more->follows)
        shard_.unsubscribe(*one.where, *one.more->follows, member);
    else
        shard_.unsubscribe(*one.where, one.place, member, stays_connected);
}

}  // namespace fulmar::pusher
