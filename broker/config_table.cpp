// The table of all settings. A setting exists because it is a row here; its default is what settings.hpp initialises.
#include "broker/config.hpp"

#include <algorithm>
#include <array>

// One line per row: the member of `settings`, then unit, minimum, maximum and description.
#define FULMAR_FIELD(member) [](settings& s) -> setting_field { return &s.member; }

namespace fulmar::broker {
namespace {

constexpr auto plain = setting_unit::none;
constexpr auto bytes = setting_unit::bytes;
constexpr auto seconds = setting_unit::seconds;
constexpr std::uint64_t KiB = 1024;
constexpr std::uint64_t MiB = 1024 * KiB;
constexpr std::uint64_t GiB = 1024 * MiB;
constexpr std::uint64_t TiB = 1024 * GiB;
constexpr std::uint64_t hour_ms = 3'600'000;
constexpr std::uint64_t year_ms = 366 * 24 * hour_ms;

#define FULMAR_LISTENER(name, what, note)                                                                        \
    {"listeners." #name ".enabled", FULMAR_FIELD(listeners.name.enabled), plain, 0, 0, "Listen for " what note}, \
        {"listeners." #name ".address",                                                                          \
         FULMAR_FIELD(listeners.name.address),                                                                   \
         plain,                                                                                                  \
         0,                                                                                                      \
         0,                                                                                                      \
         "Address of " what "; anything but loopback needs credentials"},                                        \
    {                                                                                                            \
        "listeners." #name ".port", FULMAR_FIELD(listeners.name.port), plain, 0, 65535,                          \
            "Port of " what "; 0 takes any free one"                                                             \
    }

setting_row const rows[] = {
    {"node.name", FULMAR_FIELD(node.name), plain, 0, 0, "Name of this node in logs, metrics and `$SYS`"},
    {"node.data_dir", FULMAR_FIELD(node.data_dir), plain, 0, 0, "Directory of everything that is stored"},
    {"node.shards", FULMAR_FIELD(node.shards), plain, 0, 64, "Threads that serve connections; 0: one per core"},

    FULMAR_LISTENER(mqtt, "MQTT over TCP", ""),
    FULMAR_LISTENER(mqtts, "MQTT over TLS", "; needs `tls.cert` and `tls.key`"),
    FULMAR_LISTENER(http, "HTTP and WebSocket", "; MQTT is at `/mqtt`"),
    FULMAR_LISTENER(https, "HTTP and WebSocket over TLS", "; needs `tls.cert` and `tls.key`"),
    FULMAR_LISTENER(grpc, "gRPC", ""),
    FULMAR_LISTENER(grpcs, "gRPC over TLS", "; needs `tls.cert` and `tls.key`"),
    FULMAR_LISTENER(admin, "metrics, health and inspection", ""),
    {"admin.allow_remote", FULMAR_FIELD(admin.allow_remote), plain, 0, 0,
     "Let the admin listener, which asks for no credentials, bind to an address that others can reach"},

    {"tls.cert", FULMAR_FIELD(tls.cert), plain, 0, 0, "Certificate chain, PEM"},
    {"tls.key", FULMAR_FIELD(tls.key), plain, 0, 0, "Private key of the certificate, PEM"},
    {"tls.client_ca", FULMAR_FIELD(tls.client_ca), plain, 0, 0, "Authorities that sign client certificates, PEM"},
    {"tls.client_certificates", FULMAR_FIELD(tls.client_certificates), plain, 0, 0,
     "Ask clients for certificates; the common name of a verified one is the user name"},

    {"proxy_protocol.trusted", FULMAR_FIELD(proxy_protocol.trusted), plain, 0, 0,
     "Addresses or networks of proxies that send a PROXY header (v1 or v2) before anything else"},

    {"mqtt.maximum_packet_size", FULMAR_FIELD(mqtt.maximum_packet_size), bytes, 1 * KiB, 268'435'460,
     "Largest MQTT packet that is accepted"},
    {"mqtt.receive_maximum", FULMAR_FIELD(limits.receive_maximum), plain, 1, 65535,
     "Unacknowledged QoS 1 and 2 publishes that one client may have under way"},
    {"mqtt.topic_alias_maximum", FULMAR_FIELD(mqtt.topic_alias_maximum), plain, 0, 65535,
     "Topic aliases that one client may use; 0: none"},
    {"mqtt.keep_alive_max", FULMAR_FIELD(mqtt.keep_alive_max), seconds, 0, 65535,
     "Longest keep-alive that is granted (Server Keep Alive); 0: whatever clients ask for"},
    {"mqtt.connect_timeout", FULMAR_FIELD(mqtt.connect_timeout), seconds, 100, 10 * 60'000,
     "Time from accepting a connection until its CONNECT must be complete"},
    {"mqtt.max_qos", FULMAR_FIELD(mqtt.max_qos), plain, 0, 2,
     "Highest QoS that clients may publish and subscribe with"},
    {"mqtt.retain_available", FULMAR_FIELD(mqtt.retain_available), plain, 0, 0, "Accept retained messages"},
    {"mqtt.session_expiry_max", FULMAR_FIELD(limits.session_expiry_max_s), seconds, 0, 4'294'967'295,
     "Longest Session Expiry Interval that is granted; 4294967295: never expires, if a client asks for it"},
    {"mqtt.allow_anonymous", FULMAR_FIELD(mqtt.allow_anonymous), plain, 0, 0,
     "Who may connect without credentials. auto: clients on this machine, while no password file and no client "
     "certificates are configured"},
    {"mqtt.server_reference", FULMAR_FIELD(mqtt.server_reference), plain, 0, 0,
     "Other server that MQTT 5 clients are told to use while this one shuts down"},
    {"mqtt.allowed_origins", FULMAR_FIELD(mqtt.allowed_origins), plain, 0, 0,
     "Origins of web pages that may connect over WebSocket; empty: the broker's own host and localhost; `*`: any"},

    {"limits.session_pending_messages", FULMAR_FIELD(limits.session_pending_messages), plain, 1, 10'000'000,
     "Messages that one session holds in memory while its receiver is slow"},
    {"limits.session_pending_bytes", FULMAR_FIELD(limits.session_pending_bytes), bytes, 1 * KiB, 64 * GiB,
     "Bytes that one session holds in memory while its receiver is slow"},
    {"limits.durable_pending_messages", FULMAR_FIELD(limits.durable_pending_messages), plain, 1, 10'000'000,
     "Messages that a durable session holds in memory before it reads from the log instead"},
    {"limits.durable_pending_bytes", FULMAR_FIELD(limits.durable_pending_bytes), bytes, 1 * KiB, 64 * GiB,
     "Bytes that a durable session holds in memory before it reads from the log instead"},
    {"limits.session_queue_messages", FULMAR_FIELD(limits.session_queue_messages), plain, 1, 0,
     "Messages waiting in the log for one durable session; older ones are skipped and counted"},
    {"limits.inflight_max", FULMAR_FIELD(limits.inflight_max), plain, 1, 65535,
     "Messages sent to one client and not acknowledged, also when it allows more"},
    {"limits.outbox_bytes", FULMAR_FIELD(limits.outbox_bytes), bytes, 4 * KiB, 1 * GiB,
     "Bytes waiting for one socket before its QoS 0 messages are dropped"},
    {"limits.subscriptions_per_session", FULMAR_FIELD(limits.subscriptions_per_session), plain, 1, 10'000'000,
     "Subscriptions of one session"},
    {"limits.sessions_max", FULMAR_FIELD(limits.sessions_max), plain, 1, 0, "Sessions, connected or not"},
    {"limits.connections_max", FULMAR_FIELD(limits.connections_max), plain, 0, 0,
     "Open connections of all listeners; 0: as many as there are file descriptors"},
    {"limits.retained_max", FULMAR_FIELD(limits.retained_max), plain, 0, 0, "Retained messages"},
    {"limits.retained_bytes_max", FULMAR_FIELD(limits.retained_bytes_max), bytes, 0, 16 * TiB,
     "Memory of all retained messages"},
    {"limits.mailbox_bytes", FULMAR_FIELD(limits.mailbox_bytes), bytes, 64 * KiB, 64 * GiB,
     "Messages under way from one shard to another before publishers are not read from"},
    {"limits.store_pending_bytes", FULMAR_FIELD(limits.store_pending_bytes), bytes, 64 * KiB, 64 * GiB,
     "Messages waiting to be stored before publishers are not read from"},

    {"storage.durability", FULMAR_FIELD(storage.durability), plain, 0, 0,
     "When a message counts as stored and is acknowledged: synced to the disk, or handed to the operating system"},
    {"storage.retention_age", FULMAR_FIELD(storage.retention_age), seconds, 0, 100 * year_ms,
     "Logged messages older than this are removed even if a session has not read them; 0: no limit"},
    {"storage.retention_bytes", FULMAR_FIELD(storage.retention_bytes), bytes, 0, 1024 * TiB,
     "Size of the log above which its oldest messages are removed; 0: no limit"},
    {"storage.block_cache_bytes", FULMAR_FIELD(storage.block_cache_bytes), bytes, 1 * MiB, 1 * TiB,
     "Cache of stored blocks"},
    {"storage.write_buffer_bytes", FULMAR_FIELD(storage.write_buffer_bytes), bytes, 1 * MiB, 16 * GiB,
     "Memory in which writes gather before they become files"},
    {"storage.message_cache_bytes", FULMAR_FIELD(storage.message_cache_bytes), bytes, 0, 1 * TiB,
     "Cache of messages read back from the log"},
    {"storage.wal_bytes_max", FULMAR_FIELD(storage.wal_bytes_max), bytes, 1 * MiB, 64 * GiB,
     "Size of the write-ahead log; bounds the time of a restart"},
    {"storage.min_free_bytes", FULMAR_FIELD(storage.min_free_bytes), bytes, 0, 1 * TiB,
     "Free disk space below which durable messages are refused; on a small disk 5 % of it, if that is less"},
    {"storage.readers", FULMAR_FIELD(storage.readers), plain, 1, 64, "Threads that read queues back from the log"},
    {"storage.maintenance_interval", FULMAR_FIELD(storage.maintenance_interval), seconds, 100, 1 * hour_ms,
     "How often the log is trimmed and the disk looked at"},

    {"access.password_file", FULMAR_FIELD(access.password_file), plain, 0, 0,
     "Users and their password hashes; see `fulmar user --help`"},
    {"access.acl_file", FULMAR_FIELD(access.acl_file), plain, 0, 0, "Who may publish and subscribe to what"},

    {"pusher.http_sessions_max", FULMAR_FIELD(pusher.http_sessions_max), plain, 0, 10'000'000,
     "Pusher connections over HTTP (`xhr_streaming`, `xhr_polling`) that may be open at once; 0: none are accepted"},

    {"development.pusher_js", FULMAR_FIELD(development.pusher_js), plain, 0, 0,
     "File of pusher-js for the page at `/`, which is there while no apps are configured; empty: it has a client of its own"},

    {"http.allowed_origins", FULMAR_FIELD(http.allowed_origins), plain, 0, 0,
     "Origins of web pages that may use SSE and REST; empty: the broker's own host and localhost; `*`: any"},
    {"http.event_bytes_max", FULMAR_FIELD(http.event_bytes_max), bytes, 1 * KiB, 64 * MiB,
     "Largest message that is published over REST or gRPC"},
    {"http.topics_per_stream", FULMAR_FIELD(http.topics_per_stream), plain, 1, 100'000,
     "Topics and filters of one SSE connection or gRPC subscription"},
    {"http.keep_alive", FULMAR_FIELD(http.keep_alive), seconds, 1'000, 10 * 60'000,
     "How often an SSE connection without events gets a sign of life"},
    {"http.session_expiry", FULMAR_FIELD(http.session_expiry), seconds, 1'000, 30 * 24 * hour_ms,
     "How long an SSE session (`?session=`) waits for its reader; what it has is kept so long, within `storage.retention_*`"},
    {"http.ticket_lifetime", FULMAR_FIELD(http.ticket_lifetime), seconds, 1'000, 10 * 60'000,
     "How long a one-time ticket for SSE is good"},
    {"http.idempotency_window", FULMAR_FIELD(http.idempotency_window), seconds, 1'000, 24 * hour_ms,
     "How long a repeated Idempotency-Key is answered without publishing again"},

    {"grpc.publish_window", FULMAR_FIELD(grpc.publish_window), plain, 1, 65'536,
     "Requests of one PublishStream that are read before they are acknowledged"},
    {"grpc.calls_max", FULMAR_FIELD(grpc.calls_max), plain, 1, 1'000'000, "Open calls of all gRPC connections"},
    {"grpc.calls_per_connection", FULMAR_FIELD(grpc.calls_per_connection), plain, 1, 65535,
     "Open calls of one gRPC connection"},
    {"grpc.keep_alive", FULMAR_FIELD(grpc.keep_alive), seconds, 1'000, 1 * hour_ms,
     "How long a gRPC connection may be silent before it is asked whether it is still there"},

    {"jwt.algorithm", FULMAR_FIELD(jwt.algorithm), plain, 0, 0,
     "The algorithm of JSON Web Tokens: HS256, RS256, ES256 or EdDSA; empty: no token is accepted"},
    {"jwt.key_file", FULMAR_FIELD(jwt.key_file), plain, 0, 0,
     "The secret (HS256, at least 32 bytes) or the public key (PEM) that tokens are checked with"},
    {"jwt.jwks_file", FULMAR_FIELD(jwt.jwks_file), plain, 0, 0,
     "Instead of a key file: a JSON Web Key Set; tokens name their key by `kid`. Read again on SIGHUP"},
    {"jwt.jwks_url", FULMAR_FIELD(jwt.jwks_url), plain, 0, 0,
     "Instead of a file: the `https://` address of a JSON Web Key Set (`http://` on this machine only). Until it was fetched no token is accepted"},
    {"jwt.jwks_refresh", FULMAR_FIELD(jwt.jwks_refresh), seconds, 10'000, 24 * hour_ms,
     "How often `jwt.jwks_url` is fetched again; a token with an unknown `kid` makes it sooner, at most every 10 seconds"},
    {"jwt.issuer", FULMAR_FIELD(jwt.issuer), plain, 0, 0, "What `iss` must be; empty: anything"},
    {"jwt.audience", FULMAR_FIELD(jwt.audience), plain, 0, 0,
     "What `aud` must contain; empty: tokens that name an audience are refused"},
    {"jwt.leeway", FULMAR_FIELD(jwt.leeway), seconds, 0, 10 * 60'000,
     "How far the clocks of whoever signs tokens may differ"},

    {"log.level", FULMAR_FIELD(log.level), plain, 0, 0, "Least important line that is written"},
    {"log.format", FULMAR_FIELD(log.format), plain, 0, 0, "Lines for people or for machines"},

    {"sys.interval", FULMAR_FIELD(sys.interval), seconds, 0, 24 * hour_ms,
     "How often `$SYS` topics are published; 0: never"},
};

constexpr std::array<setting_flag, 9> named_flags{{
    {"--data-dir", "node.data_dir"},
    {"--mqtt-port", "listeners.mqtt.port"},
    {"--http-port", "listeners.http.port"},
    {"--grpc-port", "listeners.grpc.port"},
    {"--admin-port", "listeners.admin.port"},
    {"--log-level", "log.level"},
    {"--log-format", "log.format"},
    {"--shards", "node.shards"},
    {"--durability", "storage.durability"},
}};

}  // namespace

std::span<setting_row const> setting_rows() noexcept { return rows; }

std::span<setting_flag const> setting_flags() noexcept { return named_flags; }

setting_row const* find_setting(std::string_view key) noexcept
{
    auto const* const found = std::ranges::find(rows, key, &setting_row::key);
    return found == std::end(rows) ? nullptr : found;
}

}  // namespace fulmar::broker
