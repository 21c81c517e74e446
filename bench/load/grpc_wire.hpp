// The client's side of HTTP/2 (RFC 9113) and of gRPC's messages, as far as one call per connection needs it.
//
// Not a validating parser, and it reads no header fields (HPACK's state is never needed): a call that fails ends its stream
// without a message, and that is all a measurement has to know.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace fulmar::load {

enum class h2_type : std::uint8_t {
    data = 0,
    headers = 1,
    rst_stream = 3,
    settings = 4,
    ping = 6,
    goaway = 7,
    window_update = 8
};
inline constexpr std::uint8_t h2_ack = 0x1;         // SETTINGS, PING
inline constexpr std::uint8_t h2_end_stream = 0x1;  // DATA, HEADERS
inline constexpr std::uint8_t h2_end_headers = 0x4;
inline constexpr std::uint8_t h2_padded = 0x8;
inline constexpr std::size_t h2_frame_bytes_max = 16'384;  // of a payload, unless somebody allows more
inline constexpr std::int64_t h2_initial_window = 65'535;
inline constexpr std::uint32_t h2_largest_window = 0x7FFF'FFFF;

struct h2_frame
{
    std::size_t bytes = 0;  // with its header; 0: not complete; malformed (mqtt_wire.hpp)
    h2_type type{};
    std::uint8_t flags = 0;
    std::uint32_t stream = 0;
    std::string_view payload;
};
[[nodiscard]] h2_frame read_h2_frame(std::string_view bytes) noexcept;
void write_h2_frame(std::string& out, h2_type type, std::uint8_t flags, std::uint32_t stream, std::string_view payload);
[[nodiscard]] std::uint32_t h2_number(std::string_view four_bytes) noexcept;

// The preface, and leave to send us as much as there is.
void write_h2_opening(std::string& out);
void write_h2_credit(std::string& out, std::uint32_t stream, std::uint32_t bytes);
// HEADERS of stream 1. `authorization` may be empty.
void write_grpc_call(std::string& out, std::string_view path, std::string_view authority, bool tls,
                     std::string_view authorization);

struct grpc_message
{
    std::size_t bytes = 0;  // with its prefix; 0: not complete; malformed: compressed
    std::string_view content;
};
[[nodiscard]] grpc_message read_grpc_message(std::string_view bytes) noexcept;

// A message of one PublishStreamRequest with one publication; of one SubscribeRequest with one filter (proto/fulmar/v1).
void write_publication(std::string& out, std::string_view topic, std::string_view payload, std::uint8_t qos);
void write_subscription(std::string& out, std::string_view filter);

// A field of a protobuf message: a number, or bytes. Those of fixed size are passed over.
struct proto_field
{
    std::uint32_t number = 0;
    std::uint64_t value = 0;
    std::string_view bytes;
};
// Takes the next field off the front. False at the end; then `message` is empty unless it is malformed.
[[nodiscard]] bool next_field(std::string_view& message, proto_field& out) noexcept;

}  // namespace fulmar::load
