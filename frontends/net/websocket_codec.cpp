#include "frontends/net/websocket_codec.hpp"

#include <algorithm>
#include <cstring>

namespace fulmar::net {

namespace {

// A message may have this many fragments, and one more for every so many bytes.
constexpr std::uint32_t fragments_free = 16 * 1024;
constexpr std::uint64_t bytes_per_fragment = 2;

[[nodiscard]] bool is_control(websocket_opcode opcode) noexcept { return static_cast<std::uint8_t>(opcode) >= 8; }

[[nodiscard]] bool known(std::uint8_t opcode) noexcept { return opcode <= 2 || (opcode >= 8 && opcode <= 10); }

[[nodiscard]] std::uint64_t big_endian(char const* bytes, std::size_t count) noexcept
{
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < count; ++i)
        value = (value << 8) | static_cast<std::uint8_t>(bytes[i]);
    return value;
}

void put_big_endian(char* out, std::uint64_t value, std::size_t count) noexcept
{
    for (std::size_t i = 0; i < count; ++i)
        out[i] = static_cast<char>(value >> (8 * (count - 1 - i)));
}

// The longest prefix of `text` that fits and does not cut a character.
[[nodiscard]] std::string_view fitting(std::string_view text, std::size_t bytes_max) noexcept
{
    if (text.size() <= bytes_max)
        return text;
    auto end = bytes_max;
    while (end > 0 && (static_cast<std::uint8_t>(text[end]) & 0xC0U) == 0x80U)
        --end;
    return text.substr(0, end);
}

[[nodiscard]] std::size_t ascii_prefix(char const* from, char const* end) noexcept
{
    auto const* at = from;
    while (end - at >= 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, at, sizeof word);
        if ((word & 0x8080808080808080ULL) != 0)
            break;
        at += 8;
    }
    while (at != end && static_cast<std::uint8_t>(*at) < 0x80)
        ++at;
    return static_cast<std::size_t>(at - from);
}

}  // namespace

bool valid_close_code(std::uint16_t code) noexcept
{
    if (code >= 3000 && code <= 4999)
        return true;
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014);
}

bool utf8_validator::feed(std::string_view bytes) noexcept
{
    auto const* at = bytes.data();
    auto const* const end = at + bytes.size();
    while (at != end) {
        if (missing_ == 0) {
            at += ascii_prefix(at, end);
            if (at == end)
                return true;
        }
        auto const c = static_cast<std::uint8_t>(*at++);
        if (missing_ > 0) {
            if (c < low_ || c > high_)
                return false;
            --missing_;
            low_ = 0x80;
            high_ = 0xBF;
            continue;
        }
        if (c < 0xC2 || c > 0xF4)
            return false;
        missing_ = c < 0xE0 ? 1 : (c < 0xF0 ? 2 : 3);
        low_ = c == 0xE0 ? 0xA0 : (c == 0xF0 ? 0x90 : 0x80);
        high_ = c == 0xED ? 0x9F : (c == 0xF4 ? 0x8F : 0xBF);
    }
    return true;
}

void unmask(char* to, char const* from, std::size_t size, std::array<char, 4> mask, std::size_t phase) noexcept
{
    std::array<char, 8> turned{};
    for (std::size_t i = 0; i < turned.size(); ++i)
        turned[i] = mask[(phase + i) & 3];
    std::uint64_t key = 0;
    std::memcpy(&key, turned.data(), sizeof key);
    std::size_t i = 0;
    for (; i + 8 <= size; i += 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, from + i, sizeof word);
        word ^= key;
        std::memcpy(to + i, &word, sizeof word);
    }
    for (; i < size; ++i)
        to[i] = static_cast<char>(from[i] ^ turned[i & 7]);
}

std::size_t write_frame_header(char* out, websocket_opcode opcode, std::uint64_t payload_bytes,
                               bool compressed) noexcept
{
    out[0] = static_cast<char>(0x80U | (compressed ? 0x40U : 0U) | static_cast<std::uint8_t>(opcode));
    if (payload_bytes <= 125) {
        out[1] = static_cast<char>(payload_bytes);
        return 2;
    }
    if (payload_bytes <= 0xFFFF) {
        out[1] = 126;
        put_big_endian(out + 2, payload_bytes, 2);
        return 4;
    }
    out[1] = 127;
    put_big_endian(out + 2, payload_bytes, 8);
    return 10;
}

void append_frame(std::vector<char>& out, websocket_opcode opcode, std::string_view payload, bool compressed)
{
    std::array<char, frame_header_bytes_max> header{};
    auto const size = write_frame_header(header.data(), opcode, payload.size(), compressed);
    out.insert(out.end(), header.data(), header.data() + size);
    out.insert(out.end(), payload.begin(), payload.end());
}

void append_close_frame(std::vector<char>& out, std::uint16_t code, std::string_view reason)
{
    if (code == close_code::none) {
        append_frame(out, websocket_opcode::close, {});
        return;
    }
    std::array<char, control_payload_bytes_max> payload{};
    put_big_endian(payload.data(), code, 2);
    auto const text = fitting(reason, control_payload_bytes_max - 2);
    std::copy(text.begin(), text.end(), payload.begin() + 2);
    append_frame(out, websocket_opcode::close, {payload.data(), 2 + text.size()});
}

std::uint16_t websocket_control::code() const noexcept
{
    return size < 2 ? close_code::none : static_cast<std::uint16_t>(big_endian(bytes.data(), 2));
}

