// Addresses of sockets as the rest of the code wants them: text, port, "on this machine", "inside this network".
//
// Threads:  pure functions and values, any thread.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fulmar::net {

// An IPv4 or IPv6 address in 16 bytes; IPv4 as ::ffff:a.b.c.d, so that both ways of writing one are one.
struct ip_address
{
    std::array<std::uint8_t, 16> bytes{};

    [[nodiscard]] bool is_v4() const noexcept;
    [[nodiscard]] bool is_loopback() const noexcept;  // 127.0.0.0/8 and ::1
    [[nodiscard]] std::string text() const;
    friend bool operator==(ip_address const&, ip_address const&) = default;

    [[nodiscard]] static ip_address from_v4(std::span<std::uint8_t const, 4> bytes) noexcept;
};

// "192.0.2.1", "2001:db8::1", "[::1]", "localhost" (127.0.0.1). Names are not looked up.
[[nodiscard]] std::optional<ip_address> parse_ip(std::string_view text);

struct socket_address
{
    ip_address ip;
    std::uint16_t port = 0;
};

// nullopt for families other than IPv4 and IPv6.
[[nodiscard]] std::optional<socket_address> from_native(sockaddr_storage const& native) noexcept;

// "10.0.0.0/8", "2001:db8::/32", or one address.
class network
{
public:
    [[nodiscard]] static std::optional<network> parse(std::string_view text);
    [[nodiscard]] bool contains(ip_address const& ip) const noexcept;

private:
    ip_address base_;
    std::uint8_t bits_ = 128;  // of the 16 bytes
};

// The networks whose word about a connection's real peer is taken.
class trusted_networks
{
public:
    // Adds one; false if it is neither an address nor a network.
    [[nodiscard]] bool add(std::string_view text);
    [[nodiscard]] bool contains(ip_address const& ip) const noexcept;
    [[nodiscard]] bool empty() const noexcept { return networks_.empty(); }

private:
    std::vector<network> networks_;
};

}  // namespace fulmar::net
