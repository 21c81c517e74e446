#include "bench/load/http_wire.hpp"

#include "bench/load/mqtt_wire.hpp"

#include <strings.h>
#include <algorithm>
#include <charconv>

namespace fulmar::load {

namespace {

bool is_name(std::string_view text, std::string_view name) noexcept
{
    return text.size() == name.size() && strncasecmp(text.data(), name.data(), name.size()) == 0;
}

std::string_view trimmed(std::string_view text) noexcept
{
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
        text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
        text.remove_suffix(1);
    return text;
}

template <class Number>
bool read_number(std::string_view text, Number& value, int base) noexcept
{
    auto const done = std::from_chars(text.data(), text.data() + text.size(), value, base);
    return done.ec == std::errc{} && done.ptr == text.data() + text.size();
}

}  // namespace

std::string percent_encoded(std::string_view text)
{
    static constexpr std::string_view plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    static constexpr char digits[] = "0123456789ABCDEF";
    std::string out;
    for (auto const c : text) {
        if (plain.find(c) != plain.npos) {
            out.push_back(c);
            continue;
        }
        auto const byte = static_cast<unsigned char>(c);
        out.append({'%', digits[byte >> 4], digits[byte & 15]});
    }
    return out;
}

std::string base64_encoded(std::string_view bytes)
{
    static constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        std::uint32_t three = 0;
        for (std::size_t k = 0; k < 3; ++k)
            three = three << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0U);
        for (std::size_t k = 0; k < 4; ++k)
            out.push_back(i + k <= bytes.size() ? digits[three >> (18 - 6 * k) & 63] : '=');
    }
    return out;
}

http_head read_http_head(std::string_view bytes) noexcept
{
    http_head head;
    auto const end = bytes.find("\r\n\r\n");
    if (end == bytes.npos)
        return head;
    head.bytes = malformed;
    if (!bytes.starts_with("HTTP/1.") || end < 12 || !read_number(bytes.substr(9, 3), head.status, 10))
        return head;
    auto at = bytes.find("\r\n") + 2;
    while (at < end) {
        auto const line = bytes.substr(at, bytes.find("\r\n", at) - at);
        at += line.size() + 2;
        auto const colon = line.find(':');
        if (colon == line.npos)
            return head;
        auto const name = line.substr(0, colon);
        auto const value = trimmed(line.substr(colon + 1));
        if (is_name(name, "content-length") && !read_number(value, head.content_length, 10))
            return head;
        if (is_name(name, "transfer-encoding"))
            head.chunked = is_name(value, "chunked");
    }
    head.bytes = end + 4;
    return head;
}

http_chunk read_http_chunk(std::string_view bytes) noexcept
{
    http_chunk chunk;
    auto const end = bytes.find("\r\n");
    if (end == bytes.npos)
        return chunk;
    auto const digits = trimmed(bytes.substr(0, std::min(end, bytes.find(';'))));
    chunk.header = read_number(digits, chunk.size, 16) ? end + 2 : malformed;
    return chunk;
}

http_reply read_http_reply(std::string_view bytes) noexcept
{
    http_reply reply;
    auto const head = read_http_head(bytes);
    if (head.bytes == 0 || head.bytes == malformed) {
        reply.bytes = head.bytes;
        return reply;
    }
    reply.status = head.status;
    auto size = head.content_length;
    if (head.chunked) {
        size = 0;
        for (auto last = false; !last;) {
            if (head.bytes + size > bytes.size())
                return reply;
            auto const chunk = read_http_chunk(bytes.substr(head.bytes + size));
            if (chunk.header == 0 || chunk.header == malformed || chunk.size > (1U << 30)) {
                reply.bytes = chunk.header == 0 ? 0 : malformed;
                return reply;
            }
            size += chunk.header + static_cast<std::size_t>(chunk.size) + 2;
            last = chunk.size == 0;
        }
    }
    if (bytes.size() - head.bytes < size)
        return reply;
    reply.body = bytes.substr(head.bytes, size);
    reply.bytes = head.bytes + size;
    return reply;
}

}  // namespace fulmar::load
