#include "frontends/net/proxy_protocol.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>

namespace fulmar::net {
namespace {

constexpr std::string_view v1_signature{"PROXY "};
constexpr std::size_t v1_bytes_max = 107;
constexpr std::string_view v2_signature{"\r\n\r\n\0\r\nQUIT\n", 12};
constexpr std::size_t v2_prefix_bytes = 16;

constexpr std::uint8_t command_local = 0;
constexpr std::uint8_t command_proxy = 1;
constexpr std::uint8_t family_unspecified = 0;
constexpr std::uint8_t family_inet = 1;
constexpr std::uint8_t family_inet6 = 2;
constexpr std::uint8_t family_unix = 3;

constexpr proxy_header malformed{};

proxy_header need_more() { return {.verdict = proxy_verdict::need_more}; }

bool begins_like(std::string_view in, std::string_view signature)
{
    auto const size = std::min(in.size(), signature.size());
    return in.substr(0, size) == signature.substr(0, size);
}

std::optional<std::uint16_t> parse_port(std::string_view text)
{
    std::uint16_t port = 0;
    auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    auto const plain = !text.empty() && (text.size() == 1 || text.front() != '0');
    if (error != std::errc{} || end != text.data() + text.size() || !plain) {
        return std::nullopt;
    }
    return port;
}

// "TCP4 192.0.2.1 192.0.2.2 56324 443" without the signature and the line's end.
std::optional<socket_address> parse_v1_line(std::string_view line)
{
    std::array<std::string_view, 5> fields;
    for (std::size_t i = 0; i < fields.size(); ++i) {
        auto const space = line.find(' ');
        if ((space == std::string_view::npos) != (i + 1 == fields.size())) {
            return std::nullopt;
        }
        fields[i] = line.substr(0, space);
        line.remove_prefix(space == std::string_view::npos ? line.size() : space + 1);
    }
    auto const v4 = fields[0] == "TCP4";
    if (!v4 && fields[0] != "TCP6") {
        return std::nullopt;
    }
    auto const is_address = [v4](std::string_view text) {
        return !text.empty() && text.find_first_not_of(v4 ? "0123456789." : "0123456789abcdefABCDEF:.") == text.npos &&
               (text.find(':') == text.npos) == v4 && parse_ip(text).has_value();
    };
    auto const port = parse_port(fields[3]);
    if (!is_address(fields[1]) || !is_address(fields[2]) || !port || !parse_port(fields[4])) {
        return std::nullopt;
    }
    return socket_address{*parse_ip(fields[1]), *port};
}

proxy_header parse_v1(std::string_view in)
{
    auto const window = in.substr(0, v1_bytes_max);
    auto const line_feed = window.find('\n');
    if (line_feed == std::string_view::npos) {
        return window.size() == v1_bytes_max ? malformed : need_more();
    }
    auto const end = line_feed - 1;  // at least the signature is in front of it
    if (window[end] != '\r') {
        return malformed;
    }
    proxy_header out{.verdict = proxy_verdict::complete, .size = end + 2};
    auto const line = window.substr(v1_signature.size(), end - v1_signature.size());
    if (line == "UNKNOWN" || line.starts_with("UNKNOWN ")) {
        return out;
    }
    out.source = parse_v1_line(line);
    return out.source ? out : malformed;
}

std::uint16_t number(std::string_view bytes)
{
    return static_cast<std::uint16_t>(static_cast<std::uint8_t>(bytes[0]) << 8U | static_cast<std::uint8_t>(bytes[1]));
}

// Type-length-values must fill `rest` exactly; what they say is not needed.
bool well_formed_values(std::string_view rest)
{
    while (!rest.empty()) {
        if (rest.size() < 3 || rest.size() - 3 < number(rest.substr(1))) {
            return false;
        }
        rest.remove_prefix(3U + number(rest.substr(1)));
    }
    return true;
}

std::size_t address_bytes(std::uint8_t family)
{
    switch (family) {
    case family_inet: return 12;
    case family_inet6: return 36;
    case family_unix: return 216;
    default: return 0;
    }
}

std::optional<socket_address> v2_source(std::uint8_t family, std::string_view addresses)
{
    socket_address out;
    if (family == family_inet) {
        std::array<std::uint8_t, 4> v4{};
        std::copy_n(addresses.begin(), v4.size(), v4.begin());
        out.ip = ip_address::from_v4(v4);
        out.port = number(addresses.substr(8));
        return out;
    }
    if (family == family_inet6) {
        std::copy_n(addresses.begin(), out.ip.bytes.size(), out.ip.bytes.begin());
        out.port = number(addresses.substr(32));
        return out;
    }
    return std::nullopt;
}

proxy_header parse_v2(std::string_view in)
{
    if (in.size() < v2_prefix_bytes) {
        return need_more();
    }
    auto const version = static_cast<std::uint8_t>(in[12]) >> 4U;
    auto const command = static_cast<std::uint8_t>(in[12]) & 0x0FU;
    auto const family = static_cast<std::uint8_t>(static_cast<std::uint8_t>(in[13]) >> 4U);
    auto const kind = static_cast<std::uint8_t>(in[13]) & 0x0FU;  // 1: stream, 2: datagram
    auto const length = std::size_t{number(in.substr(14))};
    auto const size = v2_prefix_bytes + length;
    if (version != 2 || command > command_proxy || family > family_unix || kind > 2 || size > proxy_header_bytes_max) {
        return malformed;
    }
    if (in.size() < size) {
        return need_more();
    }
    proxy_header out{.verdict = proxy_verdict::complete, .size = size};
    if (command == command_local) {
        return out;  // whatever it carries is to be ignored
    }
    auto const body = in.substr(v2_prefix_bytes, length);
    if (family == family_unspecified) {
        return out;
    }
    auto const fixed = address_bytes(family);
    if (length < fixed || !well_formed_values(body.substr(fixed))) {
        return malformed;
    }
    out.source = v2_source(family, body);
    return out;
}

}  // namespace

proxy_header parse_proxy_header(std::span<char const> in)
{
    std::string_view const text{in.data(), in.size()};
    if (begins_like(text, v2_signature)) {
        return parse_v2(text);
    }
    if (!begins_like(text, v1_signature)) {
        return malformed;
    }
    return text.size() < v1_signature.size() ? need_more() : parse_v1(text);
}

}  // namespace fulmar::net
