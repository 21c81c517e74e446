#include "broker/web_address.hpp"

#include <algorithm>
#include <charconv>

namespace fulmar::broker {
namespace {

[[nodiscard]] bool host_letter(char c) noexcept
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_';
}

[[nodiscard]] bool address_letter(char c) noexcept
{
    return (c >= '0' && c <= '9') || c == ':' || c == '.' || host_letter(c);
}

// "host", "host:port", "[v6]:port".
[[nodiscard]] bool read_authority(std::string_view text, web_address& into)
{
    auto const bracketed = text.starts_with('[');
    auto const end = bracketed ? text.find(']') : std::min(text.find(':'), text.size());
    if (end == std::string_view::npos)
        return false;
    auto const host = text.substr(bracketed ? 1 : 0, end - (bracketed ? 1 : 0));
    auto rest = text.substr(end + (bracketed ? 1 : 0));
    if (host.empty() || !std::ranges::all_of(host, bracketed ? address_letter : host_letter))
        return false;
    into.host = host;
    into.authority = bracketed ? "[" + into.host + "]" : into.host;
    if (rest.empty())
        return true;
    if (rest.front() != ':')
        return false;
    rest.remove_prefix(1);
    unsigned port = 0;
    auto const [stop, error] = std::from_chars(rest.data(), rest.data() + rest.size(), port);
    if (error != std::errc{} || stop != rest.data() + rest.size() || port == 0 || port > 65535)
        return false;
    auto const usual = into.port;
    into.port = static_cast<std::uint16_t>(port);
    if (into.port != usual)
        into.authority += ":" + std::to_string(port);
    return true;
}

}  // namespace

std::optional<web_address> parse_web_address(std::string_view text)
{
    auto const odd = [](char c) { return c <= ' ' || static_cast<unsigned char>(c) >= 0x7F || c == '#' || c == '"'; };
    if (text.size() > web_address_bytes_max || std::ranges::any_of(text, odd))
        return std::nullopt;
    web_address found;
    if (text.starts_with("https://"))
        found.tls = true;
    else if (!text.starts_with("http://"))
        return std::nullopt;
    found.port = found.tls ? 443 : 80;
    text.remove_prefix(found.tls ? 8 : 7);
    auto const end = std::min(text.find_first_of("/?"), text.size());
    if (!read_authority(text.substr(0, end), found))
        return std::nullopt;
    found.target = text.substr(end);
    if (found.target.empty() || found.target.front() != '/')
        found.target.insert(0, "/");
    return found;
}

}  // namespace fulmar::broker
