// Packets written byte by byte, for tests of the decoder and the encoder: independent of both.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

namespace fulmar::mqtt::test {

inline std::string raw(std::initializer_list<unsigned> bytes)
{
    std::string out;
    for (auto const byte : bytes)
        out += static_cast<char>(byte);
    return out;
}

inline std::string u8(unsigned value) { return raw({value}); }

inline std::string u16(unsigned value) { return raw({value >> 8U, value & 0xFFU}); }

inline std::string u32(std::uint32_t value) { return u16(value >> 16U) + u16(value & 0xFFFFU); }

inline std::string varint(std::size_t value)
{
    std::string out;
    do {
        auto const low = static_cast<unsigned>(value % 128);
        value /= 128;
        out += u8(value > 0 ? low + 128 : low);
    } while (value > 0);
    return out;
}

inline std::string text(std::string_view value)
{
    return u16(static_cast<unsigned>(value.size())) + std::string{value};
}

// A property block with its length.
inline std::string props(std::string const& block = {}) { return varint(block.size()) + block; }

inline std::string user(std::string_view name, std::string_view value) { return u8(0x26) + text(name) + text(value); }

// A whole packet: first byte, Remaining Length, body.
inline std::string packet_of(unsigned first_byte, std::string const& body = {})
{
    return u8(first_byte) + varint(body.size()) + body;
}

// The parts of a CONNECT, with values that make a valid one.
struct connect_bytes
{
    std::string name = "MQTT";
    unsigned level = 5;
    unsigned flags = 0x02;
    unsigned keep_alive = 60;
    std::string properties;  // v5: without length
    std::string payload = text("c1");

    [[nodiscard]] std::string packet() const
    {
        auto body = text(name) + u8(level) + u8(flags) + u16(keep_alive);
        if (level == 5)
            body += props(properties);
        return packet_of(0x10, body + payload);
    }
};

inline std::span<char const> span_of(std::string const& bytes) { return {bytes.data(), bytes.size()}; }

}  // namespace fulmar::mqtt::test
