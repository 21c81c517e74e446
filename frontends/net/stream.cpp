#include "frontends/net/stream.hpp"

#include "frontends/net/tls.hpp"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

namespace fulmar::net {
namespace {

io_status status_of(int error) noexcept
{
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR ? io_status::would_block : io_status::failed;
}

// tcpi_bytes_acked, which netinet/tcp.h does not name; linux/tcp.h cannot be included beside it.
constexpr std::size_t bytes_acked_at = 15;  // in words of 8 bytes

}  // namespace

io_result stream::read(std::span<char> into)
{
    if (tls_ != nullptr) {
        return tls_->read(into);
    }
    for (;;) {
        auto const received = ::recv(fd_, into.data(), into.size(), MSG_DONTWAIT);
        if (received > 0) {
            return {io_status::done, static_cast<std::size_t>(received)};
        }
        if (received == 0) {
            return {io_status::ended, 0};
        }
        if (errno != EINTR) {
            return {status_of(errno), 0};
        }
    }
}

bool stream::holds_unsent() const noexcept { return tls_ != nullptr && tls_->holds_unsent(); }

// What is not acknowledged is asked for first: if some of it is acknowledged between the two calls, `written` is too high
// rather than too low.
delivery_receipt stream::receipt() const noexcept
{
    int unacknowledged = 0;
    if (::ioctl(fd_, SIOCOUTQ, &unacknowledged) != 0 || unacknowledged < 0) {
        return {};
    }
    std::array<std::uint64_t, bytes_acked_at + 1> facts{};
    auto size = static_cast<socklen_t>(sizeof facts);
    if (::getsockopt(fd_, IPPROTO_TCP, TCP_INFO, facts.data(), &size) != 0) {
        facts = {};  // then only a queue that is empty proves anything
    }
    auto const acknowledged = facts[bytes_acked_at];
    return {acknowledged + static_cast<std::uint64_t>(unacknowledged), acknowledged};
}

io_result stream::write(std::span<iovec const> pieces)
{
    if (tls_ != nullptr) {
        return tls_->write(pieces);
    }
    std::size_t wanted = 0;
    for (auto const& piece : pieces) {
        wanted += piece.iov_len;
    }
    for (;;) {
        ssize_t sent = 0;
        if (pieces.size() == 1) {
            sent = ::send(fd_, pieces[0].iov_base, pieces[0].iov_len, MSG_NOSIGNAL | MSG_DONTWAIT);
        } else {
            msghdr message{};
            message.msg_iov = const_cast<iovec*>(pieces.data());
            message.msg_iovlen = pieces.size();
            sent = ::sendmsg(fd_, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        }
        if (sent >= 0) {
            auto const bytes = static_cast<std::size_t>(sent);
            return {bytes == wanted ? io_status::done : io_status::would_block, bytes};
        }
        if (errno != EINTR) {
            return {status_of(errno), 0};
        }
    }
}

}  // namespace fulmar::net
