// SUBSCRIBE, UNSUBSCRIBE, DISCONNECT and AUTH.
//
// Spec: MQTT 5.0 §3.8, §3.10, §3.14, §3.15; MQTT 3.1.1 §3.8, §3.10, §3.14.
#include "frontends/mqtt/decode_body.hpp"

namespace fulmar::mqtt {
namespace {

[[nodiscard]] fault read_id(byte_reader& reader, packet_id& id) noexcept
{
    if (!reader.u16(id))
        return truncated();
    return id == 0 ? broken_rule("the packet identifier is 0") : no_fault;
}

[[nodiscard]] fault read_filter(byte_reader& reader, std::string_view& filter) noexcept
{
    if (!reader.binary(filter))
        return truncated();
    return broker::valid_utf8(filter) ? no_fault : malformed("a topic filter is not well-formed UTF-8");
}

[[nodiscard]] fault take_options_v5(unsigned byte, broker::subscription_options& options) noexcept
{
    if ((byte & 0xC0U) != 0)
        return malformed("reserved bits of the subscription options are set");
    if ((byte & 0x03U) == 3)
        return broken_rule("the maximum QoS of a subscription is 3");
    if ((byte & 0x30U) == 0x30U)
        return broken_rule("the Retain Handling of a subscription is 3");
    options.level = static_cast<qos>(byte & 0x03U);
    options.no_local = (byte & 0x04U) != 0;
    options.retain_as_published = (byte & 0x08U) != 0;
    options.retained = static_cast<broker::retain_handling>(byte >> 4U);
    return no_fault;
}

[[nodiscard]] fault take_options_v3(unsigned byte, protocol_version version,
                                    broker::subscription_options& options) noexcept
{
    if (version == protocol_version::v3_1_1 && (byte & 0xFCU) != 0)
        return malformed("reserved bits of the requested QoS are set");
    if ((byte & 0x03U) == 3)
        return malformed("the requested QoS is 3");
    options.level = static_cast<qos>(byte & 0x03U);
    return no_fault;
}

[[nodiscard]] fault read_subscription(byte_reader& reader, protocol_version version, requested_subscription& wanted)
{
    if (auto const wrong = read_filter(reader, wanted.filter))
        return wrong;
    std::uint8_t byte = 0;
    if (!reader.u8(byte))
        return truncated();
    auto const wrong = version == protocol_version::v5 ? take_options_v5(byte, wanted.options)
                                                       : take_options_v3(byte, version, wanted.options);
    if (wrong)
        return wrong;
    if (wanted.options.no_local && broker::parse_shared(wanted.filter))
        return broken_rule("No Local on a shared subscription");
    return no_fault;
}

}  // namespace

fault decode_subscribe_body(byte_reader& reader, protocol_version version, subscribe_packet& p)
{
    if (auto const wrong = read_id(reader, p.id))
        return wrong;
    if (version == protocol_version::v5) {
        auto const wrong = read_properties(reader, in(packet_type::subscribe), p.user,
                                           [&](property_id id, property_value const& value) {
                                               if (id == property_id::subscription_identifier)
                                                   p.identifier = value.number;
                                               return no_fault;
                                           });
        if (wrong)
            return wrong;
    }
    while (!reader.empty()) {
        auto& wanted = p.subscriptions.emplace_back();
        wanted.options.identifier = p.identifier;
        if (auto const wrong = read_subscription(reader, version, wanted))
            return wrong;
    }
    return p.subscriptions.empty() ? broken_rule("no topic filter") : no_fault;
}

fault decode_unsubscribe_body(byte_reader& reader, protocol_version version, unsubscribe_packet& p)
{
    if (auto const wrong = read_id(reader, p.id))
        return wrong;
    if (version == protocol_version::v5) {
        auto const wrong = read_properties(reader, in(packet_type::unsubscribe), p.user,
                                           [](property_id, property_value const&) { return no_fault; });
        if (wrong)
            return wrong;
    }
    while (!reader.empty()) {
        if (auto const wrong = read_filter(reader, p.filters.emplace_back()))
            return wrong;
    }
    return p.filters.empty() ? broken_rule("no topic filter") : no_fault;
}

fault decode_disconnect_body(byte_reader& reader, protocol_version version, disconnect_packet& p)
{
    std::uint8_t reason = 0;
    if (version != protocol_version::v5 || !reader.u8(reason))
        return no_fault;
    p.reason = static_cast<reason_code>(reason);
    if (!allowed(p.reason, packet_type::disconnect, sender::client))
        return broken_rule("a client must not send this reason code in this packet");
    if (reader.empty())
        return no_fault;
    return read_properties(reader, in(packet_type::disconnect), p.user,
                           [&](property_id id, property_value const& value) {
                               if (id == property_id::session_expiry_interval)
                                   p.session_expiry_interval_s = value.number;
                               else if (id == property_id::reason_string)
                                   p.reason_string = value.text;
                               return no_fault;
                           });
}

fault decode_auth_body(byte_reader& reader, auth_packet& p)
{
    std::uint8_t reason = 0;
    if (!reader.empty() && !reader.u8(reason))
        return truncated();
    p.reason = static_cast<reason_code>(reason);  // nothing at all means success, which only a server says
    if (!allowed(p.reason, packet_type::auth, sender::client))
        return broken_rule("a client must not send this reason code in this packet");
    bool has_method = false;
    auto const wrong =
        read_properties(reader, in(packet_type::auth), p.user, [&](property_id id, property_value const& value) {
            if (id == property_id::authentication_method) {
                p.authentication_method = value.text;
                has_method = true;
            } else if (id == property_id::authentication_data) {
                p.authentication_data = value.text;
            } else if (id == property_id::reason_string) {
                p.reason_string = value.text;
            }
            return no_fault;
        });
    if (wrong)
        return wrong;
    return has_method ? no_fault : broken_rule("no authentication method");
}

}  // namespace fulmar::mqtt
