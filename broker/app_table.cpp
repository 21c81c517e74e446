// The table of the settings of an app. A setting exists because it is a row here; its default is what app.hpp initialises.
#include "broker/config_apps.hpp"

#define FULMAR_APP_FIELD(member) [](app& a) -> setting_field { return &a.member; }

namespace fulmar::broker {
namespace {

constexpr auto plain = setting_unit::none;
constexpr auto bytes = setting_unit::bytes;
constexpr auto seconds = setting_unit::seconds;
constexpr std::uint64_t KiB = 1024;
constexpr std::uint64_t MiB = 1024 * KiB;
constexpr std::uint64_t GiB = 1024 * MiB;
constexpr std::uint64_t hour_ms = 3'600'000;

app_row const rows[] = {
    {"enabled", FULMAR_APP_FIELD(enabled), plain, 0, 0,
     "Serve this app; if not, connections are closed with 4003 and requests answered with 403"},
    {"client_events", FULMAR_APP_FIELD(client_events), plain, 0, 0, "Let clients trigger `client-` events"},
    {"subscription_counts", FULMAR_APP_FIELD(subscription_counts), plain, 0, 0,
     "Tell subscribers how many subscriptions their channel has"},
    {"authorized_connections", FULMAR_APP_FIELD(authorized_connections), plain, 0, 0,
     "Close connections that neither sign in nor join a private or presence channel in time"},
    {"authorization_timeout", FULMAR_APP_FIELD(authorization_timeout), seconds, 1000, hour_ms, "That time"},
    {"terminate", FULMAR_APP_FIELD(terminate), plain, 0, 0,
     "What terminate_connections does: `refuse` closes with 4009, so that pusher-js does not come back by itself; "
     "`reconnect` with 4200"},
    {"allowed_origins", FULMAR_APP_FIELD(allowed_origins), plain, 0, 0,
     "Origins of web pages that may connect; empty: any"},
    {"webhook_batching", FULMAR_APP_FIELD(webhook_batching), plain, 0, 0, "Send several webhook events in one request"},
    {"webhook_batch_wait", FULMAR_APP_FIELD(webhook_batch_wait), seconds, 10, 60'000,
     "How long events are gathered for one request"},

    {"limits.connections_max", FULMAR_APP_FIELD(limits.connections_max), plain, 0, 0,
     "Open connections; 0: no limit of the app's own"},
    {"limits.channel_name_bytes", FULMAR_APP_FIELD(limits.channel_name_bytes), plain, 16, 1024,
     "Length of a channel name"},
    {"limits.event_name_bytes", FULMAR_APP_FIELD(limits.event_name_bytes), plain, 1, 1024, "Length of an event name"},
    {"limits.event_bytes", FULMAR_APP_FIELD(limits.event_bytes), bytes, 1 * KiB, 1 * MiB,
     "Data of one event; those of encrypted channels may be a third larger, as they are base64"},
    {"limits.channels_per_trigger", FULMAR_APP_FIELD(limits.channels_per_trigger), plain, 1, 1000,
     "Channels of one trigger"},
    {"limits.events_per_batch", FULMAR_APP_FIELD(limits.events_per_batch), plain, 1, 1000, "Events of one batch"},
    {"limits.presence_members", FULMAR_APP_FIELD(limits.presence_members), plain, 1, 100'000,
     "Members of one presence channel"},
    {"limits.presence_user_info_bytes", FULMAR_APP_FIELD(limits.presence_user_info_bytes), bytes, 16, 64 * KiB,
     "`user_info` of one member"},
    {"limits.user_id_bytes", FULMAR_APP_FIELD(limits.user_id_bytes), plain, 1, 1024, "Length of a user id"},
    {"limits.client_events_per_second", FULMAR_APP_FIELD(limits.client_events_per_second), plain, 1, 100'000,
     "Client events of one connection"},
    {"limits.watchlist", FULMAR_APP_FIELD(limits.watchlist), plain, 0, 10'000, "Users that one user may watch"},
    {"limits.subscriptions_per_connection", FULMAR_APP_FIELD(limits.subscriptions_per_connection), plain, 1, 100'000,
     "Channels of one connection"},
    {"limits.api_requests_per_second", FULMAR_APP_FIELD(limits.api_requests_per_second), plain, 0, 100'000'000,
     "Requests to the HTTP API, each publishing one event or more; 0: no limit"},
    {"limits.api_requests_in_flight", FULMAR_APP_FIELD(limits.api_requests_in_flight), plain, 1, 1'000'000,
     "Requests to the HTTP API that wait for their answer, per shard"},
    {"limits.webhooks_pending", FULMAR_APP_FIELD(limits.webhooks_pending), plain, 1, 10'000'000,
     "Webhook events that wait to be delivered; further ones are dropped and counted"},
    {"limits.cache_ttl", FULMAR_APP_FIELD(limits.cache_ttl), seconds, 1000, 24 * hour_ms,
     "How long a cache channel remembers its last event"},

    {"sessions.enabled", FULMAR_APP_FIELD(sessions.enabled), plain, 0, 0,
     "Durable sessions: a connection with `wsPath: '/session/<id>'` gets the events that it missed when it comes back"},
    {"sessions.signed_ids", FULMAR_APP_FIELD(sessions.signed_ids), plain, 0, 0,
     "Accept only session ids that are signed with a secret of the app (`fulmar session-token`)"},
    {"sessions.expiry", FULMAR_APP_FIELD(sessions.expiry), seconds, 1000, 366 * 24 * hour_ms,
     "How long a session waits for its connection to come back"},
    {"sessions.messages_max", FULMAR_APP_FIELD(sessions.messages_max), plain, 1, 10'000'000,
     "Events that a session gets of one channel when it comes back; older ones are a gap"},
    {"sessions.bytes_max", FULMAR_APP_FIELD(sessions.bytes_max), bytes, 1 * KiB, 1 * GiB, "The same in bytes"},
    {"sessions.sessions_max", FULMAR_APP_FIELD(sessions.sessions_max), plain, 1, 10'000'000,
     "Sessions of the app, connected or not; further connections have none and are told so"},
    {"sessions.resubscribe_within", FULMAR_APP_FIELD(sessions.resubscribe_within), seconds, 1000, 24 * hour_ms,
     "A channel that the connection has not subscribed to again by then is dropped from its session"},
};

}  // namespace

std::span<app_row const> app_rows() noexcept { return rows; }

}  // namespace fulmar::broker
