#include "bench/load/grpc_wire.hpp"

#include "bench/load/mqtt_wire.hpp"

#include <optional>

namespace fulmar::load {

namespace {

constexpr std::size_t frame_header = 9;
constexpr std::size_t message_prefix = 5;

void put(std::string& out, std::uint64_t value, int bytes)
{
    for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8)
        out.push_back(static_cast<char>(value >> shift & 0xFF));
}

void put_varint(std::string& out, std::uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        out.push_back(static_cast<char>(value | 0x80));
    out.push_back(static_cast<char>(value));
}

[[nodiscard]] std::size_t varint_bytes(std::uint64_t value) noexcept
{
    std::size_t bytes = 1;
    for (; value >= 0x80; value >>= 7)
        ++bytes;
    return bytes;
}

void put_bytes_field(std::string& out, std::uint32_t number, std::string_view bytes)
{
    put_varint(out, number << 3 | 2);
    put_varint(out, bytes.size());
    out.append(bytes);
}

[[nodiscard]] std::size_t bytes_field_bytes(std::string_view bytes) noexcept
{
    return 1 + varint_bytes(bytes.size()) + bytes.size();
}

void put_message_prefix(std::string& out, std::size_t size)
{
    out.push_back('\0');  // not compressed
    put(out, size, 4);
}

[[nodiscard]] std::optional<std::uint64_t> take_varint(std::string_view& from) noexcept
{
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && !from.empty(); shift += 7) {
        auto const byte = static_cast<unsigned char>(from.front());
        from.remove_prefix(1);
        value |= std::uint64_t{byte & 0x7FU} << shift;
        if (byte < 0x80)
            return value;
    }
    return std::nullopt;
}

// HPACK (RFC 7541 §5.1, §5.2, §6.2.3): literals that are never indexed, without Huffman.
void put_hpack_number(std::string& out, unsigned char first, unsigned prefix_bits, std::size_t value)
{
    auto const most = (std::size_t{1} << prefix_bits) - 1;
    if (value < most) {
        out.push_back(static_cast<char>(first | value));
        return;
    }
    out.push_back(static_cast<char>(first | most));
    put_varint(out, value - most);
}

void put_hpack_text(std::string& out, std::string_view text)
{
    put_hpack_number(out, 0, 7, text.size());
    out.append(text);
}

void put_field(std::string& out, std::size_t name_in_static_table, std::string_view value)
{
    put_hpack_number(out, 0x10, 4, name_in_static_table);
    put_hpack_text(out, value);
}

void put_field(std::string& out, std::string_view name, std::string_view value)
{
    out.push_back(0x10);
    put_hpack_text(out, name);
    put_hpack_text(out, value);
}

}  // namespace

std::uint32_t h2_number(std::string_view four_bytes) noexcept
{
    std::uint32_t value = 0;
    for (auto const each : four_bytes.substr(0, 4))
        value = value << 8 | static_cast<unsigned char>(each);
    return value;
}

h2_frame read_h2_frame(std::string_view bytes) noexcept
{
    h2_frame frame;
    if (bytes.size() < frame_header)
        return frame;
    auto const length = h2_number(bytes) >> 8;
    if (length > h2_frame_bytes_max) {
        frame.bytes = malformed;
        return frame;
    }
    if (bytes.size() < frame_header + length)
        return frame;
    frame.type = static_cast<h2_type>(bytes[3]);
    frame.flags = static_cast<std::uint8_t>(bytes[4]);
    frame.stream = h2_number(bytes.substr(5)) & 0x7FFF'FFFF;
    frame.payload = bytes.substr(frame_header, length);
    frame.bytes = frame_header + length;
    return frame;
}

void write_h2_frame(std::string& out, h2_type type, std::uint8_t flags, std::uint32_t stream, std::string_view payload)
{
    put(out, payload.size(), 3);
    put(out, static_cast<std::uint8_t>(type), 1);
    put(out, flags, 1);
    put(out, stream, 4);
    out.append(payload);
}

void write_h2_opening(std::string& out)
{
    out.append("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    std::string settings;
    put(settings, 2, 2);  // SETTINGS_ENABLE_PUSH
    put(settings, 0, 4);
    put(settings, 4, 2);  // SETTINGS_INITIAL_WINDOW_SIZE
    put(settings, h2_largest_window, 4);
    write_h2_frame(out, h2_type::settings, 0, 0, settings);
    write_h2_credit(out, 0, h2_largest_window - static_cast<std::uint32_t>(h2_initial_window));
}

void write_h2_credit(std::string& out, std::uint32_t stream, std::uint32_t bytes)
{
    std::string increment;
    put(increment, bytes, 4);
    write_h2_frame(out, h2_type::window_update, 0, stream, increment);
}

void write_grpc_call(std::string& out, std::string_view path, std::string_view authority, bool tls,
                     std::string_view authorization)
{
    std::string fields{'\x83'};               // :method POST
    fields.push_back(tls ? '\x87' : '\x86');  // :scheme
    put_field(fields, 4, path);
    put_field(fields, 1, authority);
    put_field(fields, "te", "trailers");
    put_field(fields, 31, "application/grpc");
    if (!authorization.empty())
        put_field(fields, 23, authorization);
    write_h2_frame(out, h2_type::headers, h2_end_headers, 1, fields);
}

grpc_message read_grpc_message(std::string_view bytes) noexcept
{
    grpc_message message;
    if (!bytes.empty() && bytes.front() != '\0') {
        message.bytes = malformed;
        return message;
    }
    if (bytes.size() < message_prefix)
        return message;
    std::size_t const size = h2_number(bytes.substr(1));
    if (bytes.size() < message_prefix + size)
        return message;
    message.bytes = message_prefix + size;
    message.content = bytes.substr(message_prefix, size);
    return message;
}

void write_publication(std::string& out, std::string_view topic, std::string_view payload, std::uint8_t qos)
{
    auto const size = bytes_field_bytes(topic) + bytes_field_bytes(payload) + 2;
    put_message_prefix(out, 1 + varint_bytes(size) + size);
    put_varint(out, 1 << 3 | 2);  // publications
    put_varint(out, size);
    put_bytes_field(out, 1, topic);
    put_bytes_field(out, 2, payload);
    put_varint(out, 5 << 3);  // qos
    put_varint(out, qos == 0 ? 1 : 2);
}

void write_subscription(std::string& out, std::string_view filter)
{
    put_message_prefix(out, bytes_field_bytes(filter));
    put_bytes_field(out, 1, filter);
}

bool next_field(std::string_view& message, proto_field& out) noexcept
{
    for (auto rest = message; !rest.empty();) {
        auto const tag = take_varint(rest);
        if (!tag)
            return false;
        out = {static_cast<std::uint32_t>(*tag >> 3), 0, {}};
        auto const kind = *tag & 7;
        std::size_t fixed = 0;
        if (kind == 0 || kind == 2) {
            auto const value = take_varint(rest);
            if (!value || (kind == 2 && *value > rest.size()))
                return false;
            out.value = *value;
            fixed = kind == 2 ? static_cast<std::size_t>(*value) : 0;
            out.bytes = rest.substr(0, fixed);
        } else if (kind == 1 || kind == 5) {
            fixed = kind == 1 ? 8 : 4;
        } else
            return false;
        if (fixed > rest.size())
            return false;
        rest.remove_prefix(fixed);
        message = rest;
        if (kind == 0 || kind == 2)
            return true;
    }
    return false;
}

}  // namespace fulmar::load
