#include "tests/support/scripted_packet.hpp"

#include <algorithm>

namespace fulmar::test {

using mqtt::property_type;

namespace {

std::string variable(std::size_t value)
{
    std::string out;
    do {
        auto byte = static_cast<unsigned>(value % 128);
        value /= 128;
        out += static_cast<char>(value > 0 ? byte | 0x80U : byte);
    } while (value > 0);
    return out;
}

std::string number(std::uint32_t value, unsigned bytes)
{
    std::string out;
    for (auto shift = 8 * bytes; shift > 0; shift -= 8)
        out += static_cast<char>((value >> (shift - 8)) & 0xFFU);
    return out;
}

std::string text16(std::string_view value) { return number(static_cast<std::uint32_t>(value.size()), 2).append(value); }

std::string encoded(scripted_properties const& properties)
{
    std::string block;
    for (auto const& one : properties) {
        auto const* const rule = mqtt::find_rule(static_cast<std::uint32_t>(one.id));
        block += static_cast<char>(one.id);
        switch (rule->type) {
        case property_type::boolean: block += number(one.number, 1); break;
        case property_type::two_byte: block += number(one.number, 2); break;
        case property_type::four_byte: block += number(one.number, 4); break;
        case property_type::variable: block += variable(one.number); break;
        case property_type::binary:
        case property_type::utf8: block += text16(one.text); break;
        case property_type::utf8_pair: block += text16(one.text) + text16(one.second); break;
        }
    }
    return variable(block.size()) + block;
}

// Reads what the broker sent; past the end everything is 0 and `broken` is set.
struct reader
{
    std::string_view rest;
    bool broken = false;

    std::string_view take(std::size_t count)
    {
        broken = broken || count > rest.size();
        auto const out = rest.substr(0, std::min(count, rest.size()));
        rest.remove_prefix(out.size());
        return out;
    }
    std::uint32_t number(unsigned bytes)
    {
        std::uint32_t value = 0;
        for (auto const c : take(bytes))
            value = value << 8U | static_cast<unsigned char>(c);
        return value;
    }
    std::uint32_t variable()
    {
        std::uint32_t value = 0;
        for (unsigned shift = 0; shift < 28; shift += 7) {
            auto const byte = number(1);
            value |= (byte & 0x7FU) << shift;
            if (byte < 0x80)
                return value;
        }
        broken = true;
        return 0;
    }
    std::string text() { return std::string{take(number(2))}; }

