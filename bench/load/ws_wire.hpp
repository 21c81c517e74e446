// The client's side of WebSocket (RFC 6455): the handshake request, masked frames out, plain frames in.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace fulmar::load {

[[nodiscard]] std::string ws_request(std::string_view host, std::uint16_t port, std::string_view path,
                                     std::string_view protocol);  // empty: none is asked for

// Bytes of the response header including its empty line; 0 if it is not complete; malformed (mqtt_wire.hpp) if it is not
// "101 Switching Protocols".
[[nodiscard]] std::size_t ws_response(std::string_view bytes) noexcept;

// Appends one masked frame.
void write_ws_frame(std::string& out, std::string_view payload, std::uint8_t opcode, std::uint32_t mask);

struct ws_frame
{
    std::string_view payload;
    std::uint8_t opcode = 0;
    std::size_t bytes = 0;  // header and payload; 0: not complete
};
[[nodiscard]] inline ws_frame read_ws_frame(std::string_view from) noexcept
{
    if (from.size() < 2)
        return {};
    auto const byte = [&](std::size_t i) { return static_cast<std::uint64_t>(static_cast<unsigned char>(from[i])); };
    auto length = byte(1) & 0x7F;
    std::size_t header = 2;
    if (length == 126) {
        if (from.size() < 4)
            return {};
        length = byte(2) << 8 | byte(3);
        header = 4;
    } else if (length == 127) {
        if (from.size() < 10)
            return {};
        length = 0;
        for (std::size_t i = 2; i < 10; ++i)
            length = length << 8 | byte(i);
        header = 10;
    }
    if (from.size() - header < length)
        return {};
    return {from.substr(header, length), static_cast<std::uint8_t>(byte(0) & 0x0F), header + length};
}

}  // namespace fulmar::load
