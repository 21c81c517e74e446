// Where clients connect to, and what they speak there.
#pragma once

#include <cstdint>
#include <string>

namespace fulmar::load {

enum class protocol : std::uint8_t {
    mqtt,         // over TCP
    mqtt_ws,      // over WebSocket
    pusher,       // WebSocket, subscribes only
    pusher_http,  // signed HTTP, publishes only
    sse,          // an event stream, subscribes only
    rest,         // POST with the payload as body, publishes only
    socket_io,    // Engine.IO 4 over WebSocket, with the events of bench/peers/socket_io.mjs
    grpc          // fulmar.v1.Broker: Subscribe and PublishStream
};

struct broker_address
{
    std::string host = "127.0.0.1";
    std::uint16_t port = 1883;
    protocol speaks = protocol::mqtt;
    bool v5 = false;  // MQTT
    bool tls = false;
    std::string ca_file;       // empty: certificates are not verified
    std::string path;          // "{topic}" stands for the topic, "{qos}" for the level; empty: the protocol's usual one
    std::string user;          // REST, SSE and gRPC: Basic, or
    std::string password;      // with an app: its key and secret
    std::string token;         // REST, SSE and gRPC: Bearer
    std::string app_id = "1";  // Pusher
    std::string key = "key";   // Pusher
    std::string secret = "secret";
    std::uint16_t pipeline = 32;  // HTTP and gRPC publishers: requests without an answer yet
};

// The protocol that publishes for subscribers who speak `p`.
[[nodiscard]] constexpr protocol publishing_for(protocol p) noexcept
{
    if (p == protocol::pusher)
        return protocol::pusher_http;
    return p == protocol::sse ? protocol::rest : p;
}
[[nodiscard]] constexpr bool speaks_mqtt(protocol p) noexcept { return p == protocol::mqtt || p == protocol::mqtt_ws; }
// Payloads must be text that needs no escaping.
[[nodiscard]] constexpr bool carries_text(protocol p) noexcept { return !speaks_mqtt(p) && p != protocol::grpc; }
[[nodiscard]] constexpr bool publishes_only(protocol p) noexcept
{
    return p == protocol::pusher_http || p == protocol::rest;
}
[[nodiscard]] constexpr bool subscribes_only(protocol p) noexcept
{
    return p == protocol::pusher || p == protocol::sse;
}
// Every publish is answered, whatever QoS says.
[[nodiscard]] constexpr bool always_acknowledges(protocol p) noexcept
{
    return publishes_only(p) || p == protocol::grpc;
}
[[nodiscard]] constexpr bool has_wildcards(protocol p) noexcept
{
    return speaks_mqtt(p) || p == protocol::sse || p == protocol::grpc;
}

[[nodiscard]] char const* to_string(protocol p) noexcept;

}  // namespace fulmar::load
