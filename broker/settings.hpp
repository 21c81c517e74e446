// What an operator can set, as plain values with their defaults. config.hpp reads them and says where each came from.
//
// Owner:    main, by value; handed to serve() and constant from then on. A reload reads a new object.
// Threads:  immutable after loading, so any.
// Limits:   every range is in the table of config_table.cpp; docs/operations.md lists them all.
#pragma once

#include "broker/app.hpp"
#include "broker/limits.hpp"
#include "broker/log.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace fulmar::broker {

enum class client_certificates : std::uint8_t { no, optional, required };

// Who may connect without credentials. `automatic`: clients on this machine, while no password file and no client
// certificates are configured; nobody otherwise.
enum class anonymous_policy : std::uint8_t { automatic, loopback, everybody, nobody };

// When a message counts as stored: after it was synced to the disk, or after it was handed to the operating system.
enum class durability : std::uint8_t { fsync, os };

struct node_settings
{
    std::string name = "fulmar";
    std::string data_dir = "./fulmar-data";
    std::uint16_t shards = 0;  // 0: one per core
};

struct listener_settings
{
    bool enabled = true;
    std::string address = "127.0.0.1";
    std::uint16_t port = 0;  // 0: any free port
};

struct listeners_settings
{
    listener_settings mqtt{true, "127.0.0.1", 1883};
    listener_settings mqtts{false, "127.0.0.1", 8883};
    listener_settings http{true, "127.0.0.1", 8080};
    listener_settings https{false, "127.0.0.1", 8443};
    listener_settings grpc{true, "127.0.0.1", 50051};
    listener_settings grpcs{false, "127.0.0.1", 50052};
    listener_settings admin{true, "127.0.0.1", 9090};
};

struct admin_settings
{
    bool allow_remote = false;  // the admin listener asks for no credentials
};

struct tls_settings
{
    std::string cert;
    std::string key;
    std::string client_ca;
    broker::client_certificates client_certificates = broker::client_certificates::no;
};

struct proxy_protocol_settings
{
    std::vector<std::string> trusted;  // addresses or networks ("10.0.0.0/8"); empty: PROXY headers are not expected
};

struct mqtt_settings
{
    std::uint32_t maximum_packet_size = 1024 * 1024;
    std::uint16_t topic_alias_maximum = 64;  // aliases a client may use towards the broker
    std::uint16_t keep_alive_max = 0;        // seconds; 0: clients choose freely
    std::chrono::milliseconds connect_timeout = std::chrono::seconds{10};
    std::uint16_t max_qos = 2;
    bool retain_available = true;
    anonymous_policy allow_anonymous = anonymous_policy::automatic;
    std::string server_reference;              // where draining clients are sent (MQTT 5 Server Reference)
    std::vector<std::string> allowed_origins;  // of browser pages; empty: the broker's own host and localhost; "*": any
};

struct storage_settings
{
    broker::durability durability = broker::durability::fsync;
    std::chrono::milliseconds retention_age = std::chrono::hours{7 * 24};    // 0: no limit
    std::uint64_t retention_bytes = std::uint64_t{10} * 1024 * 1024 * 1024;  // 0: no limit
    std::uint64_t block_cache_bytes = std::uint64_t{32} * 1024 * 1024;
    std::uint64_t write_buffer_bytes = std::uint64_t{64} * 1024 * 1024;
    std::uint64_t message_cache_bytes = std::uint64_t{32} * 1024 * 1024;
    std::uint64_t wal_bytes_max = std::uint64_t{64} * 1024 * 1024;
    std::uint64_t min_free_bytes = std::uint64_t{64} * 1024 * 1024;
    std::uint16_t readers = 1;
    std::chrono::milliseconds maintenance_interval = std::chrono::seconds{1};
};

struct access_settings
{
    std::string password_file;
    std::string acl_file;
};

struct log_settings
{
    log_level level = log_level::info;
    log_format format = log_format::text;
};

struct sys_settings
{
    std::chrono::milliseconds interval = std::chrono::seconds{10};  // of $SYS topics; 0: none
};

