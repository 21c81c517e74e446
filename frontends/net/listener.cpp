#include "frontends/net/listener.hpp"

#include "broker/shard.hpp"
#include "frontends/net/connection_quota.hpp"
#include "frontends/net/frontend.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace fulmar::net {
namespace {

using namespace std::chrono_literals;

constexpr auto report_interval = 1s;
constexpr auto shed_max = 16;  // newcomers closed per event when there are no descriptors

broker::error_code system_error() { return {errno, boost::system::system_category()}; }

int spare_descriptor() noexcept { return ::open("/dev/null", O_RDONLY | O_CLOEXEC); }

socklen_t to_native(ip_address const& ip, std::uint16_t port, sockaddr_storage& out)
{
    if (ip.is_v4()) {
        sockaddr_in in{};
        in.sin_family = AF_INET;
        in.sin_port = htons(port);
        std::memcpy(&in.sin_addr, ip.bytes.data() + 12, sizeof in.sin_addr);
        std::memcpy(&out, &in, sizeof in);
        return sizeof in;
    }
    sockaddr_in6 in{};
    in.sin6_family = AF_INET6;
    in.sin6_port = htons(port);
    std::memcpy(&in.sin6_addr, ip.bytes.data(), sizeof in.sin6_addr);
    std::memcpy(&out, &in, sizeof in);
    return sizeof in;
}

void set(int fd, int level, int option, int value) noexcept { ::setsockopt(fd, level, option, &value, sizeof value); }

broker::error_code bind_to(int fd, ip_address const& ip, std::uint16_t port)
{
    set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (!ip.is_v4()) {
        set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    }
    sockaddr_storage native{};
    auto const size = to_native(ip, port, native);
    return ::bind(fd, reinterpret_cast<sockaddr const*>(&native), size) != 0 ? system_error() : broker::error_code{};
}

int stream_socket(ip_address const& ip) noexcept
{
    return ::socket(ip.is_v4() ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

// A second broker of the same user would be let onto a shared port and take half of the clients without a word. A socket
// that does not share is refused.
broker::error_code check_free(ip_address const& ip, std::uint16_t port)
{
    auto const fd = stream_socket(ip);
    if (fd < 0) {
        return system_error();
    }
    auto const error = bind_to(fd, ip, port);
    ::close(fd);
    return error;
}

}  // namespace

listener::listener(shard_frontend& home, std::shared_ptr<service const> what) : home_(home), what_(std::move(what)) {}

listener::~listener() { stop(); }

broker::error_code listener::open(listen_options const& options)
{
    auto const ip = parse_ip(options.address);
    if (!ip) {
        return boost::system::errc::make_error_code(boost::system::errc::invalid_argument);
    }
    if (options.first && options.port != 0) {
        if (auto const taken = check_free(*ip, options.port)) {
            return taken;
        }
    }
    fd_ = stream_socket(*ip);
    if (fd_ < 0) {
        return system_error();
    }
    auto error = bind_and_listen(*ip, options);
    if (!error) {
        error = home_.events().add_listening(fd_, *this);
    }
    if (error) {
        stop();
        return error;
    }
    spare_fd_ = spare_descriptor();
    return {};
}

broker::error_code listener::bind_and_listen(ip_address const& ip, listen_options const& options)
{
    if (options.share_port) {
        set(fd_, SOL_SOCKET, SO_REUSEPORT, 1);
    }
    set(fd_, IPPROTO_TCP, TCP_NODELAY, 1);  // accepted sockets inherit it
    if (auto const error = bind_to(fd_, ip, options.port)) {
        return error;
    }
    if (::listen(fd_, options.backlog) != 0) {
        return system_error();
    }
    sockaddr_storage native{};
    socklen_t size = sizeof native;
    if (::getsockname(fd_, reinterpret_cast<sockaddr*>(&native), &size) != 0) {
        return system_error();
    }
    port_ = from_native(native).value_or(socket_address{}).port;
    return {};
}

void listener::stop() noexcept
{
    home_.deadlines().disarm(*this);
    if (fd_ >= 0) {
        home_.events().forget(*this);
        ::close(std::exchange(fd_, -1));
    }
    if (spare_fd_ >= 0) {
        ::close(std::exchange(spare_fd_, -1));
    }
}

void listener::on_events(std::uint32_t /*events*/)
{
    for (auto accepted = 0; accepted < accepts_per_event && fd_ >= 0 && !resting_; ++accepted) {
        if (!accept_one()) {
            return;
        }
    }
}

// False: nobody is waiting, or nobody can be let in now.
bool listener::accept_one()
{
    sockaddr_storage from{};
    socklen_t size = sizeof from;
    auto const fd = ::accept4(fd_, reinterpret_cast<sockaddr*>(&from), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        admit(fd, from);
        return true;
    }
    switch (errno) {
    case EAGAIN: return false;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM: out_of_descriptors(errno); return false;
    default: return true;  // this one is lost already (ECONNABORTED, EPROTO, EINTR, ...): the next
    }
}

void listener::admit(int fd, sockaddr_storage const& from)
{
    auto const peer = from_native(from).value_or(socket_address{});
    if (what_->quota != nullptr && !what_->quota->enter(peer.ip)) {
        ::close(fd);
        home_.home().metrics().connections_refused.add();
        report("connection from " + peer.ip.text() + " refused: the limit of connections is reached");
        return;
    }
    home_.adopt(fd, from, what_);
}

void listener::out_of_descriptors(int error)
{
    ::close(std::exchange(spare_fd_, -1));
    for (auto shed = 0; shed < shed_max; ++shed) {
        auto const fd = ::accept4(fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            break;
        }
        ::close(fd);
        home_.home().metrics().connections_refused.add();
    }
    spare_fd_ = spare_descriptor();
    report(std::string{"connections refused: "} + std::strerror(error) + "; raise the limit of open files (ulimit -n)");
    if (!home_.events().modify(fd_, 0, *this)) {
        resting_ = true;
        home_.deadlines().arm(*this, back_off);
    }
}

void listener::on_timer()
{
    resting_ = false;
    if (fd_ >= 0) {
        static_cast<void>(home_.events().modify(fd_, poller::accept_events, *this));
    }
}

void listener::report(std::string const& what)
{
    auto const now = std::chrono::steady_clock::now();
    if (what_->report && now - reported_ >= report_interval) {
        reported_ = now;
        what_->report(what);
    }
}

}  // namespace fulmar::net
