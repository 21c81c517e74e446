// What follows the fixed header of each control packet; the parts of the decoder.
//
// Spec:     as decoder.hpp, which is what everybody else includes.
// Threads:  pure functions, any thread.
// Errors:   the fault found first; the packet is then half filled and must not be used.
#pragma once

#include "broker/topic.hpp"
#include "frontends/mqtt/byte_reader.hpp"
#include "frontends/mqtt/packet.hpp"

namespace fulmar::mqtt {

inline constexpr fault no_fault{};

[[nodiscard]] inline fault malformed(std::string_view what) noexcept { return {reason_code::malformed_packet, what}; }

[[nodiscard]] inline fault broken_rule(std::string_view what) noexcept { return {reason_code::protocol_error, what}; }

[[nodiscard]] inline fault truncated() noexcept { return malformed("a field runs past the end of the packet"); }

[[nodiscard]] inline fault trailing_bytes() noexcept { return malformed("bytes follow the last field"); }

// A topic name in a PUBLISH, a will or a response topic.
[[nodiscard]] inline fault judge_topic_name(std::string_view topic) noexcept
{
    if (!broker::valid_utf8(topic))
        return malformed("a topic name is not well-formed UTF-8");
    if (!broker::valid_topic_name(topic))
        return {reason_code::topic_name_invalid, "a topic name is empty, contains a wildcard or has too many levels"};
    return no_fault;
}

// Reads a property block with its length, hands every property that stands in `place` to `use` and gives `user` the
// block for its user properties. `use(id, value)` returns a fault.
template <class Use>
[[nodiscard]] fault read_properties(byte_reader& reader, property_places place, user_properties& user, Use&& use)
{
    std::uint32_t size = 0;
    std::string_view block;
    if (!reader.variable(size))
        return malformed("the property length is ill-formed");
    if (size == 0)
        return no_fault;
    if (!reader.bytes(size, block))
        return malformed("the properties run past the end of the packet");
    property_reader properties{block, place};
    property_id id{};
    property_value value;
    std::uint32_t user_count = 0;
    while (properties.next(id, value)) {
        if (id == property_id::user_property)
            ++user_count;
        else if (auto const wrong = use(id, value))
            return wrong;
    }
    user = user_properties{block, user_count};
    return properties.error();
}

// `answer_as` is engaged as soon as it is known in which version's CONNACK the fault may be answered.
[[nodiscard]] fault decode_connect_body(byte_reader& reader, connect_packet& p,
                                        std::optional<protocol_version>& answer_as);
[[nodiscard]] fault decode_publish_body(byte_reader& reader, protocol_version version, publish_packet& p);
[[nodiscard]] fault decode_ack_body(byte_reader& reader, protocol_version version, ack_packet& p);
[[nodiscard]] fault decode_subscribe_body(byte_reader& reader, protocol_version version, subscribe_packet& p);
[[nodiscard]] fault decode_unsubscribe_body(byte_reader& reader, protocol_version version, unsubscribe_packet& p);
[[nodiscard]] fault decode_disconnect_body(byte_reader& reader, protocol_version version, disconnect_packet& p);
[[nodiscard]] fault decode_auth_body(byte_reader& reader, auth_packet& p);

// Properties that mean the same in a PUBLISH and in a will.
template <class Properties>
[[nodiscard]] fault take_message_property(property_id id, property_value const& value, Properties& properties)
{
    switch (id) {
    case property_id::payload_format_indicator:
        properties.payload_format = static_cast<std::uint8_t>(value.number);
        return no_fault;
    case property_id::message_expiry_interval: properties.message_expiry_interval_s = value.number; return no_fault;
    case property_id::content_type: properties.content_type = value.text; return no_fault;
    case property_id::correlation_data: properties.correlation_data = value.text; return no_fault;
    case property_id::response_topic:
        if (!broker::valid_topic_name(value.text))
            return broken_rule("the response topic is not a topic name");
        properties.response_topic = value.text;
        return no_fault;
    default: return no_fault;
    }
}

}  // namespace fulmar::mqtt
