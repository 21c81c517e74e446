#include "bench/load/swarm.hpp"

#include "bench/load/conversation.hpp"
#include "bench/load/grpc_conversation.hpp"
#include "bench/load/tls_stream.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <stdexcept>

namespace fulmar::load {

namespace {

constexpr std::size_t read_bytes = 256 * 1024;
constexpr std::uint32_t ports_per_source = 20'000;

sockaddr_in address_of(std::string const& host, std::uint16_t port)
{
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    if (inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1)
        throw std::runtime_error("--host must be an IPv4 address, not '" + host + "'");
    return address;
}

}  // namespace

std::int64_t monotonic_ns() noexcept
{
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

client::client() = default;
client::~client() = default;

swarm::swarm(broker_address everybody) : swarm{everybody, everybody} {}

swarm::swarm(broker_address subscribers, broker_address publishers)
    : buffer_(2 * read_bytes, '\0'), now_{monotonic_ns()}
{
    places_[0].address = std::move(subscribers);
    places_[1].address = std::move(publishers);
    for (auto& each : places_) {
        each.talk = make_conversation(*this, each.address);
        if (each.address.tls)
            each.tls =
                std::make_unique<tls_context>(each.address.ca_file, each.address.speaks == protocol::grpc ? "h2" : "");
    }
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_ < 0)
        throw std::runtime_error(std::string{"epoll_create1: "} + std::strerror(errno));
}

swarm::~swarm()
{
    for (auto& c : clients_) {
        if (c->fd_ >= 0)
            ::close(c->fd_);
    }
    ::close(epoll_);
}

client& swarm::create(client_settings settings, swarm_events& events)
{
    clients_.push_back(std::make_unique<client>());
    clients_.back()->settings = std::move(settings);
    clients_.back()->events = &events;
    return *clients_.back();
}

void swarm::watch(client& c, unsigned events, int operation)
{
    epoll_event event{};
    event.events = events;
    event.data.ptr = &c;
    epoll_ctl(epoll_, operation, c.fd_, &event);
    c.wants_write_ = (events & EPOLLOUT) != 0;
}

void swarm::open(client& c)
{
    auto const& address = place_of(c).address;
    auto const target = address_of(address.host, address.port);
    c.fd_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c.fd_ < 0)
        throw std::runtime_error(std::string{"socket: "} + std::strerror(errno) + " (raise the file descriptor limit)");
    int const on = 1;
    setsockopt(c.fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (address.host.starts_with("127.")) {  // the ports of one source address do not suffice for many clients
        setsockopt(c.fd_, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
        auto source = address_of("127.0.0.1", 0);
        source.sin_addr.s_addr = htonl(ntohl(source.sin_addr.s_addr) + next_source_++ / ports_per_source % 200);
        (void)bind(c.fd_, reinterpret_cast<sockaddr const*>(&source), sizeof source);
    }
    c.failure_.clear();
    c.opened_at_ = monotonic_ns();
    ++under_way_;
    c.state_ = client::state::connecting;
    watch(c, EPOLLIN | EPOLLOUT, EPOLL_CTL_ADD);
    if (connect(c.fd_, reinterpret_cast<sockaddr const*>(&target), sizeof target) != 0 && errno != EINPROGRESS)
        drop(c, std::string{"connect: "} + std::strerror(errno));
}

void swarm::set_state(client& c, client::state to)
{
    auto const travelling = [](client::state s) { return s != client::state::closed && s != client::state::ready; };
    under_way_ += travelling(to);
    under_way_ -= travelling(c.state_);
    ready_ += to == client::state::ready;
    ready_ -= c.state_ == client::state::ready;
    c.state_ = to;
}

void swarm::on_connected(client& c)
{
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(c.fd_, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0)
        return drop(c, std::string{"connect: "} + std::strerror(error));
    if (place_of(c).tls == nullptr) {
        watch(c, EPOLLIN, EPOLL_CTL_MOD);
        return on_secured(c);
    }
    c.tls_ = std::make_unique<tls_stream>(*place_of(c).tls, c.fd_, place_of(c).address.host);
    set_state(c, client::state::securing);
    shake_hands(c);
}

void swarm::shake_hands(client& c)
{
    if (c.tls_->handshake() == 1) {
        watch(c, EPOLLIN, EPOLL_CTL_MOD);
        return on_secured(c);
    }
    if (errno != EAGAIN)
        return drop(c, "TLS: " + c.tls_->problem());
    watch(c, EPOLLIN, EPOLL_CTL_MOD);  // what it says fits into an empty socket
}

void swarm::on_secured(client& c)
{
    c.connack_ = {};
    set_state(c, client::state::greeting);
    place_of(c).talk->on_connected(c);
}

std::string& swarm::out(client& c)
{
    if (!c.dirty_) {
        c.dirty_ = true;
        dirty_.push_back(&c);
    }
    return c.out_;
}

void swarm::publish(client& c, std::string_view topic, std::string_view payload, std::uint8_t qos, std::uint16_t id)
{
    if (c.ready())  // else it is missing in the end, and the run fails
        place_of(c).talk->publish(c, topic, payload, qos, id);
}

void swarm::leave(client& c)
{
    if (!c.open())
        return;
    place_of(c).talk->leave(c);
    c.closing_ = true;
    (void)out(c);
}

void swarm::drop(client& c, std::string_view why)
{
    if (c.state_ == client::state::closed)
        return;
    c.failure_ = why;
    failed_ += !why.empty();
    close(c, true);
}

void swarm::close(client& c, bool reset)
{
    if (reset) {  // leaves no TIME_WAIT behind
        linger const at_once{1, 0};
        setsockopt(c.fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    }
    c.tls_.reset();
    ::close(c.fd_);
    c.fd_ = -1;
    set_state(c, client::state::closed);
    c.closing_ = false;
    c.written_ = 0;
    c.out_.clear();
    c.tail_.clear();
    c.partial.clear();
    c.http.reset();
    c.grpc.reset();
    c.events->on_closed(c);
}

void swarm::flush()
{
    for (std::size_t i = 0; i < dirty_.size(); ++i) {
        auto& c = *dirty_[i];
        c.dirty_ = false;
        if (c.state_ > client::state::securing && !c.wants_write_)
            write(c);
    }
    dirty_.clear();
}

void swarm::write(client& c)
{
    while (c.written_ < c.out_.size()) {
        auto const* const from = c.out_.data() + c.written_;
        auto const size = c.out_.size() - c.written_;
        auto const sent = c.tls_ ? c.tls_->send(from, size) : ::send(c.fd_, from, size, MSG_NOSIGNAL);
        if (sent > 0) {
            c.written_ += static_cast<std::size_t>(sent);
            continue;
        }
        if (errno == EINTR)
            continue;
        if (errno == EAGAIN || errno == EWOULDBLOCK) {
            if (!c.wants_write_)
                watch(c, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
            return;
        }
        return drop(c, std::string{"send: "} + std::strerror(errno));
    }
    c.out_.clear();
    c.written_ = 0;
    if (c.wants_write_)
        watch(c, EPOLLIN, EPOLL_CTL_MOD);
    if (c.closing_)
        close(c, false);  // a reset would overtake the DISCONNECT
}

// Until `until_ns` at most, to the nanosecond where the kernel can (Linux 5.11), else to the next millisecond.
int swarm::wait(epoll_event* events, int most, std::int64_t until_ns)
{
    auto const wait_ns = std::max<std::int64_t>(until_ns - monotonic_ns(), 0);
    if (precise_wait_) {
        timespec const timeout{wait_ns / 1'000'000'000, wait_ns % 1'000'000'000};
        auto const count = epoll_pwait2(epoll_, events, most, &timeout, nullptr);
        if (count >= 0 || (errno != ENOSYS && errno != EPERM))  // EPERM: a sandbox does not know it
            return count;
        precise_wait_ = false;
    }
    return epoll_wait(epoll_, events, most, static_cast<int>((wait_ns + 999'999) / 1'000'000));
}

void swarm::turn(std::int64_t until_ns)
{
    flush();
    std::array<epoll_event, 512> events;
    auto const count = wait(events.data(), static_cast<int>(events.size()), until_ns);
    if (count < 0 && errno != EINTR)
        throw std::runtime_error(std::string{"epoll: "} + std::strerror(errno));
    now_ = monotonic_ns();
    for (int i = 0; i < count; ++i) {
        auto const& event = events[static_cast<std::size_t>(i)];
        handle(*static_cast<client*>(event.data.ptr), event.events);
    }
    flush();
}

void swarm::handle(client& c, unsigned events)
{
    constexpr auto broken = static_cast<unsigned>(EPOLLERR) | static_cast<unsigned>(EPOLLHUP);
    if (c.state_ == client::state::connecting && (events & (EPOLLOUT | broken)) != 0)
        return on_connected(c);  // what it has to say is told again
    if (c.state_ == client::state::securing)
        return shake_hands(c);
    if (c.open() && (events & EPOLLOUT) != 0)
        write(c);
    if (c.open() && (events & (EPOLLIN | broken)) != 0)
        on_readable(c);
}

void swarm::on_readable(client& c)
{
    while (read_once(c) && c.tls_)  // what TLS holds back does not wake anybody
        continue;
}

// False when there is nothing more to read now.
bool swarm::read_once(client& c)
{
    auto const kept = c.tail_.size();
    if (kept + read_bytes > buffer_.size())
        buffer_.resize(2 * (kept + read_bytes));
    auto* const to = buffer_.data() + kept;
    auto const got = c.tls_ ? c.tls_->receive(to, read_bytes) : recv(c.fd_, to, read_bytes, 0);
    if (got <= 0) {
        if (got == 0 || (errno != EAGAIN && errno != EINTR))
            drop(c, got == 0 ? "the broker closed the connection" : std::strerror(errno));
        return false;
    }
    now_ = monotonic_ns();
    ++receives_;
    bytes_in_ += static_cast<std::uint64_t>(got);
    if (kept != 0)
        std::memcpy(buffer_.data(), c.tail_.data(), kept);
    std::string_view bytes{buffer_.data(), kept + static_cast<std::size_t>(got)};
    place_of(c).talk->on_bytes(c, bytes);
    if (c.open())
        c.tail_.assign(bytes);
    return c.open();
}

void swarm::become_ready(client& c)
{
    set_state(c, client::state::ready);
    c.events->on_ready(c);
}

bool swarm::open_all(std::size_t from, std::size_t to, std::size_t parallel, std::int64_t timeout_ns)
{
    auto const deadline = monotonic_ns() + timeout_ns;
    auto const failed_before = failed_;
    auto next = from;
    while (next < to || under_way_ > 0) {
        // A few at a time, so that answers are read meanwhile.
        for (int burst = 0; burst < 64 && next < to && under_way_ < parallel; ++burst)
            open(*clients_[next++]);
        turn(next < to && under_way_ < parallel ? 0 : monotonic_ns() + 100'000'000);
        if (failed_ != failed_before || now_ > deadline)
            break;
    }
    if (failed_ == failed_before && next == to && under_way_ == 0)
        return true;
    failure_ = "timed out";
    for (auto i = from; i < next; ++i) {
        if (!clients_[i]->failure_.empty())
            failure_ = clients_[i]->failure_;
    }
    return false;
}

}  // namespace fulmar::load
