// An http:// or https:// address, taken apart: where webhooks go.
//
// Spec:     RFC 3986 §3, without user information and fragment.
// Threads:  pure functions, any thread.
// Limits:   web_address_bytes_max bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace fulmar::broker {

inline constexpr std::size_t web_address_bytes_max = 2048;

struct web_address
{
    bool tls = false;
    std::string host;  // without brackets
    std::uint16_t port = 0;
    std::string target;     // path and query, begins with '/'
    std::string authority;  // as it stands in Host: without the port if that is the usual one
};

// nullopt for anything but http and https, without a host, with an impossible port, or with characters that do not
// belong into an address.
[[nodiscard]] std::optional<web_address> parse_web_address(std::string_view text);

}  // namespace fulmar::broker
