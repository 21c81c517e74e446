#include "bench/load/mqtt_wire.hpp"

namespace fulmar::load {

namespace {

void put_u16(std::string& out, std::size_t value)
{
    out.push_back(static_cast<char>(value >> 8 & 0xFF));
    out.push_back(static_cast<char>(value & 0xFF));
}

void put_u32(std::string& out, std::uint32_t value)
{
    put_u16(out, value >> 16);
    put_u16(out, value & 0xFFFF);
}

void put_text(std::string& out, std::string_view text)
{
    put_u16(out, text.size());
    out.append(text);
}

void put_header(std::string& out, unsigned first, std::size_t length)
{
    out.push_back(static_cast<char>(first));
    do {
        auto const rest = length >> 7;
        out.push_back(static_cast<char>((length & 0x7F) | (rest != 0 ? 0x80 : 0)));
        length = rest;
    } while (length != 0);
}

}  // namespace

void write_connect(std::string& out, connect_settings const& settings, bool v5)
{
    std::string body;
    put_text(body, "MQTT");
    body.push_back(v5 ? 5 : 4);
    auto flags = settings.clean ? 0x02U : 0U;
    if (!settings.user.empty())
        flags |= 0xC0U;
    body.push_back(static_cast<char>(flags));
    put_u16(body, 0);  // no keep-alive: an idle client says nothing
    if (v5) {
        if (settings.durable) {
            body.push_back(5);
            body.push_back(0x11);  // Session Expiry Interval
            put_u32(body, 24 * 3600);
        } else {
            body.push_back(0);
        }
    }
    put_text(body, settings.client_id);
    if (!settings.user.empty()) {
        put_text(body, settings.user);
        put_text(body, settings.password);
    }
    put_header(out, 0x10, body.size());
    out.append(body);
}

void write_subscribe(std::string& out, std::uint16_t id, std::string_view filter, std::uint8_t qos, bool v5)
{
    put_header(out, 0x82, 2 + (v5 ? 1U : 0U) + 2 + filter.size() + 1);
    put_u16(out, id);
    if (v5)
        out.push_back(0);
    put_text(out, filter);
    out.push_back(static_cast<char>(qos));
}

void write_publish(std::string& out, std::string_view topic, std::string_view payload, std::uint8_t qos,
                   std::uint16_t id, bool v5)
{
    put_header(out, 0x30U | static_cast<unsigned>(qos) << 1,
               2 + topic.size() + (qos > 0 ? 2U : 0U) + (v5 ? 1U : 0U) + payload.size());
    put_text(out, topic);
    if (qos > 0)
        put_u16(out, id);
    if (v5)
        out.push_back(0);
    out.append(payload);
}

void write_disconnect(std::string& out) { out.append("\xE0\x00", 2); }

bool read_publish(std::uint8_t flags, std::string_view body, bool v5, publish_view& view) noexcept
{
    view.qos = flags >> 1 & 3U;
    if (body.size() < 2)
        return false;
    std::size_t at = 2 + std::size_t{read_u16(body.data())};
    auto const id_bytes = view.qos > 0 ? 2U : 0U;
    if (body.size() < at + id_bytes)
        return false;
    view.topic = body.substr(2, at - 2);
    view.packet_id = id_bytes != 0 ? read_u16(body.data() + at) : std::uint16_t{0};
    at += id_bytes;
    if (v5) {
        std::uint32_t length;
        auto const header = read_variable(body.substr(at), length);
        if (header == 0 || header == 5 || body.size() - at - header < length)
            return false;
        at += header + length;
    }
    view.payload = body.substr(at);
    return true;
}

namespace {

// The size of the value of a CONNACK property [MQTT 5.0 §2.2.2.2], or 0 for one that cannot be there.
std::size_t property_bytes(std::uint8_t id, std::string_view value) noexcept
{
    switch (id) {
    case 0x24:
    case 0x25:
    case 0x28:
    case 0x29:
    case 0x2A: return 1;
    case 0x13:
    case 0x21:
    case 0x22: return 2;
    case 0x11:
    case 0x27: return 4;
    case 0x12:
    case 0x15:
    case 0x16:
    case 0x1A:
    case 0x1C:
    case 0x1F: return value.size() < 2 ? 0 : 2 + std::size_t{read_u16(value.data())};
    case 0x26: {
        if (value.size() < 2)
            return 0;
        auto const name = 2 + std::size_t{read_u16(value.data())};
        return value.size() < name + 2 ? 0 : name + 2 + read_u16(value.data() + name);
    }
    default: return 0;
    }
}

}  // namespace

bool read_connack(std::string_view body, bool v5, connack_view& view) noexcept
{
    if (body.size() < 2)
        return false;
    view.session_present = (body[0] & 1) != 0;
    view.code = static_cast<std::uint8_t>(body[1]);
    if (!v5 || body.size() == 2)
        return true;
    std::uint32_t length;
    auto const header = read_variable(body.substr(2), length);
    if (header == 0 || header == 5 || body.size() - 2 - header != length)
        return false;
    auto rest = body.substr(2 + header);
    while (!rest.empty()) {
        auto const id = static_cast<std::uint8_t>(rest[0]);
        auto const bytes = property_bytes(id, rest.substr(1));
        if (bytes == 0 || rest.size() < 1 + bytes)
            return false;
        if (id == 0x21)
            view.receive_maximum = read_u16(rest.data() + 1);
        rest.remove_prefix(1 + bytes);
    }
    return true;
}

}  // namespace fulmar::load