// What the first bytes of a frame say.
struct websocket_decoder::frame_head
{
    std::uint8_t first = 0;
    bool masked = false;
    bool minimal = true;  // the length is written in as few bytes as possible
    websocket_opcode opcode = websocket_opcode::continuation;
    std::uint64_t length = 0;
    std::size_t bytes = 2;  // up to and with the mask

    [[nodiscard]] bool final() const noexcept { return (first & 0x80U) != 0; }
    [[nodiscard]] bool rsv1() const noexcept { return (first & 0x40U) != 0; }
};

websocket_decoder::event websocket_decoder::fail(std::uint16_t code) noexcept
{
    failure_ = code;
    return event::failed;
}

std::uint16_t websocket_decoder::check(frame_head const& head) const noexcept
{
    if ((head.first & 0x30U) != 0 || !known(head.first & 0x0FU) || !head.masked || !head.minimal)
        return close_code::protocol_error;
    auto const begins = head.opcode == websocket_opcode::text || head.opcode == websocket_opcode::binary;
    if (head.rsv1() && !(deflate_ && begins))
        return close_code::protocol_error;
    if (is_control(head.opcode))
        return head.final() && head.length <= control_payload_bytes_max ? std::uint16_t{0} : close_code::protocol_error;
    if (begins == in_message_)
        return close_code::protocol_error;  // a second beginning, or a continuation of nothing
    if ((head.length >> 63U) != 0)
        return close_code::protocol_error;
    auto const before = begins ? 0 : message_bytes_;
    if (head.length > message_bytes_max_ || before > message_bytes_max_ - head.length)
        return close_code::too_big;
    if (!begins && fragments_ >= fragments_free + (before + head.length) / bytes_per_fragment)
        return close_code::too_big;
    return 0;
}

websocket_decoder::event websocket_decoder::next(std::span<char const>& in, websocket_control& control) noexcept
{
    if (failure_ != 0)
        return event::failed;
    if (in_frame_)
        return in.empty() && remaining_ > 0 ? event::need_more : event::payload;
    if (in.size() < 2)
        return event::need_more;

    frame_head head;
    head.first = static_cast<std::uint8_t>(in[0]);
    auto const second = static_cast<std::uint8_t>(in[1]);
    head.opcode = static_cast<websocket_opcode>(head.first & 0x0FU);
    head.masked = (second & 0x80U) != 0;
    head.length = second & 0x7FU;
    auto const extended = head.length == 126 ? 2U : (head.length == 127 ? 8U : 0U);
    if (extended != 0 && in.size() < 2 + extended) {
        // What is wrong already with the first two bytes need not wait for the rest.
        auto const early = is_control(head.opcode) || !head.masked ? close_code::protocol_error : std::uint16_t{0};
        return early != 0 ? fail(early) : event::need_more;
    }
    if (extended != 0) {
        head.length = big_endian(in.data() + 2, extended);
        head.minimal = head.length > (extended == 2 ? 125U : 0xFFFFU);
    }
    head.bytes = 2 + extended + 4;
    if (auto const code = check(head); code != 0)
        return fail(code);
    if (in.size() < head.bytes)
        return event::need_more;
    std::memcpy(mask_.data(), in.data() + head.bytes - 4, mask_.size());
    if (is_control(head.opcode))
        return read_control(head, in, control);
    in = in.subspan(head.bytes);
    return begin_data(head);
}

websocket_decoder::event websocket_decoder::begin_data(frame_head const& head) noexcept
{
    if (head.opcode != websocket_opcode::continuation) {
        in_message_ = true;
        kind_ = head.opcode;
        compressed_ = head.rsv1();
        message_bytes_ = 0;
        fragments_ = 0;
        text_.reset();
    }
    ++fragments_;
    message_bytes_ += head.length;
    remaining_ = head.length;
    final_ = head.final();
    phase_ = 0;
    in_frame_ = true;
    return event::payload;
}

websocket_decoder::event websocket_decoder::read_control(frame_head const& head, std::span<char const>& in,
                                                         websocket_control& control) noexcept
{
    if (in.size() < head.bytes + head.length)
        return event::need_more;
    control.size = static_cast<std::uint8_t>(head.length);
    unmask(control.bytes.data(), in.data() + head.bytes, control.size, mask_, 0);
    in = in.subspan(head.bytes + control.size);
    if (head.opcode == websocket_opcode::ping)
        return event::ping;
    if (head.opcode == websocket_opcode::pong)
        return event::pong;
    if (control.size == 1 || (control.size >= 2 && !valid_close_code(control.code())))
        return fail(close_code::protocol_error);
    utf8_validator reason;
    if (!reason.feed(control.reason()) || !reason.complete())
        return fail(close_code::invalid_payload);
    return event::close;
}

websocket_decoder::taken websocket_decoder::take(std::span<char const>& in, std::vector<char>& out)
{
    auto const size = static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, in.size()));
    auto const before = out.size();
    out.resize(before + size);
    unmask(out.data() + before, in.data(), size, mask_, phase_);
    in = in.subspan(size);
    remaining_ -= size;
    phase_ = static_cast<std::uint8_t>((phase_ + size) & 3);
    auto const is_text = kind_ == websocket_opcode::text && !compressed_;
    if (is_text && !text_.feed({out.data() + before, size})) {
        (void)fail(close_code::invalid_payload);
        return taken::failed;
    }
    if (remaining_ > 0)
        return taken::more;
    in_frame_ = false;
    if (!final_)
        return taken::frame_end;
    in_message_ = false;
    if (is_text && !text_.complete()) {
        (void)fail(close_code::invalid_payload);
        return taken::failed;
    }
    return taken::message_end;
}

}  // namespace fulmar::net
