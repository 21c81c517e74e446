// Control packets that a server sends, to bytes appended to a string.
//
// Reason strings and user properties are left out where the client does not want them (Request Problem Information 0)
// [MQTT-3.1.2-29] or where they would make the packet larger than the client accepts: the reason string is kept if it
// fits, then the user properties are, all of them or none.
//
// Spec:     MQTT 5.0 §3; MQTT 3.1.1 §3; MQTT 3.1 §3. Fields that the client's version does not have are ignored.
// Threads:  pure functions, any thread.
// Limits:   peer_limits::maximum_packet_size: a packet that does not fit even without its optional parts is not
//           written, and the function returns false with `out` unchanged.
// Cost:     the size is computed first; one resize of `out`.
#pragma once

#include "broker/message.hpp"
#include "frontends/mqtt/packet_type.hpp"
#include "frontends/mqtt/reason_code.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fulmar::mqtt {

using broker::packet_id;
using broker::qos;

// What the client said in CONNECT about what it can take.
struct peer_limits
{
    protocol_version version = protocol_version::v3_1_1;
    std::uint32_t maximum_packet_size = packet_bytes_max;
    bool problem_information = true;  // false: reason strings and user properties only in CONNACK and DISCONNECT
};

using user_property_span = std::span<broker::user_property const>;

// Optional parts of many packets (v5).
struct explanation
{
    std::string_view reason_string;  // empty: none
    user_property_span user{};
};

struct connack_fields
{
    bool session_present = false;
    reason_code reason =
        reason_code::success;  // MQTT 3: sent as to_return_code(reason), or not at all if there is none
    // v5 only; absent: not sent
    std::optional<std::uint32_t> session_expiry_interval_s{};
    std::optional<std::uint16_t> receive_maximum{};
    std::optional<std::uint8_t> maximum_qos{};  // 0 or 1
    std::optional<bool> retain_available{};
    std::optional<std::uint32_t> maximum_packet_size{};
    std::string_view assigned_client_id{};  // empty: none
    std::optional<std::uint16_t> topic_alias_maximum{};
    std::optional<bool> wildcard_subscription_available{};
    std::optional<bool> subscription_identifier_available{};
    std::optional<bool> shared_subscription_available{};
    std::optional<std::uint16_t> server_keep_alive_s{};
    std::string_view response_information{};   // empty: none
    std::string_view server_reference{};       // empty: none
    std::string_view authentication_method{};  // empty: none
    std::optional<std::string_view> authentication_data{};
    explanation why{};
};
bool encode_connack(connack_fields const& fields, peer_limits const& peer, std::string& out);

// type: puback, pubrec, pubrel or pubcomp. In MQTT 3 the reason is not sent.
bool encode_ack(packet_type type, packet_id id, reason_code reason, peer_limits const& peer, std::string& out,
                explanation const& why = {});

// One code per requested filter, in order. MQTT 3 gets 0x80 for every error.
bool encode_suback(packet_id id, std::span<reason_code const> codes, peer_limits const& peer, std::string& out,
                   explanation const& why = {});

// One code per filter, in order; MQTT 3 gets none.
bool encode_unsuback(packet_id id, std::span<reason_code const> codes, peer_limits const& peer, std::string& out,
                     explanation const& why = {});

void encode_pingresp(std::string& out);

// v5 only: for MQTT 3 nothing is written and false returned (close instead).
bool encode_disconnect(reason_code reason, peer_limits const& peer, std::string& out, explanation const& why = {},
                       std::string_view server_reference = {});

struct auth_fields
{
    reason_code reason = reason_code::success;  // success or continue_authentication
    std::string_view authentication_method{};
    std::optional<std::string_view> authentication_data{};
    explanation why{};
};
// v5 only: for MQTT 3 nothing is written and false returned.
bool encode_auth(auth_fields const& fields, peer_limits const& peer, std::string& out);

// --- PUBLISH ------------------------------------------------------------------------------------------------------

// One PUBLISH towards one client; what is not in the message itself.
struct publish_fields
{
    broker::message const& message;
    qos level = qos::at_most_once;  // effective
    packet_id id = 0;               // 0 exactly at QoS 0
    bool duplicate = false;
    bool retain = false;
    broker::wall_ms now = 0;  // for the Message Expiry Interval that is left
    // v5 only:
    std::uint16_t topic_alias = 0;  // 0: none
    bool omit_topic = false;        // the alias is already bound: send an empty topic name
    std::span<std::uint32_t const> subscription_identifiers{};
    broker::log_sequence position = 0;  // user property `position`, after those of the message; 0: none
};

// The exact size of the whole packet: head and payload. Compare with fits().
[[nodiscard]] std::size_t publish_size(publish_fields const& fields, protocol_version version) noexcept;

[[nodiscard]] inline bool fits(std::size_t packet_size, peer_limits const& peer) noexcept
{
    return packet_size <= peer.maximum_packet_size && packet_size <= packet_bytes_max;
}

// Appends everything but the payload: fixed header, topic name, packet identifier, properties. The payload of
// `fields.message` must follow on the wire: wire::send(head, message->payload(), message). The packet must fit.
void encode_publish_head(publish_fields const& fields, protocol_version version, std::string& out);

// Appends the whole packet, payload included. The packet must fit in packet_bytes_max.
void encode_publish(publish_fields const& fields, protocol_version version, std::vector<char>& out);

}  // namespace fulmar::mqtt