struct pusher_settings
{
    std::uint32_t http_sessions_max = 10'000;  // connections over the HTTP fallbacks of pusher-js; 0: there are none
};

// While there are no configured apps.
struct development_settings
{
    std::string pusher_js;  // file; empty: the page at `/` has a client of its own
};

// HTTP beyond WebSocket: SSE and REST.
struct http_api_settings
{
    std::vector<std::string> allowed_origins;  // of browser pages; empty: the broker's own host and localhost; "*": any
    std::uint32_t event_bytes_max = 1024 * 1024;                       // of one published message
    std::uint32_t topics_per_stream = 1'000;                           // subscriptions of one SSE connection
    std::chrono::milliseconds keep_alive = std::chrono::seconds{15};   // SSE: a sign of life when there is nothing else
    std::chrono::milliseconds session_expiry = std::chrono::hours{1};  // SSE: how long a session waits for its reader
    std::chrono::milliseconds ticket_lifetime = std::chrono::seconds{30};
    std::chrono::milliseconds idempotency_window = std::chrono::minutes{5};
};

// gRPC; http.event_bytes_max and http.topics_per_stream are for it, too.
struct grpc_settings
{
    std::uint32_t publish_window = 256;  // requests of one PublishStream that are not acknowledged
    std::uint32_t calls_max = 10'000;    // of all connections
    std::uint16_t calls_per_connection = 100;
    std::chrono::milliseconds keep_alive = std::chrono::minutes{1};
};

// JSON Web Tokens: off while no algorithm is chosen.
struct jwt_settings
{
    std::string algorithm;  // HS256, RS256, ES256 or EdDSA; nothing else is accepted
    std::string key_file;   // HS256: the secret; otherwise a public key in PEM
    std::string jwks_file;  // instead of key_file: several keys, chosen by "kid"
    std::string jwks_url;   // instead of a file: the same from a server, again and again
    std::chrono::milliseconds jwks_refresh = std::chrono::minutes{5};
    std::string issuer;    // "iss" must be this; empty: not looked at
    std::string audience;  // "aud" must contain this; empty: a token with an audience is refused
    std::chrono::milliseconds leeway = std::chrono::seconds{30};  // of exp and nbf, for clocks that differ
};

// One [[history]] rule: what is kept of the topics that a filter matches.
struct history_settings
{
    std::string filter;
    std::string app;                      // configured id; empty: every app
    std::chrono::milliseconds max_age{};  // 0: as long as the log holds it
    std::uint64_t max_messages = 0;       // of one topic; 0: any number
    std::uint64_t max_bytes = 0;          // of one topic; 0: any size
};
inline constexpr std::size_t history_rules_max = 100;

struct settings;

// What was asked for on the command line and is no setting.
struct run_options
{
    bool conformance = false;  // adds /echo for public protocol suites; loopback only
    std::string ports_file;    // where to write the actual ports as JSON once everything listens
    // Reads the configuration again (SIGHUP); null with `problems` filled in if it cannot be used. May be empty.
    std::function<std::unique_ptr<settings>(std::string& problems)> reread;
};

struct settings
{
    node_settings node;
    listeners_settings listeners;
    admin_settings admin;
    tls_settings tls;
    proxy_protocol_settings proxy_protocol;
    mqtt_settings mqtt;  // receive_maximum and session_expiry_max are in `limits`
    broker::limits limits;
    storage_settings storage;
    access_settings access;
    log_settings log;
    sys_settings sys;
    pusher_settings pusher;
    development_settings development;
    http_api_settings http;
    grpc_settings grpc;
    jwt_settings jwt;
    std::vector<history_settings> history;
    std::vector<app> apps;  // none: a development app is generated (development_app.hpp)
    run_options run;
};

// May clients without credentials connect: `automatic` resolved.
[[nodiscard]] anonymous_policy effective_anonymous(settings const& s) noexcept;

// "localhost" or an address in 127.0.0.0/8 or ::1.
[[nodiscard]] bool is_loopback(std::string const& address) noexcept;

}  // namespace fulmar::broker
