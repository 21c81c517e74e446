// The control packets that a client sends, as plain structs whose strings are views into the received bytes.
//
// Spec:     MQTT 5.0 §3; MQTT 3.1.1 §3; MQTT 3.1 §3. A field that a version does not have keeps its default.
// Owner:    the caller of decode; every view dies with the input span.
// Threads:  values.
// Limits:   a packet holds at most what its bytes hold: vectors are bounded by the packet's size.
#pragma once

#include "broker/ids.hpp"
#include "broker/message.hpp"
#include "broker/subscription.hpp"
#include "frontends/mqtt/packet_type.hpp"
#include "frontends/mqtt/property.hpp"
#include "frontends/mqtt/reason_code.hpp"

#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>
#include <vector>

namespace fulmar::mqtt {

using broker::packet_id;
using broker::qos;

struct connect_properties
{
    std::optional<std::uint32_t> session_expiry_interval_s;  // absent: 0; 0xFFFFFFFF: never
    std::optional<std::uint16_t> receive_maximum;            // never 0; absent: 65535
    std::optional<std::uint32_t> maximum_packet_size;        // never 0; absent: no limit
    std::uint16_t topic_alias_maximum = 0;
    bool request_response_information = false;
    bool request_problem_information = true;
    std::optional<std::string_view> authentication_method;
    std::optional<std::string_view> authentication_data;  // only together with a method
    user_properties user;
};

struct will_properties
{
    std::uint32_t delay_interval_s = 0;
    std::optional<std::uint8_t> payload_format;  // 0 or 1
    std::optional<std::uint32_t> message_expiry_interval_s;
    std::optional<std::string_view> content_type;
    std::optional<std::string_view> response_topic;  // a valid topic name
    std::optional<std::string_view> correlation_data;
    user_properties user;
};

struct will_message
{
    std::string_view topic;  // a valid topic name, not "$share/..."
    std::string_view payload;
    qos level = qos::at_most_once;
    bool retain = false;
    will_properties properties;
};

struct connect_packet
{
    protocol_version version = protocol_version::v3_1_1;
    bool clean_start = true;  // MQTT 3: clean session
    std::uint16_t keep_alive_s = 0;
    std::string_view client_id;  // empty only where the version allows it (v3_1_1 with clean_start, v5)
    std::optional<will_message> will;
    std::optional<std::string_view> user_name;
    std::optional<std::string_view> password;
    connect_properties properties;
};

struct publish_properties
{
    std::optional<std::uint8_t> payload_format;  // 0 or 1
    std::optional<std::uint32_t> message_expiry_interval_s;
    std::optional<std::uint16_t> topic_alias;  // any value, also 0: inbound_aliases::resolve judges it
    std::optional<std::string_view> content_type;
    std::optional<std::string_view> response_topic;  // a valid topic name
    std::optional<std::string_view> correlation_data;
    user_properties user;
};

struct publish_packet
{
    std::string_view topic;  // a valid topic name; empty only in v5 with a topic alias
    std::string_view payload;
    packet_id id = 0;  // 0 exactly at QoS 0
    qos level = qos::at_most_once;
    bool duplicate = false;
    bool retain = false;
    publish_properties properties;
};

// PUBACK, PUBREC, PUBREL or PUBCOMP, as `type` says.
struct ack_packet
{
    packet_type type = packet_type::puback;
    packet_id id = 0;                           // never 0
    reason_code reason = reason_code::success;  // one that a client may send in such a packet
    std::optional<std::string_view> reason_string;
    user_properties user;
};

struct requested_subscription
{
    std::string_view filter;               // valid UTF-8; whether it is a valid filter is for SUBACK to say
    broker::subscription_options options;  // with the packet's subscription identifier
};

struct subscribe_packet
{
    packet_id id = 0;
    std::uint32_t identifier = 0;                       // Subscription Identifier; 0: none
    std::vector<requested_subscription> subscriptions;  // at least one
    user_properties user;
};

struct unsubscribe_packet
{
    packet_id id = 0;
    std::vector<std::string_view> filters;  // at least one; valid UTF-8
    user_properties user;
};

struct pingreq_packet
{
};

struct disconnect_packet
{
    reason_code reason = reason_code::success;  // one that a client may send
    std::optional<std::uint32_t> session_expiry_interval_s;
    std::optional<std::string_view> reason_string;
    user_properties user;
};

struct auth_packet
{
    reason_code reason = reason_code::continue_authentication;  // or re_authenticate
    std::string_view authentication_method;
    std::optional<std::string_view> authentication_data;
    std::optional<std::string_view> reason_string;
    user_properties user;
};

using packet = std::variant<std::monostate, connect_packet, publish_packet, ack_packet, subscribe_packet,
                            unsubscribe_packet, pingreq_packet, disconnect_packet, auth_packet>;

}  // namespace fulmar::mqtt
