#include "tests/ledger/client.hpp"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <array>
#include <cerrno>

namespace fulmar::ledger {

client::client(event_loop& loop, client_settings settings)
    : loop_(loop), random_(settings.seed), settings_(std::move(settings)), reader_(settings_.speaks)
{
}

client::~client() { close_socket(); }

void client::go_online()
{
    wanted_ = true;
    if (state_ == state::closed)
        connect();
}

void client::go_offline(goodbye how)
{
    wanted_ = false;
    if (state_ == state::closed)
        return;
    if (how == goodbye::disconnect_packet && state_ == state::open) {
        send(encode_disconnect());
        write();
    }
    if (how == goodbye::reset && fd_ >= 0) {
        linger const at_once{1, 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    }
    drop_connection();
}

void client::connect()
{
    ++attempt_;
    reader_ = packet_reader{settings_.speaks};
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd_ < 0)
        return connect_later();
    int const on = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(settings_.port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    state_ = state::connecting;
    if (::connect(fd_, reinterpret_cast<sockaddr const*>(&to), sizeof to) != 0 && errno != EINPROGRESS)
        return drop_connection();
    writable_wanted_ = true;
    loop_.watch(fd_, EPOLLIN | EPOLLOUT, [this](std::uint32_t events) { on_ready(events); });
    loop_.after(connack_wait, [this, attempt = attempt_] {
        if (attempt == attempt_ && state_ != state::open && state_ != state::closed)
            drop_connection();
    });
}

void client::connect_later()
{
    close_socket();
    auto const wait = std::chrono::milliseconds{std::uniform_int_distribution<>{10, 60}(random_)};
    loop_.after(wait, [this] {
        if (wanted_ && state_ == state::closed)
            connect();
    });
}

void client::on_ready(std::uint32_t events)
{
    if (state_ == state::connecting) {
        int error = 0;
        socklen_t size = sizeof error;
        ::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error != 0)
            return drop_connection();
        state_ = state::waiting;
        send(encode_connect({.speaks = settings_.speaks,
                             .client_id = settings_.client_id,
                             .clean = false,
                             .expiry_s = 3'600,
                             .receive_maximum = settings_.receive_maximum}));
    }
    if ((events & EPOLLIN) != 0 || (events & (EPOLLHUP | EPOLLERR)) != 0)
        read();
    if (fd_ >= 0)
        write();
}

void client::read()
{
    std::array<char, 65'536> bytes;
    auto const count = ::recv(fd_, bytes.data(), bytes.size(), 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (count <= 0)
        return drop_connection();
    reader_.feed({bytes.data(), static_cast<std::size_t>(count)});
    auto const attempt = attempt_;
    while (fd_ >= 0 && attempt == attempt_) {
        auto const p = reader_.next();
        if (!p)
            break;
        if (state_ == state::open) {
            on_packet(*p);
        } else if (p->type == packet_type::connack && p->reason == 0) {
            state_ = state::open;
            on_session(*p);
        } else {
            return drop_connection();  // refused for now: try again
        }
    }
    if (fd_ >= 0 && reader_.broken())
        drop_connection();
}

void client::send(std::string_view bytes) { out_.append(bytes); }

void client::flush()
{
    if (state_ == state::open)
        write();
}

void client::write()
{
    while (out_begin_ < out_.size()) {
        auto const count = ::send(fd_, out_.data() + out_begin_, out_.size() - out_begin_, MSG_NOSIGNAL);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            break;  // an error shows up when reading
        out_begin_ += static_cast<std::size_t>(count);
    }
    if (out_begin_ == out_.size()) {
        out_.clear();
        out_begin_ = 0;
    }
    bool const wanted = !out_.empty();
    if (wanted != writable_wanted_) {
        writable_wanted_ = wanted;
        loop_.change(fd_, wanted ? EPOLLIN | EPOLLOUT : EPOLLIN);
    }
}

void client::drop_connection()
{
    bool const was_open = state_ == state::open;
    close_socket();
    if (was_open)
        on_lost();
    if (wanted_)
        connect_later();
}

void client::close_socket()
{
    if (fd_ >= 0) {
        loop_.forget(fd_);
        ::close(fd_);
    }
    fd_ = -1;
    state_ = state::closed;
    out_.clear();
    out_begin_ = 0;
}

}  // namespace fulmar::ledger
