// The names of what goes over an MQTT connection: protocol versions and control packet types.
//
// Spec:     MQTT 5.0 §2.1.2 (packet types), §3.1.2.2 (protocol version); MQTT 3.1.1 §2.2.1; MQTT 3.1 §3.1.
// Threads:  values, any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace fulmar::mqtt {

enum class protocol_version : std::uint8_t {
    v3_1 = 3,    // protocol name "MQIsdp"
    v3_1_1 = 4,  // protocol name "MQTT"
    v5 = 5,
};

enum class packet_type : std::uint8_t {
    connect = 1,
    connack = 2,
    publish = 3,
    puback = 4,
    pubrec = 5,
    pubrel = 6,
    pubcomp = 7,
    subscribe = 8,
    suback = 9,
    unsubscribe = 10,
    unsuback = 11,
    pingreq = 12,
    pingresp = 13,
    disconnect = 14,
    auth = 15,  // MQTT 5 only
};

// "PUBLISH"; "reserved" for the forbidden type 0.
[[nodiscard]] std::string_view to_string(packet_type type) noexcept;

// "3.1", "3.1.1", "5".
[[nodiscard]] std::string_view to_string(protocol_version version) noexcept;

// The largest Remaining Length (four bytes of seven bits), and with it the largest packet.
inline constexpr std::uint32_t remaining_length_max = 268'435'455;
inline constexpr std::size_t packet_bytes_max = std::size_t{remaining_length_max} + 5;

}  // namespace fulmar::mqtt
