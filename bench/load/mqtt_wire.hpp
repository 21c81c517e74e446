// The MQTT packets a load client needs, written and read with as little work as possible. Versions 3.1.1 and 5.0.
//
// Not a validating codec: it trusts a broker to send well-formed packets and gives up on the connection otherwise.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace fulmar::load {

enum class packet_type : std::uint8_t {
    connect = 1,
    connack = 2,
    publish = 3,
    puback = 4,
    pubrec = 5,
    pubrel = 6,
    pubcomp = 7,
    subscribe = 8,
    suback = 9,
    pingreq = 12,
    disconnect = 14
};

struct connect_settings
{
    std::string client_id;
    std::string user;  // empty: no user name, no password
    std::string password;
    bool clean = true;
    bool durable = false;  // MQTT 5: keep the session for a day after the connection
};

struct publish_view
{
    std::string_view topic;
    std::string_view payload;
    std::uint16_t packet_id = 0;
    std::uint8_t qos = 0;
};

struct connack_view
{
    std::uint8_t code = 0;
    bool session_present = false;
    std::uint16_t receive_maximum = 65'535;
};

void write_connect(std::string& out, connect_settings const& settings, bool v5);
void write_subscribe(std::string& out, std::uint16_t id, std::string_view filter, std::uint8_t qos, bool v5);
void write_publish(std::string& out, std::string_view topic, std::string_view payload, std::uint8_t qos,
                   std::uint16_t id, bool v5);
void write_disconnect(std::string& out);

inline void write_ack(std::string& out, packet_type type, std::uint16_t id)
{
    char const packet[4] = {
        static_cast<char>(static_cast<unsigned>(type) << 4 | (type == packet_type::pubrel ? 2U : 0U)), 2,
        static_cast<char>(id >> 8), static_cast<char>(id & 0xFF)};
    out.append(packet, sizeof packet);
}

[[nodiscard]] inline std::uint16_t read_u16(char const* at) noexcept
{
    return static_cast<std::uint16_t>(static_cast<unsigned char>(at[0]) << 8 | static_cast<unsigned char>(at[1]));
}

// Reads a variable byte integer; the number of bytes it took, 0 if it is not complete, 5 if it is malformed.
[[nodiscard]] inline unsigned read_variable(std::string_view from, std::uint32_t& value) noexcept
{
    value = 0;
    for (unsigned i = 0; i < 4; ++i) {
        if (i == from.size())
            return 0;
        auto const byte = static_cast<unsigned char>(from[i]);
        value |= (byte & 0x7FU) << (7 * i);
        if (byte < 0x80)
            return i + 1;
    }
    return 5;
}

[[nodiscard]] bool read_publish(std::uint8_t flags, std::string_view body, bool v5, publish_view& view) noexcept;
[[nodiscard]] bool read_connack(std::string_view body, bool v5, connack_view& view) noexcept;

inline constexpr std::size_t malformed = static_cast<std::size_t>(-1);

// Hands every complete packet in `bytes` to on_packet(first_byte, body); stops early when that returns false.
// Returns the bytes consumed, or `malformed`.
template <class OnPacket>
[[nodiscard]] std::size_t for_each_packet(std::string_view bytes, OnPacket&& on_packet)
{
    std::size_t at = 0;
    while (bytes.size() - at >= 2) {
        std::uint32_t length;
        auto const header = read_variable(bytes.substr(at + 1), length);
        if (header == 0)
            break;
        if (header == 5)
            return malformed;
        if (bytes.size() - at - 1 - header < length)
            break;
        auto const first = static_cast<std::uint8_t>(bytes[at]);
        auto const body = bytes.substr(at + 1 + header, length);
        at += 1 + header + length;
        if (!on_packet(first, body))
            break;
    }
    return at;
}

}  // namespace fulmar::load
