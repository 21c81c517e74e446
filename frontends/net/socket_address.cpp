#include "frontends/net/socket_address.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace fulmar::net {
namespace {

constexpr std::array<std::uint8_t, 12> mapped_prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
constexpr int mapped_prefix_bits = 96;

}  // namespace

bool ip_address::is_v4() const noexcept
{
    return std::equal(mapped_prefix.begin(), mapped_prefix.end(), bytes.begin());
}

bool ip_address::is_loopback() const noexcept
{
    if (is_v4()) {
        return bytes[12] == 127;
    }
    return bytes[15] == 1 && std::all_of(bytes.begin(), bytes.begin() + 15, [](auto byte) { return byte == 0; });
}

std::string ip_address::text() const
{
    std::array<char, INET6_ADDRSTRLEN> out{};
    auto const* const from = is_v4() ? bytes.data() + mapped_prefix.size() : bytes.data();
    return ::inet_ntop(is_v4() ? AF_INET : AF_INET6, from, out.data(), out.size()) == nullptr ? std::string{}
                                                                                              : out.data();
}

ip_address ip_address::from_v4(std::span<std::uint8_t const, 4> bytes) noexcept
{
    ip_address ip;
    std::copy(mapped_prefix.begin(), mapped_prefix.end(), ip.bytes.begin());
    std::copy(bytes.begin(), bytes.end(), ip.bytes.begin() + mapped_prefix.size());
    return ip;
}

std::optional<ip_address> parse_ip(std::string_view text)
{
    if (text == "localhost") {
        text = "127.0.0.1";
    }
    if (text.size() > 2 && text.front() == '[' && text.back() == ']') {
        text = text.substr(1, text.size() - 2);
    }
    std::string const terminated{text};
    if (terminated.find('\0') != std::string::npos) {
        return std::nullopt;
    }
    std::array<std::uint8_t, 4> v4{};
    if (::inet_pton(AF_INET, terminated.c_str(), v4.data()) == 1) {
        return ip_address::from_v4(v4);
    }
    ip_address ip;
    if (::inet_pton(AF_INET6, terminated.c_str(), ip.bytes.data()) == 1) {
        return ip;
    }
    return std::nullopt;
}

std::optional<socket_address> from_native(sockaddr_storage const& native) noexcept
{
    socket_address out;
    if (native.ss_family == AF_INET) {
        sockaddr_in in{};
        std::memcpy(&in, &native, sizeof in);
        std::array<std::uint8_t, 4> v4{};
        std::memcpy(v4.data(), &in.sin_addr, v4.size());
        out.ip = ip_address::from_v4(v4);
        out.port = ntohs(in.sin_port);
        return out;
    }
    if (native.ss_family == AF_INET6) {
        sockaddr_in6 in{};
        std::memcpy(&in, &native, sizeof in);
        std::memcpy(out.ip.bytes.data(), &in.sin6_addr, out.ip.bytes.size());
        out.port = ntohs(in.sin6_port);
        return out;
    }
    return std::nullopt;
}

std::optional<network> network::parse(std::string_view text)
{
    auto const slash = text.find('/');
    auto const ip = parse_ip(text.substr(0, slash));
    if (!ip) {
        return std::nullopt;
    }
    network out;
    out.base_ = *ip;
    if (slash == std::string_view::npos) {
        return out;
    }
    auto const length = text.substr(slash + 1);
    auto const offset = ip->is_v4() ? mapped_prefix_bits : 0;
    int bits = 0;
    auto const [end, error] = std::from_chars(length.data(), length.data() + length.size(), bits);
    if (error != std::errc{} || end != length.data() + length.size() || bits < 0 || bits > 128 - offset) {
        return std::nullopt;
    }
    out.bits_ = static_cast<std::uint8_t>(bits + offset);
    return out;
}

bool network::contains(ip_address const& ip) const noexcept
{
    auto const whole = bits_ / 8U;
    if (!std::equal(base_.bytes.begin(), base_.bytes.begin() + whole, ip.bytes.begin())) {
        return false;
    }
    auto const rest = bits_ % 8U;
    auto const mask = static_cast<std::uint8_t>(0xFF00U >> rest);
    return rest == 0 || (base_.bytes[whole] & mask) == (ip.bytes[whole] & mask);
}

bool trusted_networks::add(std::string_view text)
{
    auto const parsed = network::parse(text);
    if (parsed) {
        networks_.push_back(*parsed);
    }
    return parsed.has_value();
}

bool trusted_networks::contains(ip_address const& ip) const noexcept
{
    return std::any_of(networks_.begin(), networks_.end(), [&ip](network const& n) { return n.contains(ip); });
}

}  // namespace fulmar::net
