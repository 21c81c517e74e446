#include "frontends/mqtt/property.hpp"

#include "broker/topic.hpp"
#include "frontends/mqtt/byte_reader.hpp"

#include <array>

namespace fulmar::mqtt {
namespace {

constexpr property_places connect = in(packet_type::connect);
constexpr property_places connack = in(packet_type::connack);
constexpr property_places publish = in(packet_type::publish);
constexpr property_places subscribe = in(packet_type::subscribe);
constexpr property_places disconnect = in(packet_type::disconnect);
constexpr property_places auth = in(packet_type::auth);
constexpr property_places answers = in(packet_type::puback) | in(packet_type::pubrec) | in(packet_type::pubrel) |
                                    in(packet_type::pubcomp) | in(packet_type::suback) | in(packet_type::unsuback);
constexpr property_places everywhere =
    in_will | connect | connack | publish | subscribe | disconnect | auth | answers | in(packet_type::unsubscribe);
constexpr property_places message_body = in_will | publish;
constexpr property_places session_ends = connect | connack | disconnect;
constexpr property_places handshake = connect | connack;

using id = property_id;
using is = property_type;
constexpr std::array rules{
    property_rule{id::payload_format_indicator, is::boolean, message_body, 0, true, "Payload Format Indicator"},
    property_rule{id::message_expiry_interval, is::four_byte, message_body, 0, true, "Message Expiry Interval"},
    property_rule{id::content_type, is::utf8, message_body, 0, true, "Content Type"},
    property_rule{id::response_topic, is::utf8, message_body, 0, true, "Response Topic"},
    property_rule{id::correlation_data, is::binary, message_body, 0, true, "Correlation Data"},
    property_rule{id::subscription_identifier, is::variable, publish | subscribe, publish, false,
                  "Subscription Identifier"},
    property_rule{id::session_expiry_interval, is::four_byte, session_ends, 0, true, "Session Expiry Interval"},
    property_rule{id::assigned_client_identifier, is::utf8, connack, 0, true, "Assigned Client Identifier"},
    property_rule{id::server_keep_alive, is::two_byte, connack, 0, true, "Server Keep Alive"},
    property_rule{id::authentication_method, is::utf8, handshake | auth, 0, true, "Authentication Method"},
    property_rule{id::authentication_data, is::binary, handshake | auth, 0, true, "Authentication Data"},
    property_rule{id::request_problem_information, is::boolean, connect, 0, true, "Request Problem Information"},
    property_rule{id::will_delay_interval, is::four_byte, in_will, 0, true, "Will Delay Interval"},
    property_rule{id::request_response_information, is::boolean, connect, 0, true, "Request Response Information"},
    property_rule{id::response_information, is::utf8, connack, 0, true, "Response Information"},
    property_rule{id::server_reference, is::utf8, connack | disconnect, 0, true, "Server Reference"},
    property_rule{id::reason_string, is::utf8, connack | answers | disconnect | auth, 0, true, "Reason String"},
    property_rule{id::receive_maximum, is::two_byte, handshake, 0, false, "Receive Maximum"},
    property_rule{id::topic_alias_maximum, is::two_byte, handshake, 0, true, "Topic Alias Maximum"},
    property_rule{id::topic_alias, is::two_byte, publish, 0, true, "Topic Alias"},
    property_rule{id::maximum_qos, is::boolean, connack, 0, true, "Maximum QoS"},
    property_rule{id::retain_available, is::boolean, connack, 0, true, "Retain Available"},
    property_rule{id::user_property, is::utf8_pair, everywhere, everywhere, true, "User Property"},
    property_rule{id::maximum_packet_size, is::four_byte, handshake, 0, false, "Maximum Packet Size"},
    property_rule{id::wildcard_subscription_available, is::boolean, connack, 0, true,
                  "Wildcard Subscription Available"},
    property_rule{id::subscription_identifier_available, is::boolean, connack, 0, true,
                  "Subscription Identifier Available"},
    property_rule{id::shared_subscription_available, is::boolean, connack, 0, true, "Shared Subscription Available"},
};

// Identifier to row number + 1; 0: none. All identifiers are below 64.
constexpr auto row_of = [] {
    std::array<std::uint8_t, 64> index{};
    for (std::size_t i = 0; i < rules.size(); ++i)
        index[static_cast<std::size_t>(rules[i].id)] = static_cast<std::uint8_t>(i + 1);
    return index;
}();

constexpr fault ill_formed{reason_code::malformed_packet, "a property runs past the end of its block"};
constexpr fault not_utf8{reason_code::malformed_packet, "a string property is not well-formed UTF-8"};

// Reads a value of this type without judging it.
[[nodiscard]] bool read_value(byte_reader& reader, property_type type, property_value& value) noexcept
{
    std::uint8_t small = 0;
    std::uint16_t medium = 0;
    switch (type) {
    case property_type::boolean:
        if (!reader.u8(small))
            return false;
        value.number = small;
        return true;
    case property_type::two_byte:
        if (!reader.u16(medium))
            return false;
        value.number = medium;
        return true;
    case property_type::four_byte: return reader.u32(value.number);
    case property_type::variable: return reader.variable(value.number);
    case property_type::binary:
    case property_type::utf8: return reader.binary(value.text);
    case property_type::utf8_pair: return reader.binary(value.text) && reader.binary(value.second);
    }
    return false;
}

}  // namespace

property_rule const* find_rule(std::uint32_t id) noexcept
{
    auto const row = id < row_of.size() ? row_of[id] : std::uint8_t{0};
    return row == 0 ? nullptr : &rules[row - 1U];
}

std::span<property_rule const> all_rules() noexcept { return rules; }

bool property_reader::next(property_id& id, property_value& value) noexcept
{
    if (rest_.empty() || error_)
        return false;
    byte_reader reader{rest_};
    std::uint32_t number = 0;
    if (!reader.variable(number)) {
        error_ = {reason_code::malformed_packet, "a property identifier is ill-formed"};
        return false;
    }
    rest_.remove_prefix(rest_.size() - reader.left());
    auto const* const rule = find_rule(number);
    if (rule == nullptr) {
        error_ = {reason_code::malformed_packet, "a property is unknown"};
        return false;
    }
    if ((rule->places & place_) == 0) {
        error_ = {reason_code::malformed_packet, "a property is not allowed in this packet"};
        return false;
    }
    auto const seen = std::uint64_t{1} << number;
    if ((seen_ & seen) != 0 && (rule->repeatable & place_) == 0) {
        error_ = {reason_code::protocol_error, "a property is repeated"};
        return false;
    }
    seen_ |= seen;
    id = rule->id;
    return read(*rule, value);
}

bool property_reader::read(property_rule const& rule, property_value& value) noexcept
{
    byte_reader reader{rest_};
    value = {};
    if (!read_value(reader, rule.type, value)) {
        error_ = ill_formed;
        return false;
    }
    rest_.remove_prefix(rest_.size() - reader.left());
    bool const is_text = rule.type == property_type::utf8 || rule.type == property_type::utf8_pair;
    if (is_text && !(broker::valid_utf8(value.text) && broker::valid_utf8(value.second)))
        error_ = not_utf8;
    else if (rule.type == property_type::boolean && value.number > 1)
        error_ = {reason_code::protocol_error, "a property that must be 0 or 1 has another value"};
    else if (!rule.zero_allowed && value.number == 0)
        error_ = {reason_code::protocol_error, "a property that must not be 0 is 0"};
    return !error_;
}

void user_properties::iterator::advance() noexcept
{
    current_ = {};
    byte_reader reader{rest_};
    std::uint8_t number = 0;
    while (left_ != 0 && reader.u8(number)) {
        auto const* const rule = find_rule(number);
        property_value value;
        if (rule == nullptr || !read_value(reader, rule->type, value))
            break;  // cannot be: the block was checked
        if (rule->id == property_id::user_property) {
            current_ = {value.text, value.second};
            rest_.remove_prefix(rest_.size() - reader.left());
            return;
        }
    }
    left_ = 0;
}

}  // namespace fulmar::mqtt
