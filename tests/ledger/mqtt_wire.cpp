#include "tests/ledger/mqtt_wire.hpp"

namespace fulmar::ledger {

namespace {

void put_u16(std::string& out, std::uint16_t n)
{
    out.push_back(static_cast<char>(n >> 8));
    out.push_back(static_cast<char>(n & 0xFF));
}

void put_u32(std::string& out, std::uint32_t n)
{
    put_u16(out, static_cast<std::uint16_t>(n >> 16));
    put_u16(out, static_cast<std::uint16_t>(n & 0xFFFF));
}

void put_text(std::string& out, std::string_view text)
{
    put_u16(out, static_cast<std::uint16_t>(text.size()));
    out.append(text);
}

void put_variable(std::string& out, std::size_t n)
{
    do {
        auto const digit = static_cast<unsigned char>(n % 128);
        n /= 128;
        out.push_back(static_cast<char>(n != 0 ? digit | 0x80U : digit));
    } while (n != 0);
}

std::string framed(std::uint8_t first, std::string const& body)
{
    std::string out;
    out.reserve(body.size() + 5);
    out.push_back(static_cast<char>(first));
    put_variable(out, body.size());
    out += body;
    return out;
}

std::uint8_t first_byte(packet_type type, std::uint8_t flags)
{
    return static_cast<std::uint8_t>(static_cast<unsigned>(type) << 4U | flags);
}

// Reads big-endian fields from a packet's body; `ok` goes false instead of reading past the end.
struct cursor
{
    std::string_view left;
    bool ok = true;

