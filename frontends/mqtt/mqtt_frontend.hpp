// MQTT as a front-end: its settings, what all its connections share, and how one connection gets its protocol.
//
// Spec:     MQTT 3.1, 3.1.1, 5.0. What the settings announce is in MQTT 5.0 §3.2.2.3 (CONNACK properties).
// Owner:    the composition root builds one frontend_context per process; it outlives every connection.
// Threads:  read-only after start, used by every shard at once; `report` and the authenticator are thread-safe.
#pragma once

#include "frontends/net/protocol.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace fulmar::broker {
class authenticator;
}

namespace fulmar::mqtt {

class publish_variants;

// Sends clients elsewhere (MQTT 5.0 §4.11).
enum class redirection : std::uint8_t {
    none,
    when_draining,  // a draining broker names `server_reference` in DISCONNECT
    temporarily,    // every CONNECT is refused with 0x9C
    permanently,    // every CONNECT is refused with 0x9D
};

struct mqtt_settings
{
    std::uint32_t maximum_packet_size = 1024 * 1024;
    std::uint32_t maximum_connect_size = 64 * 1024;  // of packets before CONNECT succeeded
    std::uint16_t topic_alias_maximum = 64;          // of clients, and at most so many towards each of them
    std::uint16_t keep_alive_max_s = 0;              // 0 = what the client asks for
    std::uint32_t connect_timeout_ms = 10'000;
    std::uint8_t max_qos = 2;
    bool retain_available = true;
    bool wildcards_available = true;
    bool subscription_identifiers_available = true;
    bool shared_subscriptions_available = true;
    bool allow_zero_length_client_id = true;
    bool v3_refused_publish_closes = false;   // false: a refused publish is acknowledged and dropped [v3 MQTT-3.3.5-2]
    std::string response_information_prefix;  // empty: never given; else "<prefix><client id>"
    redirection redirect = redirection::none;
    std::string server_reference;
};

struct frontend_context
{
    mqtt_settings settings;
    broker::authenticator& authenticator;
    publish_variants const& variants;
    // Told about peers that were refused or broke the rules; rate-limits and logs.
    std::function<void(net::peer const&, std::string_view what)> report;
    // Raised by whoever reloaded the access rules: every connection asks for its permissions again with its next
    // packet.
    std::atomic<std::uint32_t> rules_generation{0};
};

// The protocol of a connection that was just accepted (TCP, TLS) or upgraded (WebSocket). `context` outlives it.
[[nodiscard]] std::unique_ptr<net::protocol> make_protocol(frontend_context const& context, net::wire& wire);

}  // namespace fulmar::mqtt
