#include "frontends/net/outgoing_link.hpp"

#include <netdb.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

namespace fulmar::net {

namespace {

using broker::error_code;
using wait = boost::asio::posix::stream_descriptor;

[[nodiscard]] error_code system_error(int code) { return {code, boost::system::system_category()}; }

// A peer may be silent for long: the kernel finds out whether it is still there. Nothing of this is vital.
void prepare(int socket)
{
    auto const set = [socket](int level, int option, int value) {
        (void)::setsockopt(socket, level, option, &value, sizeof value);
    };
    set(IPPROTO_TCP, TCP_NODELAY, 1);
    set(SOL_SOCKET, SO_KEEPALIVE, 1);
    set(IPPROTO_TCP, TCP_KEEPIDLE, 20);
    set(IPPROTO_TCP, TCP_KEEPINTVL, 5);
    set(IPPROTO_TCP, TCP_KEEPCNT, 4);
}

}  // namespace

error_code look_up(std::string const& host, std::uint16_t port, bool numeric_only, std::vector<native_address>& found)
{
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV | (numeric_only ? AI_NUMERICHOST : AI_ADDRCONFIG);
    addrinfo* list = nullptr;
    if (auto const code = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &list); code != 0) {
        if (code == EAI_SYSTEM)
            return system_error(errno);
        return code == EAI_AGAIN ? error_code{boost::asio::error::host_not_found_try_again}
                                 : error_code{boost::asio::error::host_not_found};
    }
    for (auto const* each = list; each != nullptr; each = each->ai_next) {
        auto& made = found.emplace_back();
        made.size = std::min(each->ai_addrlen, static_cast<socklen_t>(sizeof made.address));
        std::memcpy(&made.address, each->ai_addr, made.size);
    }
    ::freeaddrinfo(list);
    return {};
}

template <class Again>
void outgoing_link::when(wait::wait_type ready, Again again)
{
    socket_.async_wait(ready, [self = shared_from_this(), again = std::move(again)](error_code error) mutable {
        if (!self->closed_)
            again(error);
    });
}

void outgoing_link::later(std::function<void()> then)
{
    boost::asio::post(socket_.get_executor(), [self = shared_from_this(), then = std::move(then)] {
        if (!self->closed_)
            then();
    });
}

void outgoing_link::finish(done then, error_code error)
{
    later([then = std::move(then), error] { then(error); });
}

// Of TLS only its own words say more than that it failed.
error_code outgoing_link::lost(int code) const
{
    if (tls_ != nullptr || code == 0 || code == EAGAIN)
        return boost::asio::error::connection_reset;
    return system_error(code);
}

void outgoing_link::connect(std::vector<native_address> to, done then)
{
    std::reverse(to.begin(), to.end());
    untried_ = std::move(to);
    if (untried_.empty())
        return finish(std::move(then), boost::asio::error::host_not_found);
    try_next(std::move(then));
}

void outgoing_link::try_next(done then)
{
    auto const next = untried_.back();
    untried_.pop_back();
    auto const* const address = reinterpret_cast<sockaddr const*>(&next.address);
    auto const fd = ::socket(next.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    error_code error;
    if (fd >= 0)
        socket_.assign(fd, error);
    if (fd < 0 || (!error && ::connect(fd, address, next.size) != 0 && errno != EINPROGRESS))
        error = system_error(errno);
    if (!error)
        return when(wait::wait_write,
                    [this, then = std::move(then)](error_code) mutable { answered(std::move(then)); });
    if (socket_.is_open())
        socket_.close();
    untried_.empty() ? finish(std::move(then), error) : try_next(std::move(then));
}

void outgoing_link::answered(done then)
{
    int code = 0;
    socklen_t size = sizeof code;
    if (::getsockopt(socket_.native_handle(), SOL_SOCKET, SO_ERROR, &code, &size) != 0)
        code = errno;
    if (code == 0) {
        prepare(socket_.native_handle());
        return then({});
    }
    socket_.close();
    untried_.empty() ? then(system_error(code)) : try_next(std::move(then));
}

void outgoing_link::secure(tls_client_context& context, std::string const& host, done then)
{
    tls_ = context.begin(socket_.native_handle(), host);
    if (tls_ == nullptr)
        return finish(std::move(then), boost::system::errc::make_error_code(boost::system::errc::not_enough_memory));
    shake(std::move(then));
}

void outgoing_link::shake(done then)
{
    auto const status = tls_->handshake();
    if (status != io_status::would_block)
        return finish(std::move(then), status == io_status::done ? error_code{} : lost(0));
    when(tls_->wants_room() ? wait::wait_write : wait::wait_read,
         [this, then = std::move(then)](error_code) mutable { shake(std::move(then)); });
}

void outgoing_link::write(std::string_view bytes, done then)
{
    stream out{socket_.native_handle(), tls_.get()};
    iovec const piece{const_cast<char*>(bytes.data()), bytes.size()};
    auto const written = out.write({&piece, bytes.empty() ? 0U : 1U});
    bytes.remove_prefix(written.bytes);
    if (written.status == io_status::failed || written.status == io_status::ended)
        return finish(std::move(then), lost(errno));
    if (bytes.empty() && !out.holds_unsent())
        return finish(std::move(then), {});
    when(wait::wait_write,
         [this, bytes, then = std::move(then)](error_code) mutable { write(bytes, std::move(then)); });
}

void outgoing_link::read(std::span<char> into, read_done then)
{
    auto const got = stream{socket_.native_handle(), tls_.get()}.read(into);
    if (got.status == io_status::would_block)
        return when(wait::wait_read,
                    [this, into, then = std::move(then)](error_code) mutable { read(into, std::move(then)); });
    auto const error = got.status == io_status::failed ? lost(errno) : error_code{};
    later([then = std::move(then), error, got] { then(error, got.bytes); });
}

void outgoing_link::close() noexcept
{
    closed_ = true;
    if (!socket_.is_open())
        return;
    if (tls_ != nullptr)
        tls_->shut_down();
    error_code ignored;
    socket_.close(ignored);
}

std::string outgoing_link::why() const { return tls_ == nullptr ? std::string{} : tls_->why(); }
std::string outgoing_link::distrust() const { return tls_ == nullptr ? std::string{} : tls_->distrust(); }

}  // namespace fulmar::net
