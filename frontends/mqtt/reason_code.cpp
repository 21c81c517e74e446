#include "frontends/mqtt/reason_code.hpp"

#include <array>

namespace fulmar::mqtt {
namespace {

// A bit per packet type.
using places = std::uint16_t;
constexpr places bit(packet_type type) { return static_cast<places>(1U << static_cast<unsigned>(type)); }

constexpr places connack = bit(packet_type::connack);
constexpr places published = bit(packet_type::puback) | bit(packet_type::pubrec);
constexpr places released = bit(packet_type::pubrel) | bit(packet_type::pubcomp);
constexpr places suback = bit(packet_type::suback);
constexpr places unsuback = bit(packet_type::unsuback);
constexpr places disconnect = bit(packet_type::disconnect);
constexpr places auth = bit(packet_type::auth);
constexpr places answers = suback | unsuback;

struct reason_row
{
    reason_code code;
    std::string_view name;
    places client = 0;  // packets in which a client may say it
    places server = 0;
};

using rc = reason_code;
constexpr std::array rows{
    reason_row{rc::success, "Success", published | released | disconnect,
               connack | published | released | answers | disconnect | auth},
    reason_row{rc::granted_qos_1, "Granted QoS 1", 0, suback},
    reason_row{rc::granted_qos_2, "Granted QoS 2", 0, suback},
    reason_row{rc::disconnect_with_will, "Disconnect with Will Message", disconnect, 0},
    reason_row{rc::no_matching_subscribers, "No matching subscribers", 0, published},
    reason_row{rc::no_subscription_existed, "No subscription existed", 0, unsuback},
    reason_row{rc::continue_authentication, "Continue authentication", auth, auth},
    reason_row{rc::re_authenticate, "Re-authenticate", auth, 0},
    reason_row{rc::unspecified_error, "Unspecified error", published | disconnect,
               connack | published | answers | disconnect},
    reason_row{rc::malformed_packet, "Malformed Packet", disconnect, connack | disconnect},
    reason_row{rc::protocol_error, "Protocol Error", disconnect, connack | disconnect},
    reason_row{rc::implementation_specific_error, "Implementation specific error", published | disconnect,
               connack | published | answers | disconnect},
    reason_row{rc::unsupported_protocol_version, "Unsupported Protocol Version", 0, connack},
    reason_row{rc::client_identifier_not_valid, "Client Identifier not valid", 0, connack},
    reason_row{rc::bad_user_name_or_password, "Bad User Name or Password", 0, connack},
    reason_row{rc::not_authorized, "Not authorized", published, connack | published | answers | disconnect},
    reason_row{rc::server_unavailable, "Server unavailable", 0, connack},
    reason_row{rc::server_busy, "Server busy", 0, connack | disconnect},
    reason_row{rc::banned, "Banned", 0, connack},
    reason_row{rc::server_shutting_down, "Server shutting down", 0, disconnect},
    reason_row{rc::bad_authentication_method, "Bad authentication method", 0, connack | disconnect},
    reason_row{rc::keep_alive_timeout, "Keep Alive timeout", 0, disconnect},
    reason_row{rc::session_taken_over, "Session taken over", 0, disconnect},
    reason_row{rc::topic_filter_invalid, "Topic Filter invalid", 0, answers | disconnect},
    reason_row{rc::topic_name_invalid, "Topic Name invalid", published | disconnect, connack | published | disconnect},
    reason_row{rc::packet_identifier_in_use, "Packet Identifier in use", published, published | answers},
    reason_row{rc::packet_identifier_not_found, "Packet Identifier not found", released, released},
    reason_row{rc::receive_maximum_exceeded, "Receive Maximum exceeded", disconnect, disconnect},
    reason_row{rc::topic_alias_invalid, "Topic Alias invalid", disconnect, disconnect},
    reason_row{rc::packet_too_large, "Packet too large", disconnect, connack | disconnect},
    reason_row{rc::message_rate_too_high, "Message rate too high", disconnect, disconnect},
    reason_row{rc::quota_exceeded, "Quota exceeded", published | disconnect, connack | published | suback | disconnect},
    reason_row{rc::administrative_action, "Administrative action", disconnect, disconnect},
    reason_row{rc::payload_format_invalid, "Payload format invalid", published | disconnect,
               connack | published | disconnect},
    reason_row{rc::retain_not_supported, "Retain not supported", 0, connack | disconnect},
    reason_row{rc::qos_not_supported, "QoS not supported", 0, connack | disconnect},
    reason_row{rc::use_another_server, "Use another server", 0, connack | disconnect},
    reason_row{rc::server_moved, "Server moved", 0, connack | disconnect},
    reason_row{rc::shared_subscriptions_not_supported, "Shared Subscriptions not supported", 0, suback | disconnect},
    reason_row{rc::connection_rate_exceeded, "Connection rate exceeded", 0, connack | disconnect},
    reason_row{rc::maximum_connect_time, "Maximum connect time", 0, disconnect},
    reason_row{rc::subscription_identifiers_not_supported, "Subscription Identifiers not supported", 0,
               suback | disconnect},
    reason_row{rc::wildcard_subscriptions_not_supported, "Wildcard Subscriptions not supported", 0,
               suback | disconnect},
};

[[nodiscard]] reason_row const* find_row(reason_code code) noexcept
{
    for (auto const& row : rows) {
        if (row.code == code)
            return &row;
    }
    return nullptr;
}

}  // namespace

std::string_view to_string(reason_code code) noexcept
{
    auto const* const row = find_row(code);
    return row == nullptr ? "unknown reason code" : row->name;
}

bool allowed(reason_code code, packet_type type, sender from) noexcept
{
    auto const* const row = find_row(code);
    if (row == nullptr)
        return false;
    return ((from == sender::client ? row->client : row->server) & bit(type)) != 0;
}

std::optional<connect_return_code> to_return_code(reason_code code) noexcept
{
    switch (code) {
    case rc::success: return connect_return_code::accepted;
    case rc::unsupported_protocol_version: return connect_return_code::unacceptable_protocol_version;
    case rc::client_identifier_not_valid: return connect_return_code::identifier_rejected;
    case rc::bad_user_name_or_password: return connect_return_code::bad_user_name_or_password;
    case rc::not_authorized:
    case rc::banned:
    case rc::bad_authentication_method: return connect_return_code::not_authorized;
    case rc::unspecified_error:
    case rc::implementation_specific_error:
    case rc::server_unavailable:
    case rc::server_busy:
    case rc::server_shutting_down:
    case rc::quota_exceeded:
    case rc::use_another_server:
    case rc::server_moved:
    case rc::connection_rate_exceeded: return connect_return_code::server_unavailable;
    default: return std::nullopt;
    }
}

std::uint8_t to_v3_suback(reason_code code) noexcept { return is_error(code) ? 0x80 : static_cast<std::uint8_t>(code); }

reason_code to_reason_code(broker::error_code const& error) noexcept
{
    if (!error)
        return rc::success;
    if (error.category() != broker::category())
        return rc::unspecified_error;
    switch (static_cast<broker::errc>(error.value())) {
    case broker::errc::ok: return rc::success;
    case broker::errc::topic_name_invalid: return rc::topic_name_invalid;
    case broker::errc::topic_filter_invalid: return rc::topic_filter_invalid;
    case broker::errc::not_authorized: return rc::not_authorized;
    case broker::errc::bad_credentials: return rc::bad_user_name_or_password;
    case broker::errc::unknown_packet_id: return rc::packet_identifier_not_found;
    case broker::errc::packet_id_in_use: return rc::packet_identifier_in_use;
    case broker::errc::window_full: return rc::receive_maximum_exceeded;
    case broker::errc::quota_exceeded:
    case broker::errc::store_full: return rc::quota_exceeded;
    case broker::errc::store_failed: return rc::implementation_specific_error;
    case broker::errc::message_too_large: return rc::packet_too_large;
    case broker::errc::shutting_down: return rc::server_shutting_down;
    case broker::errc::taken_over: return rc::session_taken_over;
    case broker::errc::cancelled: return rc::unspecified_error;
    case broker::errc::authentication_unavailable: return rc::server_unavailable;
    }
    return rc::unspecified_error;
}

}  // namespace fulmar::mqtt
