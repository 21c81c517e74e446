// Connected TCP sockets on the loopback interface, and how tests connect to a port.
#pragma once

#include "frontends/net/socket_address.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <utility>

namespace fulmar::net::test {

inline void make_non_blocking(int fd) { ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK); }

// Non-blocking; -1 if nobody listens there.
inline int connect_to(std::uint16_t port, char const* address = "127.0.0.1")
{
    auto const ip = parse_ip(address);
    if (!ip) {
        return -1;
    }
    auto const fd = ::socket(ip->is_v4() ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_storage to{};
    socklen_t size = 0;
    if (ip->is_v4()) {
        auto& in = reinterpret_cast<sockaddr_in&>(to);
        in.sin_family = AF_INET;
        in.sin_port = htons(port);
        std::memcpy(&in.sin_addr, ip->bytes.data() + 12, 4);
        size = sizeof in;
    } else {
        auto& in = reinterpret_cast<sockaddr_in6&>(to);
        in.sin6_family = AF_INET6;
        in.sin6_port = htons(port);
        std::memcpy(&in.sin6_addr, ip->bytes.data(), 16);
        size = sizeof in;
    }
    if (fd < 0 || ::connect(fd, reinterpret_cast<sockaddr*>(&to), size) != 0) {
        ::close(fd);
        return -1;
    }
    make_non_blocking(fd);
    return fd;
}

// {accepted, connected}, both non-blocking.
inline std::pair<int, int> loopback_pair(sockaddr_storage& from)
{
    auto const listening = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    int const no_delay = 1;
    ::setsockopt(listening, IPPROTO_TCP, TCP_NODELAY, &no_delay, sizeof no_delay);
    static_cast<void>(::bind(listening, reinterpret_cast<sockaddr*>(&address), sizeof address));  // 127.0.0.1, any port
    ::listen(listening, 1);
    ::getsockname(listening, reinterpret_cast<sockaddr*>(&address), &size);
    auto const client = connect_to(ntohs(address.sin_port));
    size = sizeof from;
    auto const accepted = ::accept4(listening, reinterpret_cast<sockaddr*>(&from), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    ::close(listening);
    return {accepted, client};
}

}  // namespace fulmar::net::test
