// PUBLISH and its acknowledgements: the packets of the hot path.
//
// Spec: MQTT 5.0 §3.3 to §3.7; MQTT 3.1.1 §3.3 to §3.7.
#include "frontends/mqtt/decode_body.hpp"

namespace fulmar::mqtt {
namespace {

[[nodiscard]] fault take_property(property_id id, property_value const& value, publish_properties& properties)
{
    if (id == property_id::subscription_identifier)
        return broken_rule("a client must not send a Subscription Identifier");
    if (id == property_id::topic_alias) {
        properties.topic_alias = static_cast<std::uint16_t>(value.number);
        return no_fault;
    }
    return take_message_property(id, value, properties);
}

// An empty topic name is allowed only where a topic alias stands for it.
[[nodiscard]] fault judge_topic(publish_packet const& p, protocol_version version) noexcept
{
    if (!p.topic.empty())
        return judge_topic_name(p.topic);
    if (version == protocol_version::v5 && p.properties.topic_alias)
        return no_fault;
    return broken_rule("the topic name is empty");
}

}  // namespace

fault decode_publish_body(byte_reader& reader, protocol_version version, publish_packet& p)
{
    if (!reader.binary(p.topic))
        return truncated();
    if (p.level != qos::at_most_once) {
        if (!reader.u16(p.id))
            return truncated();
        if (p.id == 0)
            return broken_rule("the packet identifier is 0");
    }
    if (version == protocol_version::v5) {
        auto const wrong = read_properties(
            reader, in(packet_type::publish), p.properties.user,
            [&](property_id id, property_value const& value) { return take_property(id, value, p.properties); });
        if (wrong)
            return wrong;
    }
    p.payload = reader.take_rest();
    return judge_topic(p, version);
}

fault decode_ack_body(byte_reader& reader, protocol_version version, ack_packet& p)
{
    if (!reader.u16(p.id))
        return truncated();
    if (p.id == 0)
        return broken_rule("the packet identifier is 0");
    std::uint8_t reason = 0;
    if (version != protocol_version::v5 || !reader.u8(reason))
        return no_fault;
    p.reason = static_cast<reason_code>(reason);
    if (!allowed(p.reason, p.type, sender::client))
        return broken_rule("a client must not send this reason code in this packet");
    if (reader.empty())
        return no_fault;
    return read_properties(reader, in(p.type), p.user, [&](property_id id, property_value const& value) {
        if (id == property_id::reason_string)
            p.reason_string = value.text;
        return no_fault;
    });
}

}  // namespace fulmar::mqtt
