// The header with which a proxy says whose connection it passes on.
//
// Spec:     The PROXY protocol, versions 1 and 2 (HAProxy, doc/proxy-protocol.txt).
// Threads:  pure function, any thread.
// Limits:   107 bytes for version 1; proxy_header_bytes_max for version 2, vectors of type-length-values included.
// Cost:     no allocation.
#pragma once

#include "frontends/net/socket_address.hpp"

#include <optional>
#include <span>

namespace fulmar::net {

inline constexpr std::size_t proxy_header_bytes_max = 4096;

enum class proxy_verdict : std::uint8_t {
    complete,   // `size` bytes were the header
    need_more,  // a beginning of a header
    malformed,  // not a header, a broken one, or one over the limits
};

struct proxy_header
{
    proxy_verdict verdict = proxy_verdict::malformed;
    std::size_t size = 0;
    // The connection's real peer. None for LOCAL (the proxy's own connection), UNKNOWN, and families without addresses: the
    // socket's peer stands.
    std::optional<socket_address> source{};
};

[[nodiscard]] proxy_header parse_proxy_header(std::span<char const> in);

}  // namespace fulmar::net
