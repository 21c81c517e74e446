// MQTT 5 reason codes: their names, who may send which in what packet, and what they become in MQTT 3.
//
// Spec:     MQTT 5.0 §2.4 and the tables of §3.2.2.2, §3.4.2.1, §3.5.2.1, §3.6.2.1, §3.7.2.1, §3.9.3, §3.11.3,
//           §3.14.2.1, §3.15.2.1; MQTT 3.1.1 §3.2.2.3 (CONNACK return codes).
// Threads:  pure functions, any thread.
#pragma once

#include "broker/errors.hpp"
#include "frontends/mqtt/packet_type.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace fulmar::mqtt {

enum class reason_code : std::uint8_t {
    success = 0x00,  // in DISCONNECT: normal disconnection; in SUBACK: granted QoS 0
    granted_qos_1 = 0x01,
    granted_qos_2 = 0x02,
    disconnect_with_will = 0x04,
    no_matching_subscribers = 0x10,
    no_subscription_existed = 0x11,
    continue_authentication = 0x18,
    re_authenticate = 0x19,
    unspecified_error = 0x80,
    malformed_packet = 0x81,
    protocol_error = 0x82,
    implementation_specific_error = 0x83,
    unsupported_protocol_version = 0x84,
    client_identifier_not_valid = 0x85,
    bad_user_name_or_password = 0x86,
    not_authorized = 0x87,
    server_unavailable = 0x88,
    server_busy = 0x89,
    banned = 0x8A,
    server_shutting_down = 0x8B,
    bad_authentication_method = 0x8C,
    keep_alive_timeout = 0x8D,
    session_taken_over = 0x8E,
    topic_filter_invalid = 0x8F,
    topic_name_invalid = 0x90,
    packet_identifier_in_use = 0x91,
    packet_identifier_not_found = 0x92,
    receive_maximum_exceeded = 0x93,
    topic_alias_invalid = 0x94,
    packet_too_large = 0x95,
    message_rate_too_high = 0x96,
    quota_exceeded = 0x97,
    administrative_action = 0x98,
    payload_format_invalid = 0x99,
    retain_not_supported = 0x9A,
    qos_not_supported = 0x9B,
    use_another_server = 0x9C,
    server_moved = 0x9D,
    shared_subscriptions_not_supported = 0x9E,
    connection_rate_exceeded = 0x9F,
    maximum_connect_time = 0xA0,
    subscription_identifiers_not_supported = 0xA1,
    wildcard_subscriptions_not_supported = 0xA2,
};

[[nodiscard]] constexpr bool is_error(reason_code code) noexcept { return static_cast<std::uint8_t>(code) >= 0x80; }

// "Malformed Packet": the name that the specification gives; "unknown reason code" for values it does not know.
[[nodiscard]] std::string_view to_string(reason_code code) noexcept;

enum class sender : std::uint8_t { client = 1, server = 2 };

// May `from` say `code` in a packet of this type? [MQTT-3.4.2-1, 3.5.2-1, 3.6.2-1, 3.7.2-1, 3.14.2-1, 3.15.2-1, ...]
[[nodiscard]] bool allowed(reason_code code, packet_type type, sender from) noexcept;

// What a CONNACK of MQTT 3.1 and 3.1.1 says.
enum class connect_return_code : std::uint8_t {
    accepted = 0,
    unacceptable_protocol_version = 1,
    identifier_rejected = 2,
    server_unavailable = 3,
    bad_user_name_or_password = 4,
    not_authorized = 5,
};

// The return code that says the same; nullopt where none of them does, as for a malformed packet or a will that is not
// supported: the connection is then closed without a CONNACK [v3 MQTT-3.2.2-6].
[[nodiscard]] std::optional<connect_return_code> to_return_code(reason_code code) noexcept;

// What a SUBACK of MQTT 3.1.1 says: 0x00..0x02 as they are, every error 0x80.
[[nodiscard]] std::uint8_t to_v3_suback(reason_code code) noexcept;

// The reason code that tells a client of an error of the broker core; success for no error, unspecified_error for
// errors of other categories. May have to be narrowed to what `allowed` says for the packet at hand.
[[nodiscard]] reason_code to_reason_code(broker::error_code const& error) noexcept;

}  // namespace fulmar::mqtt
