#include "bench/load/ws_wire.hpp"

#include "bench/load/mqtt_wire.hpp"

#include <cstring>

namespace fulmar::load {

std::string ws_request(std::string_view host, std::uint16_t port, std::string_view path, std::string_view protocol)
{
    std::string request{"GET "};
    request.append(path).append(" HTTP/1.1\r\nHost: ").append(host).append(":").append(std::to_string(port));
    request.append("\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
    if (!protocol.empty())
        request.append("Sec-WebSocket-Protocol: ").append(protocol).append("\r\n");
    request.append("Sec-WebSocket-Version: 13\r\n\r\n");
    return request;
}

std::size_t ws_response(std::string_view bytes) noexcept
{
    auto const end = bytes.find("\r\n\r\n");
    if (end == bytes.npos)
        return 0;
    return bytes.starts_with("HTTP/1.1 101") ? end + 4 : malformed;
}

void write_ws_frame(std::string& out, std::string_view payload, std::uint8_t opcode, std::uint32_t mask)
{
    out.push_back(static_cast<char>(0x80 | opcode));
    if (payload.size() < 126) {
        out.push_back(static_cast<char>(0x80 | payload.size()));
    } else if (payload.size() < 65'536) {
        out.push_back(static_cast<char>(0x80 | 126));
        out.push_back(static_cast<char>(payload.size() >> 8));
        out.push_back(static_cast<char>(payload.size() & 0xFF));
    } else {
        out.push_back(static_cast<char>(0x80 | 127));
        for (int shift = 56; shift >= 0; shift -= 8)
            out.push_back(static_cast<char>(payload.size() >> shift & 0xFF));
    }
    char key[4];
    std::memcpy(key, &mask, sizeof key);
    out.append(key, sizeof key);
    auto const begin = out.size();
    out.append(payload);
    auto* const to = out.data() + begin;
    auto const wide = std::uint64_t{mask} << 32 | mask;
    std::size_t i = 0;
    for (; i + 8 <= payload.size(); i += 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, to + i, 8);
        word ^= wide;
        std::memcpy(to + i, &word, 8);
    }
    for (; i < payload.size(); ++i)
        to[i] = static_cast<char>(to[i] ^ key[i % 4]);
}

}  // namespace fulmar::load
