// The client's side of HTTP/1.1 (RFC 9112), as far as publishing and event streams need it.
//
// Not a validating parser: what it does not understand is malformed, and the client gives up on the connection.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace fulmar::load {

[[nodiscard]] std::string percent_encoded(std::string_view text);
[[nodiscard]] std::string base64_encoded(std::string_view bytes);

struct http_head
{
    std::size_t bytes = 0;  // of the header including its empty line; 0: not complete; malformed (mqtt_wire.hpp)
    unsigned status = 0;
    std::size_t content_length = 0;
    bool chunked = false;
};
[[nodiscard]] http_head read_http_head(std::string_view bytes) noexcept;

struct http_reply
{
    std::size_t bytes = 0;  // header and body; 0: not complete; malformed
    unsigned status = 0;
    std::string_view body;  // still in chunks if it was sent so
};
[[nodiscard]] http_reply read_http_reply(std::string_view bytes) noexcept;

struct http_chunk
{
    std::size_t header = 0;  // bytes of its size line; 0: not complete; malformed
    std::uint64_t size = 0;  // of its content, without the line end behind it; 0: the last one
};
[[nodiscard]] http_chunk read_http_chunk(std::string_view bytes) noexcept;

}  // namespace fulmar::load