    std::string_view take(std::size_t n)
    {
        if (left.size() < n) {
            ok = false;
            left = {};
            return {};
        }
        auto const taken = left.substr(0, n);
        left.remove_prefix(n);
        return taken;
    }
    std::uint8_t u8()
    {
        auto const taken = take(1);
        return taken.empty() ? std::uint8_t{0} : static_cast<std::uint8_t>(taken[0]);
    }
    std::uint16_t u16()
    {
        auto const high = u8();
        return static_cast<std::uint16_t>(high << 8 | u8());
    }
    std::size_t variable()
    {
        std::size_t value = 0;
        for (unsigned shift = 0; shift < 28; shift += 7) {
            auto const digit = u8();
            value |= static_cast<std::size_t>(digit & 0x7FU) << shift;
            if ((digit & 0x80U) == 0)
                return value;
        }
        ok = false;
        return 0;
    }
    std::string_view properties() { return take(variable()); }
};

// Bytes after the identifier of each MQTT 5 property that a server may send in CONNACK; 0 = text, 255 = pair of texts.
std::size_t fixed_size(std::uint8_t property)
{
    switch (property) {
    case 0x11:
    case 0x27: return 4;
    case 0x21:
    case 0x22:
    case 0x13: return 2;
    case 0x24:
    case 0x25:
    case 0x28:
    case 0x29:
    case 0x2A: return 1;
    default: return 0;
    }
}

void read_connack_properties(packet& p, std::string_view block)
{
    cursor in{block};
    while (in.ok && !in.left.empty()) {
        auto const name = in.u8();
        if (name == 0x21) {
            p.receive_maximum = in.u16();
        } else if (auto const size = fixed_size(name); size != 0) {
            in.take(size);
        } else {
            in.take(in.u16());
            if (name == 0x26)
                in.take(in.u16());
        }
    }
}

bool read_body(packet& p, cursor in, version v)
{
    bool const v5 = v == version::v5;
    switch (p.type) {
    case packet_type::connack:
        p.session_present = (in.u8() & 1U) != 0;
        p.reason = in.u8();
        if (v5)
            read_connack_properties(p, in.properties());
        return in.ok;
    case packet_type::publish:
        p.topic = in.take(in.u16());
        if (p.qos != 0)
            p.id = in.u16();
        if (v5)
            in.properties();
        p.payload = in.left;
        return in.ok && p.qos < 3;
    case packet_type::puback:
    case packet_type::pubrec:
    case packet_type::pubrel:
    case packet_type::pubcomp:
        p.id = in.u16();
        if (in.ok && v5 && !in.left.empty())
            p.reason = in.u8();
        return in.ok && p.id != 0;
    case packet_type::suback:
    case packet_type::unsuback:
        p.id = in.u16();
        if (v5)
            in.properties();
        if (p.type == packet_type::suback || v5)
            p.reason = in.u8();
        return in.ok;
    case packet_type::disconnect:
        if (!in.left.empty())
            p.reason = in.u8();
        return v5;
    case packet_type::pingresp: return in.left.empty();
    default: return false;  // only a client may send the others
    }
}

}  // namespace

void packet_reader::feed(std::string_view bytes)
{
    buffer_.erase(0, begin_);
    begin_ = 0;
    buffer_.append(bytes);
}

std::optional<packet> packet_reader::next()
{
    if (broken_)
        return std::nullopt;
    std::string_view const all = std::string_view{buffer_}.substr(begin_);
    std::size_t size = 0;
    std::size_t head = 1;
    for (unsigned shift = 0;; shift += 7, ++head) {
        if (head >= all.size())
            return std::nullopt;
        auto const digit = static_cast<unsigned char>(all[head]);
        size |= static_cast<std::size_t>(digit & 0x7FU) << shift;
        if ((digit & 0x80U) == 0)
            break;
        if (shift == 21) {
            broken_ = true;
            return std::nullopt;
        }
    }
    ++head;
    if (size > packet_bytes_max) {
        broken_ = true;
        return std::nullopt;
    }
    if (all.size() < head + size)
        return std::nullopt;
    auto const first = static_cast<unsigned char>(all[0]);
    packet p;
    p.type = static_cast<packet_type>(first >> 4U);
    p.dup = (first & 8U) != 0;
    p.qos = static_cast<std::uint8_t>(first >> 1U & 3U);
    p.retain = (first & 1U) != 0;
    begin_ += head + size;
    if (!read_body(p, cursor{all.substr(head, size)}, version_)) {
        broken_ = true;
        return std::nullopt;
    }
    return p;
}

std::string encode_connect(connect_fields const& fields)
{
    std::string body;
    put_text(body, "MQTT");
    body.push_back(static_cast<char>(fields.speaks));
    body.push_back(fields.clean ? '\x02' : '\x00');
    put_u16(body, 0);  // no keep-alive: a killed broker closes the socket
    if (fields.speaks == version::v5) {
        std::string properties;
        properties.push_back('\x11');
        put_u32(properties, fields.expiry_s);
        if (fields.receive_maximum != 0) {
            properties.push_back('\x21');
            put_u16(properties, fields.receive_maximum);
        }
        put_variable(body, properties.size());
        body += properties;
    }
    put_text(body, fields.client_id);
    return framed(first_byte(packet_type::connect, 0), body);
}

std::string encode_publish(publish_fields const& fields)
{
    std::string body;
    body.reserve(fields.topic.size() + fields.payload.size() + 5);
    put_text(body, fields.topic);
    if (fields.qos != 0)
        put_u16(body, fields.id);
    if (fields.speaks == version::v5)
        body.push_back('\0');
    body.append(fields.payload);
    auto const flags = static_cast<std::uint8_t>((fields.dup ? 8U : 0U) | static_cast<unsigned>(fields.qos) << 1U);
    return framed(first_byte(packet_type::publish, flags), body);
}

std::string encode_subscribe(version v, std::uint16_t id, std::vector<std::string> const& filters, std::uint8_t qos)
{
    std::string body;
    put_u16(body, id);
    if (v == version::v5)
        body.push_back('\0');
    for (auto const& filter : filters) {
        put_text(body, filter);
        body.push_back(static_cast<char>(qos));
    }
    return framed(first_byte(packet_type::subscribe, 2), body);
}

std::string encode_ack(packet_type type, std::uint16_t id)
{
    std::string body;
    put_u16(body, id);
    return framed(first_byte(type, type == packet_type::pubrel ? 2 : 0), body);
}

std::string encode_disconnect() { return framed(first_byte(packet_type::disconnect, 0), {}); }

}  // namespace fulmar::ledger
