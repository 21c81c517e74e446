// Events that clients send to each other through a channel.
//
// Spec: Pusher Channels, "Triggering client events".
#include "broker/router.hpp"
#include "broker/shard.hpp"
#include "frontends/pusher/channel_name.hpp"
#include "frontends/pusher/channel_shard.hpp"
#include "frontends/pusher/event.hpp"
#include "frontends/pusher/local_channel.hpp"
#include "frontends/pusher/protocol.hpp"

#include <utility>

namespace fulmar::pusher {

namespace {

constexpr unsigned rate_limit_code = 4301;
constexpr std::int64_t second_ms = 1000;

// Why this client event may not be published; empty: it may.
[[nodiscard]] std::string_view objection(broker::app const& app, client_command const& command)
{
    auto const kind = classify(command.channel);
    auto const& limits = app.limits;
    if (!app.client_events)
        return "Client events are not enabled for this app";
    if (kind.access != channel_access::signed_only && kind.access != channel_access::presence)
        return "Client events are for private and presence channels only";
    if (kind.encrypted)
        return "Client events are not possible on encrypted channels";
    if (command.event.size() > limits.event_name_bytes)
        return "The name of the event is too long";
    if (command.raw_data.size() > limits.event_bytes)
        return "The data of the event is too large";
    return {};
}

}  // namespace

// True: one more may be sent in this second.
bool protocol::within_rate(std::uint32_t per_second)
{
    auto const second = now_ms() / second_ms;
    if (second != rate_second_) {
        rate_second_ = second;
        rate_used_ = 0;
    }
    return rate_used_++ < per_second;
}

void protocol::on_client_event(client_command const& command)
{
    auto const apps = shard_.apps();
    auto const* const app = apps->find(app_);
    if (app == nullptr)
        return close(close_reason::app_unknown, "The app does not exist any more");
    auto const refuse_event = [this](std::string_view why, unsigned code) {
        shard_.metrics().client_events_refused.add();
        send_error(why, code);
    };
    if (!within_rate(app->limits.client_events_per_second))
        return refuse_event("Rate limit of client events exceeded: " +
                                std::to_string(app->limits.client_events_per_second) + " per second",
                            rate_limit_code);
    if (auto const why = objection(*app, command); !why.empty())
        return refuse_event(why, 0);
    auto const* const known = find_subscription(command.channel);
    if (known == nullptr || known->where == nullptr)
        return refuse_event("Client event rejected: only subscribers of a channel may send to it", 0);
    shard_.metrics().client_events.add();
    publish_client_event(command, known->more ? known->more->member : std::string{});
}

// Never logged, retained or cached: what clients whisper to each other is of the moment.
void protocol::publish_client_event(client_command const& command, std::string const& user)
{
    auto properties = std::make_unique<broker::message_properties>();
    auto const is_text = command.data_string.has_value();
    if (!is_text)
        properties->content_type = json_content_type;
    if (!user.empty())
        properties->user.push_back({std::string{user_id_property}, user});
    auto const raw = command.raw_data.empty() ? std::string_view{"null"} : command.raw_data;
    broker::message_fields fields;
    fields.app = app_;
    fields.topic = command.channel;
    fields.payload = is_text ? std::string_view{*command.data_string} : raw;
    fields.event = command.event;
    fields.publisher = static_cast<std::uint64_t>(id_);
    fields.published_at = shard_.home().wall();
    if (!is_text || !user.empty())
        fields.properties = std::move(properties);
    auto& home = shard_.home();
    home.metrics().messages_in[0].add();
    home.routes().publish({broker::message::make(std::move(fields)), {}, 0, {}, 0});

    auto& all = shard_.directory();
    if (!all.events().wanted(app_, broker::webhook_kind::client_event))
        return;
    channel_event what;
    what.kind = broker::webhook_kind::client_event;
    what.app = app_;
    what.channel = command.channel;
    what.event = command.event;
    what.payload = raw;
    what.socket_id = to_socket_id(id_);
    what.user_id = user;
    all.run_at(
        home, all.home_of(app_, command.channel),
        [what = std::move(what)](channel_shard& there) {
            auto copy = what;
            there.directory().events().tell(there.home(), std::move(copy));
        },
        raw.size());
}

}  // namespace fulmar::pusher
