// PUBLISH towards clients: sizes first, then bytes.
//
// Spec: MQTT 5.0 §3.3; MQTT 3.1.1 §3.3.
#include "frontends/mqtt/byte_writer.hpp"
#include "frontends/mqtt/encoder.hpp"
#include "frontends/net/message_json.hpp"

#include <algorithm>

namespace fulmar::mqtt {
namespace {

constexpr std::string_view event_property = "event";
constexpr std::string_view position_property = "position";

// The event name of a message from another protocol travels as a user property, unless the publisher set one itself.
[[nodiscard]] bool adds_event(broker::message const& m) noexcept
{
    if (m.event().empty())
        return false;
    if (!m.properties)
        return true;
    auto const& user = m.properties->user;
    return std::none_of(user.begin(), user.end(), [](auto const& p) { return p.name == event_property; });
}

// The sizes of the parts of one packet.
struct layout
{
    std::string_view topic;  // as it is sent
    std::optional<std::uint32_t> seconds_left;
    bool event = false;
    std::string position;
    std::size_t properties = 0;
    std::size_t remaining = 0;

    [[nodiscard]] std::size_t packet() const noexcept { return 1 + variable_size(remaining) + remaining; }
};

[[nodiscard]] std::size_t size_of(broker::message_properties const& p) noexcept
{
    std::size_t size = p.payload_format ? 2 : 0;
    if (!p.content_type.empty())
        size += 3 + p.content_type.size();
    if (!p.response_topic.empty())
        size += 3 + p.response_topic.size();
    if (p.correlation_data)
        size += 3 + p.correlation_data->size();
    for (auto const& user : p.user)
        size += 5 + user.name.size() + user.value.size();
    return size;
}

[[nodiscard]] layout measure(publish_fields const& fields, protocol_version version) noexcept
{
    auto const& m = fields.message;
    layout l;
    l.topic = m.topic();
    if (version == protocol_version::v5) {
        if (fields.omit_topic)
            l.topic = {};
        l.seconds_left = m.seconds_left(fields.now);
        l.event = adds_event(m);
        l.properties = (l.seconds_left ? 5U : 0U) + (fields.topic_alias != 0 ? 3U : 0U);
        for (auto const identifier : fields.subscription_identifiers)
            l.properties += 1 + variable_size(identifier);
        if (m.properties)
            l.properties += size_of(*m.properties);
        if (l.event)
            l.properties += 5 + event_property.size() + m.event().size();
        if (fields.position != 0) {
            l.position = net::cursor_text(fields.position);
            l.properties += 5 + position_property.size() + l.position.size();
        }
        l.remaining = variable_size(l.properties) + l.properties;
    }
    l.remaining += 2 + l.topic.size() + (fields.level == qos::at_most_once ? 0U : 2U) + m.payload().size();
    return l;
}

void write_text(byte_writer& to, property_id id, std::string_view text) noexcept
{
    to.id(id);
    to.binary(text);
}

void write_user(byte_writer& to, std::string_view name, std::string_view value) noexcept
{
    to.id(property_id::user_property);
    to.binary(name);
    to.binary(value);
}

void write_message_properties(broker::message_properties const& p, byte_writer& to) noexcept
{
    using id = property_id;
    if (p.payload_format) {
        to.id(id::payload_format_indicator);
        to.u8(*p.payload_format);
    }
    if (!p.content_type.empty())
        write_text(to, id::content_type, p.content_type);
    if (!p.response_topic.empty())
        write_text(to, id::response_topic, p.response_topic);
    if (p.correlation_data)
        write_text(to, id::correlation_data, *p.correlation_data);
    for (auto const& user : p.user)
        write_user(to, user.name, user.value);
}

void write_properties(publish_fields const& fields, layout const& l, byte_writer& to) noexcept
{
    auto const& m = fields.message;
    to.variable(l.properties);
    if (l.seconds_left) {
        to.id(property_id::message_expiry_interval);
        to.u32(*l.seconds_left);
    }
    if (fields.topic_alias != 0) {
        to.id(property_id::topic_alias);
        to.u16(fields.topic_alias);
    }
    for (auto const identifier : fields.subscription_identifiers) {
        to.id(property_id::subscription_identifier);
        to.variable(identifier);
    }
    if (m.properties)
        write_message_properties(*m.properties, to);
    if (l.event)
        write_user(to, event_property, m.event());
    if (!l.position.empty())
        write_user(to, position_property, l.position);
}

void write_head(publish_fields const& fields, layout const& l, protocol_version version, byte_writer& to) noexcept
{
    auto const flags = (static_cast<unsigned>(packet_type::publish) << 4U) | (fields.duplicate ? 0x08U : 0U) |
                       (static_cast<unsigned>(fields.level) << 1U) | (fields.retain ? 0x01U : 0U);
    to.u8(flags);
    to.variable(l.remaining);
    to.binary(l.topic);
    if (fields.level != qos::at_most_once)
        to.u16(fields.id);
    if (version == protocol_version::v5)
        write_properties(fields, l, to);
}

}  // namespace

std::size_t publish_size(publish_fields const& fields, protocol_version version) noexcept
{
    return measure(fields, version).packet();
}

void encode_publish_head(publish_fields const& fields, protocol_version version, std::string& out)
{
    auto const l = measure(fields, version);
    FULMAR_ASSERT(l.remaining <= remaining_length_max);
    auto const begin = out.size();
    out.resize(begin + l.packet() - fields.message.payload().size());
    byte_writer to{out.data() + begin};
    write_head(fields, l, version, to);
}

void encode_publish(publish_fields const& fields, protocol_version version, std::vector<char>& out)
{
    auto const l = measure(fields, version);
    FULMAR_ASSERT(l.remaining <= remaining_length_max);
    auto const begin = out.size();
    out.resize(begin + l.packet());
    byte_writer to{out.data() + begin};
    write_head(fields, l, version, to);
    to.bytes(fields.message.payload());
}

}  // namespace fulmar::mqtt
