// CONNECT: the one packet that says itself in which version it is written.
//
// Spec: MQTT 5.0 §3.1; MQTT 3.1.1 §3.1; MQTT 3.1 §3.1.
#include "frontends/mqtt/decode_body.hpp"

namespace fulmar::mqtt {
namespace {

constexpr unsigned flag_reserved = 0x01;
constexpr unsigned flag_clean_start = 0x02;
constexpr unsigned flag_will = 0x04;
constexpr unsigned flag_will_retain = 0x20;
constexpr unsigned flag_password = 0x40;
constexpr unsigned flag_user_name = 0x80;
constexpr unsigned flags_of_will = 0x38;

[[nodiscard]] constexpr unsigned will_qos(unsigned flags) noexcept { return (flags >> 3U) & 0x03U; }

// "MQIsdp" goes with level 3, "MQTT" with 4 and 5. For other levels, says in whose CONNACK the client hears so: the
// nearest version that it can be expected to read. (Bridges of another broker set the highest bit of levels 3 and 4.)
[[nodiscard]] fault read_version(byte_reader& reader, connect_packet& p, std::optional<protocol_version>& answer_as)
{
    std::string_view name;
    std::uint8_t level = 0;
    if (!reader.binary(name))
        return truncated();
    bool const old_name = name == "MQIsdp";
    if (!old_name && name != "MQTT")
        return {reason_code::unsupported_protocol_version, "the protocol name is not MQTT"};
    if (!reader.u8(level))
        return truncated();
    if (old_name ? level == 3 : level == 4 || level == 5) {
        p.version = static_cast<protocol_version>(level);
        return no_fault;
    }
    if (old_name)
        answer_as = protocol_version::v3_1;
    else
        answer_as = level <= 3 || level >= 0x80U ? protocol_version::v3_1_1 : protocol_version::v5;
    return {reason_code::unsupported_protocol_version, "the protocol level is not supported"};
}

[[nodiscard]] fault judge_flags(unsigned flags, protocol_version version) noexcept
{
    if (version != protocol_version::v3_1 && (flags & flag_reserved) != 0)
        return malformed("the reserved connect flag is set");
    if (will_qos(flags) == 3)
        return malformed("both Will QoS bits are set");
    if ((flags & flag_will) == 0 && (flags & flags_of_will) != 0)
        return malformed("Will QoS or Will Retain is set without Will Flag");
    if (version != protocol_version::v5 && (flags & flag_password) != 0 && (flags & flag_user_name) == 0)
        return malformed("a password without a user name");
    return no_fault;
}

[[nodiscard]] fault take_property(property_id id, property_value const& value, connect_properties& properties) noexcept
{
    switch (id) {
    case property_id::session_expiry_interval: properties.session_expiry_interval_s = value.number; break;
    case property_id::receive_maximum: properties.receive_maximum = static_cast<std::uint16_t>(value.number); break;
    case property_id::maximum_packet_size: properties.maximum_packet_size = value.number; break;
    case property_id::topic_alias_maximum:
        properties.topic_alias_maximum = static_cast<std::uint16_t>(value.number);
        break;
    case property_id::request_response_information: properties.request_response_information = value.number == 1; break;
    case property_id::request_problem_information: properties.request_problem_information = value.number == 1; break;
    case property_id::authentication_method: properties.authentication_method = value.text; break;
    case property_id::authentication_data: properties.authentication_data = value.text; break;
    default: break;
    }
    return no_fault;
}

[[nodiscard]] fault read_connect_properties(byte_reader& reader, connect_properties& properties)
{
    auto const wrong = read_properties(
        reader, in(packet_type::connect), properties.user,
        [&](property_id id, property_value const& value) { return take_property(id, value, properties); });
    if (wrong)
        return wrong;
    if (properties.authentication_data && !properties.authentication_method)
        return broken_rule("authentication data without an authentication method");
    return no_fault;
}

[[nodiscard]] fault read_client_id(byte_reader& reader, connect_packet& p)
{
    if (!reader.binary(p.client_id))
        return truncated();
    if (!broker::valid_utf8(p.client_id))
        return malformed("the client identifier is not well-formed UTF-8");
    bool const may_be_empty =
        p.version == protocol_version::v5 || (p.version == protocol_version::v3_1_1 && p.clean_start);
    if (p.client_id.empty() && !may_be_empty)
        return {reason_code::client_identifier_not_valid, "the client identifier is empty"};
    return no_fault;
}

[[nodiscard]] fault read_will(byte_reader& reader, unsigned flags, protocol_version version, will_message& will)
{
    will.level = static_cast<qos>(will_qos(flags));
    will.retain = (flags & flag_will_retain) != 0;
    if (version == protocol_version::v5) {
        auto const wrong =
            read_properties(reader, in_will, will.properties.user, [&](property_id id, property_value const& value) {
                if (id == property_id::will_delay_interval)
                    will.properties.delay_interval_s = value.number;
                return take_message_property(id, value, will.properties);
            });
        if (wrong)
            return wrong;
    }
    if (!reader.binary(will.topic) || !reader.binary(will.payload))
        return truncated();
    if (auto const wrong = judge_topic_name(will.topic))
        return wrong;
    if (broker::parse_shared(will.topic))
        return {reason_code::topic_name_invalid, "the will topic begins with $share/"};
    return no_fault;
}

[[nodiscard]] fault read_credentials(byte_reader& reader, unsigned flags, connect_packet& p)
{
    std::string_view text;
    // MQTT 3.1 lets the flags be set without the fields.
    bool const fields_may_lack = p.version == protocol_version::v3_1;
    if ((flags & flag_user_name) != 0 && !(fields_may_lack && reader.empty())) {
        if (!reader.binary(text))
            return truncated();
        if (!broker::valid_utf8(text))
            return malformed("the user name is not well-formed UTF-8");
        p.user_name = text;
    }
    if ((flags & flag_password) != 0 && !(fields_may_lack && reader.empty())) {
        if (!reader.binary(text))
            return truncated();
        p.password = text;
    }
    return no_fault;
}

// Everything behind the protocol level.
[[nodiscard]] fault read_fields(byte_reader& reader, connect_packet& p)
{
    std::uint8_t flags = 0;
    if (!reader.u8(flags) || !reader.u16(p.keep_alive_s))
        return truncated();
    if (auto const wrong = judge_flags(flags, p.version))
        return wrong;
    p.clean_start = (flags & flag_clean_start) != 0;
    if (p.version == protocol_version::v5) {
        if (auto const wrong = read_connect_properties(reader, p.properties))
            return wrong;
    }
    if (auto const wrong = read_client_id(reader, p))
        return wrong;
    if ((flags & flag_will) != 0) {
        if (auto const wrong = read_will(reader, flags, p.version, p.will.emplace()))
            return wrong;
    }
    if (auto const wrong = read_credentials(reader, flags, p))
        return wrong;
    return reader.empty() ? no_fault : trailing_bytes();
}

}  // namespace

fault decode_connect_body(byte_reader& reader, connect_packet& p, std::optional<protocol_version>& answer_as)
{
    if (auto const wrong = read_version(reader, p, answer_as))
        return wrong;
    auto const wrong = read_fields(reader, p);
    if (p.version == protocol_version::v5 || wrong.reason == reason_code::client_identifier_not_valid)
        answer_as = p.version;
    return wrong;
}

}  // namespace fulmar::mqtt
