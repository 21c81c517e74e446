// WebSocket frames, both directions, without I/O: the server's side of RFC 6455.
//
// Spec:     RFC 6455 §5 (framing), §5.5 (control frames), §7.4 (close codes), §8.1 (UTF-8); RFC 7692 §6 (RSV1).
// Owner:    websocket_session, by value.
// Threads:  shard-owned; the free functions are pure.
// Limits:   the length field is compared with message_bytes_max before a byte of the frame is kept; fragments of one
//           message are limited in proportion to its size, so that empty ones cannot keep us busy for nothing.
// Cost:     one pass over the payload to unmask it, eight bytes at a time, and one to validate text.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace fulmar::net {

enum class websocket_opcode : std::uint8_t { continuation = 0, text = 1, binary = 2, close = 8, ping = 9, pong = 10 };

namespace close_code {
inline constexpr std::uint16_t normal = 1000;
inline constexpr std::uint16_t going_away = 1001;
inline constexpr std::uint16_t protocol_error = 1002;
inline constexpr std::uint16_t unsupported_kind = 1003;
inline constexpr std::uint16_t none = 1005;  // never on the wire: a close frame without a code
inline constexpr std::uint16_t invalid_payload = 1007;
inline constexpr std::uint16_t policy_violation = 1008;
inline constexpr std::uint16_t too_big = 1009;
inline constexpr std::uint16_t internal_error = 1011;
}  // namespace close_code

// May a peer send this code in a close frame?
[[nodiscard]] bool valid_close_code(std::uint16_t code) noexcept;

// Checks UTF-8 in pieces and fails at the first byte that cannot belong to it. Overlong forms and surrogates fail.
class utf8_validator
{
public:
    // False: the text so far can never become valid.
    [[nodiscard]] bool feed(std::string_view bytes) noexcept;
    [[nodiscard]] bool complete() const noexcept { return missing_ == 0; }
    void reset() noexcept { *this = utf8_validator{}; }

private:
    std::uint8_t missing_ = 0;  // continuation bytes still to come
    std::uint8_t low_ = 0x80;   // bounds of the next one
    std::uint8_t high_ = 0xBF;
};

// XORs `size` bytes with the mask, beginning at its byte `phase & 3`. `to` may be `from`.
void unmask(char* to, char const* from, std::size_t size, std::array<char, 4> mask, std::size_t phase) noexcept;

inline constexpr std::size_t frame_header_bytes_max = 10;
inline constexpr std::size_t control_payload_bytes_max = 125;

// Writes the header of an unmasked, final frame to `out`, which has frame_header_bytes_max bytes; returns its length.
std::size_t write_frame_header(char* out, websocket_opcode opcode, std::uint64_t payload_bytes,
                               bool compressed = false) noexcept;

// Appends one unmasked, final frame.
void append_frame(std::vector<char>& out, websocket_opcode opcode, std::string_view payload, bool compressed = false);

// Appends a close frame. close_code::none gives an empty one; a long reason is cut between two characters.
void append_close_frame(std::vector<char>& out, std::uint16_t code, std::string_view reason = {});

// The payload of one control frame.
struct websocket_control
{
    std::array<char, control_payload_bytes_max> bytes;
    std::uint8_t size = 0;
    [[nodiscard]] std::string_view payload() const noexcept { return {bytes.data(), size}; }
    // Of a close frame: its code, close_code::none if it has none, and its reason.
    [[nodiscard]] std::uint16_t code() const noexcept;
    [[nodiscard]] std::string_view reason() const noexcept
    {
        return size > 2 ? payload().substr(2) : std::string_view{};
    }
};

class websocket_decoder
{
public:
    // `deflate`: permessage-deflate was negotiated, so RSV1 may be set on the first frame of a message.
    websocket_decoder(std::uint64_t message_bytes_max, bool deflate) noexcept
        : message_bytes_max_(message_bytes_max), deflate_(deflate)
    {
    }

    enum class event : std::uint8_t {
        need_more,  // everything usable was taken from `in`
        payload,    // bytes, or the end, of a data frame: call take()
        ping,
        pong,
        close,
        failed,  // send a close frame with failure() and end the connection
    };

    // Takes one frame header or one whole control frame from the front of `in`. A frame that is refused is refused as
    // soon as its first bytes say so.
    [[nodiscard]] event next(std::span<char const>& in, websocket_control& control) noexcept;

    enum class taken : std::uint8_t { more, frame_end, message_end, failed };

    // After event::payload: appends what `in` has of the frame, unmasked, to `out`.
    [[nodiscard]] taken take(std::span<char const>& in, std::vector<char>& out);

    // Of the message under way, from its first event::payload on.
    [[nodiscard]] websocket_opcode kind() const noexcept { return kind_; }
    [[nodiscard]] bool compressed() const noexcept { return compressed_; }

    [[nodiscard]] std::uint16_t failure() const noexcept { return failure_; }

private:
    struct frame_head;
    [[nodiscard]] std::uint16_t check(frame_head const& head) const noexcept;
    [[nodiscard]] event begin_data(frame_head const& head) noexcept;
    [[nodiscard]] event read_control(frame_head const& head, std::span<char const>& in,
                                     websocket_control& control) noexcept;
    event fail(std::uint16_t code) noexcept;

    std::uint64_t message_bytes_max_;
    std::uint64_t message_bytes_ = 0;  // announced by the frames of this message so far
    std::uint64_t remaining_ = 0;      // of the frame under way
    std::uint32_t fragments_ = 0;
    std::array<char, 4> mask_{};
    std::uint16_t failure_ = 0;
    utf8_validator text_;
    websocket_opcode kind_ = websocket_opcode::binary;
    std::uint8_t phase_ = 0;  // into the mask
    bool deflate_;
    bool in_frame_ = false;
    bool in_message_ = false;
    bool final_ = false;
    bool compressed_ = false;
};

}  // namespace fulmar::net