    scripted_properties properties()
    {
        scripted_properties out;
        reader block{take(variable())};
        while (!block.rest.empty() && !block.broken) {
            auto const id = block.variable();
            auto const* const rule = mqtt::find_rule(id);
            if (rule == nullptr) {
                broken = true;
                return out;
            }
            scripted_property one{rule->id, 0, {}, {}};
            switch (rule->type) {
            case property_type::boolean: one.number = block.number(1); break;
            case property_type::two_byte: one.number = block.number(2); break;
            case property_type::four_byte: one.number = block.number(4); break;
            case property_type::variable: one.number = block.variable(); break;
            case property_type::binary:
            case property_type::utf8: one.text = block.text(); break;
            case property_type::utf8_pair:
                one.text = block.text();
                one.second = block.text();
                break;
            }
            out.push_back(std::move(one));
        }
        broken = broken || block.broken;
        return out;
    }
};

scripted_packet simple(packet_type type, std::uint16_t id = 0, reason_code reason = success)
{
    scripted_packet out;
    out.type = type;
    out.id = id;
    out.reason = static_cast<std::uint8_t>(reason);
    return out;
}

std::string connect_body(scripted_packet const& p, protocol_version version)
{
    unsigned flags = p.clean ? 2 : 0;
    if (p.last_will)
        flags |= 4U | unsigned{p.last_will->level} << 3U | (p.last_will->retain ? 0x20U : 0U);
    flags |= (p.password ? 0x40U : 0U) | (p.user ? 0x80U : 0U);
    bool const v5 = version == mqtt_v5;
    auto out = text16(version == mqtt_v31 ? "MQIsdp" : "MQTT");
    out += number(static_cast<std::uint8_t>(version), 1) + number(flags, 1) + number(p.keep_alive_s, 2);
    if (v5)
        out += encoded(p.properties);
    out += text16(p.topic);
    if (p.last_will)
        out += (v5 ? encoded(p.last_will->properties) : "") + text16(p.last_will->topic) + text16(p.last_will->payload);
    if (p.user)
        out += text16(*p.user);
    if (p.password)
        out += text16(*p.password);
    return out;
}

std::string body_of(scripted_packet const& p, protocol_version version)
{
    bool const v5 = version == mqtt_v5;
    auto const properties = v5 ? encoded(p.properties) : std::string{};
    std::string out;
    switch (p.type) {
    case packet_type::connect: return connect_body(p, version);
    case packet_type::publish: return text16(p.topic) + (p.level > 0 ? number(p.id, 2) : "") + properties + p.payload;
    case packet_type::subscribe:
        out = number(p.id, 2) + properties;
        for (auto const& [filter, options] : p.filters)
            out += text16(filter) + number(options, 1);
        return out;
    case packet_type::unsubscribe:
        out = number(p.id, 2) + properties;
        for (auto const& [filter, options] : p.filters)
            out += text16(filter);
        return out;
    case packet_type::puback:
    case packet_type::pubrec:
    case packet_type::pubrel:
    case packet_type::pubcomp:
        out = number(p.id, 2);
        if (v5 && (p.reason != 0 || !p.properties.empty()))
            out += number(p.reason, 1) + properties;
        return out;
    case packet_type::disconnect:
        return v5 && (p.reason != 0 || !p.properties.empty()) ? number(p.reason, 1) + properties : out;
    case packet_type::auth: return number(p.reason, 1) + properties;
    default: return out;
    }
}

bool parse_body(scripted_packet& p, reader& in, protocol_version version)
{
    bool const v5 = version == mqtt_v5;
    switch (p.type) {
    case packet_type::connack:
        p.session_present = in.number(1) == 1;
        p.reason = static_cast<std::uint8_t>(in.number(1));
        break;
    case packet_type::publish:
        p.topic = in.text();
        if (p.level > 0)
            p.id = static_cast<std::uint16_t>(in.number(2));
        break;
    case packet_type::disconnect:
        if (!in.rest.empty())
            p.reason = static_cast<std::uint8_t>(in.number(1));
        break;
    case packet_type::auth: p.reason = static_cast<std::uint8_t>(in.number(1)); break;
    case packet_type::pingresp: break;
    case packet_type::puback:
    case packet_type::pubrec:
    case packet_type::pubrel:
    case packet_type::pubcomp:
        p.id = static_cast<std::uint16_t>(in.number(2));
        if (!in.rest.empty())
            p.reason = static_cast<std::uint8_t>(in.number(1));
        break;
    case packet_type::suback:
    case packet_type::unsuback: p.id = static_cast<std::uint16_t>(in.number(2)); break;
    default: return false;
    }
    bool const has_block =
        p.type == packet_type::publish || p.type == packet_type::suback || p.type == packet_type::unsuback;
    if (v5 && p.type != packet_type::pingresp && (has_block || !in.rest.empty()))
        p.properties = in.properties();
    if (p.type == packet_type::publish)
        p.payload = in.take(in.rest.size());
    if (p.type == packet_type::suback || p.type == packet_type::unsuback)
        for (auto const c : in.take(in.rest.size()))
            p.codes.push_back(static_cast<std::uint8_t>(c));
    return !in.broken && in.rest.empty();
}

std::string hex(unsigned value)
{
    auto const digits = "0123456789ABCDEF";
    return std::string{"0x"} + digits[value >> 4U & 15U] + digits[value & 15U];
}

}  // namespace

scripted_packet& scripted_packet::with(property_id property, std::uint32_t value)
{
    properties.push_back({property, value, {}, {}});
    return *this;
}
scripted_packet& scripted_packet::with(property_id property, std::string value)
{
    properties.push_back({property, 0, std::move(value), {}});
    return *this;
}
scripted_packet& scripted_packet::with_user(std::string name, std::string value)
{
    properties.push_back({property_id::user_property, 0, std::move(name), std::move(value)});
    return *this;
}
scripted_packet& scripted_packet::will(std::string will_topic, std::string text, std::uint8_t qos, bool retained)
{
    last_will = scripted_will{std::move(will_topic), std::move(text), qos, retained, {}};
    return *this;
}
scripted_packet& scripted_packet::will_with(property_id property, std::uint32_t value)
{
    last_will->properties.push_back({property, value, {}, {}});
    return *this;
}

scripted_property const* scripted_packet::find(property_id property) const
{
    auto const found =
        std::find_if(properties.begin(), properties.end(), [&](auto const& one) { return one.id == property; });
    return found == properties.end() ? nullptr : &*found;
}

std::string scripted_packet::bytes(protocol_version version) const
{
    unsigned flags = 0;
    if (type == packet_type::publish)
        flags = (duplicate ? 8U : 0U) | unsigned{level} << 1U | (retain ? 1U : 0U);
    if (type == packet_type::pubrel || type == packet_type::subscribe || type == packet_type::unsubscribe)
        flags = 2;
    return raw_packet(static_cast<std::uint8_t>(static_cast<unsigned>(type) << 4U | flags), body_of(*this, version));
}

std::string scripted_packet::text(protocol_version version, bool with_properties) const
{
    bool const v5 = version == mqtt_v5;
    auto out = std::string{mqtt::to_string(type)};
    if (!topic.empty() || !payload.empty())
        out += " '" + topic + "' \"" + payload + "\"";
    if (type == packet_type::publish)
        out += " qos=" + std::to_string(level) + (duplicate ? " dup" : "") + (retain ? " retain" : "");
    if (id != 0)
        out += " id=" + std::to_string(id);
    if (session_present)
        out += " present";
    if ((v5 || type == packet_type::connack) && type != packet_type::publish)
        out += " reason=" + hex(reason);
    if (type == packet_type::suback || v5)
        for (auto const code : codes)
            out += " " + hex(code);
    if (with_properties)
        for (auto const& one : properties) {
            auto const* const rule = mqtt::find_rule(static_cast<std::uint32_t>(one.id));
            out += " [" + std::string{rule->name} + "=" + (one.text.empty() ? std::to_string(one.number) : one.text) +
                   (one.second.empty() ? "" : ":" + one.second) + "]";
        }
    return out;
}

scripted_packet connect(std::string client_id)
{
    auto out = simple(packet_type::connect);
    out.topic = std::move(client_id);
    return out;
}
scripted_packet connack(reason_code reason) { return simple(packet_type::connack, 0, reason); }
scripted_packet publish(std::string topic, std::string payload)
{
    auto out = simple(packet_type::publish);
    out.topic = std::move(topic);
    out.payload = std::move(payload);
    return out;
}
scripted_packet puback(std::uint16_t id, reason_code reason) { return simple(packet_type::puback, id, reason); }
scripted_packet pubrec(std::uint16_t id, reason_code reason) { return simple(packet_type::pubrec, id, reason); }
scripted_packet pubrel(std::uint16_t id, reason_code reason) { return simple(packet_type::pubrel, id, reason); }
scripted_packet pubcomp(std::uint16_t id, reason_code reason) { return simple(packet_type::pubcomp, id, reason); }
scripted_packet subscribe(std::uint16_t id, std::vector<std::pair<std::string, std::uint8_t>> filters)
{
    auto out = simple(packet_type::subscribe, id);
    out.filters = std::move(filters);
    return out;
}
scripted_packet suback(std::uint16_t id, std::vector<std::uint8_t> codes)
{
    auto out = simple(packet_type::suback, id);
    out.codes = std::move(codes);
    return out;
}
scripted_packet unsubscribe(std::uint16_t id, std::vector<std::string> filters)
{
    auto out = simple(packet_type::unsubscribe, id);
    for (auto& filter : filters)
        out.filters.emplace_back(std::move(filter), std::uint8_t{0});
    return out;
}
scripted_packet unsuback(std::uint16_t id, std::vector<std::uint8_t> codes)
{
    auto out = simple(packet_type::unsuback, id);
    out.codes = std::move(codes);
    return out;
}
scripted_packet pingreq() { return simple(packet_type::pingreq); }
scripted_packet pingresp() { return simple(packet_type::pingresp); }
scripted_packet disconnect(reason_code reason) { return simple(packet_type::disconnect, 0, reason); }
scripted_packet auth(reason_code reason, std::string method, std::string data)
{
    auto out = simple(packet_type::auth, 0, reason).with(property_id::authentication_method, std::move(method));
    if (!data.empty())
        out.with(property_id::authentication_data, std::move(data));
    return out;
}

std::string raw_packet(std::uint8_t first_byte, std::string_view body)
{
    return static_cast<char>(first_byte) + variable(body.size()).append(body);
}

std::optional<scripted_packet> take_packet(std::string& in, protocol_version version)
{
    reader header{in};
    auto const first = header.number(1);
    auto const size = header.variable();
    if (header.broken || header.rest.size() < size)
        return std::nullopt;
    reader body{header.rest.substr(0, size)};
    auto p = simple(static_cast<packet_type>(first >> 4U));
    p.duplicate = (first & 8U) != 0 && p.type == packet_type::publish;
    p.level = p.type == packet_type::publish ? first >> 1U & 3U : 0;
    p.retain = (first & 1U) != 0 && p.type == packet_type::publish;
    if (!parse_body(p, body, version))
        p.type = packet_type{};
    in.erase(0, in.size() - header.rest.size() + size);
    return p;
}

}  // namespace fulmar::test
