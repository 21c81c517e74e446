#include "bench/load/swarm.hpp"

#include "bench/load/ws_wire.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
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

swarm::swarm(broker_address address) : address_{std::move(address)}, buffer_(2 * read_bytes, '\0'), now_{monotonic_ns()}
{
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
    auto const target = address_of(address_.host, address_.port);
    c.fd_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c.fd_ < 0)
        throw std::runtime_error(std::string{"socket: "} + std::strerror(errno) + " (raise the file descriptor limit)");
    int const on = 1;
    setsockopt(c.fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (address_.host.starts_with("127.")) {  // the ports of one source address do not suffice for many clients
        setsockopt(c.fd_, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
        auto source = address_of("127.0.0.1", 0);
        source.sin_addr.s_addr = htonl(ntohl(source.sin_addr.s_addr) + next_source_++ / ports_per_source % 200);
        bind(c.fd_, reinterpret_cast<sockaddr const*>(&source), sizeof source);
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
    watch(c, EPOLLIN, EPOLL_CTL_MOD);
    if (!address_.websocket)
        return greet(c);
    set_state(c, client::state::upgrading);
    c.out_ = ws_request(address_.host, address_.port, address_.path);
    mark(c);
}

void swarm::greet(client& c)
{
    set_state(c, client::state::greeting);
    scratch_.clear();
    write_connect(scratch_, c.settings.connect, address_.v5);
    send(c, scratch_);
}

void swarm::send(client& c, std::string_view packet)
{
    if (address_.websocket) {
        mask_ = mask_ * 1'664'525U + 1'013'904'223U;
        write_ws_frame(c.out_, packet, 2, mask_);
    } else {
        c.out_.append(packet);
    }
    mark(c);
}

void swarm::mark(client& c)
{
    if (c.dirty_)
        return;
    c.dirty_ = true;
    dirty_.push_back(&c);
}

void swarm::publish(client& c, std::string_view topic, std::string_view payload, std::uint8_t qos, std::uint16_t id)
{
    scratch_.clear();
    write_publish(scratch_, topic, payload, qos, id, address_.v5);
    send(c, scratch_);
}

void swarm::leave(client& c)
{
    if (c.state_ == client::state::closed)
        return;
    scratch_.clear();
    write_disconnect(scratch_);
    send(c, scratch_);
    c.closing_ = true;
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
    ::close(c.fd_);
    c.fd_ = -1;
    set_state(c, client::state::closed);
    c.closing_ = false;
    c.written_ = 0;
    c.out_.clear();
    c.tail_.clear();
    c.packet_tail_.clear();
    c.events->on_closed(c);
}

void swarm::flush()
{
    for (std::size_t i = 0; i < dirty_.size(); ++i) {
        auto& c = *dirty_[i];
        c.dirty_ = false;
        if (c.state_ > client::state::connecting && !c.wants_write_)
            write(c);
    }
    dirty_.clear();
}

void swarm::write(client& c)
{
    while (c.written_ < c.out_.size()) {
        auto const sent = ::send(c.fd_, c.out_.data() + c.written_, c.out_.size() - c.written_, MSG_NOSIGNAL);
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

void swarm::turn(std::int64_t until_ns)
{
    flush();
    std::array<epoll_event, 512> events;
    auto const wait_ns = until_ns - monotonic_ns();
    timespec timeout{0, 0};
    if (wait_ns > 0)
        timeout = {wait_ns / 1'000'000'000, wait_ns % 1'000'000'000};
    auto const count = epoll_pwait2(epoll_, events.data(), static_cast<int>(events.size()), &timeout, nullptr);
    now_ = monotonic_ns();
    for (int i = 0; i < count; ++i) {
        auto const& event = events[static_cast<std::size_t>(i)];
        auto& c = *static_cast<client*>(event.data.ptr);
        if (c.state_ == client::state::connecting && (event.events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0)
            on_connected(c);
        else if (c.state_ != client::state::closed && (event.events & EPOLLOUT) != 0)
            write(c);
        if (c.state_ != client::state::closed && (event.events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0)
            on_readable(c);
    }
    flush();
}

void swarm::on_readable(client& c)
{
    auto const kept = c.tail_.size();
    if (kept + read_bytes > buffer_.size())
        buffer_.resize(2 * (kept + read_bytes));
    auto const got = recv(c.fd_, buffer_.data() + kept, read_bytes, 0);
    if (got <= 0) {
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        return drop(c, got == 0 ? "the broker closed the connection" : std::strerror(errno));
    }
    now_ = monotonic_ns();
    ++receives_;
    bytes_in_ += static_cast<std::uint64_t>(got);
    if (kept != 0)
        std::memcpy(buffer_.data(), c.tail_.data(), kept);
    std::string_view bytes{buffer_.data(), kept + static_cast<std::size_t>(got)};
    if (c.state_ == client::state::upgrading)
        on_response(c, bytes);
    if (c.state_ > client::state::upgrading) {
        if (address_.websocket)
            on_frames(c, bytes);
        else
            on_packets(c, bytes);
    }
    if (c.state_ != client::state::closed)
        c.tail_.assign(bytes);
}

void swarm::on_response(client& c, std::string_view& bytes)
{
    auto const size = ws_response(bytes);
    if (size == malformed)
        return drop(c, "the WebSocket handshake was refused: " + std::string{bytes.substr(0, bytes.find('\r'))});
    if (size == 0)
        return;
    bytes.remove_prefix(size);
    greet(c);
}

void swarm::on_frames(client& c, std::string_view& bytes)
{
    while (c.state_ != client::state::closed) {
        auto const frame = read_ws_frame(bytes);
        if (frame.bytes == 0)
            return;
        bytes.remove_prefix(frame.bytes);
        if (!on_ws_frame(c, frame.opcode, frame.payload))
            return;
    }
}

bool swarm::on_ws_frame(client& c, std::uint8_t opcode, std::string_view payload)
{
    if (opcode == 8) {
        drop(c, "the broker closed the WebSocket");
        return false;
    }
    if (opcode == 9) {
        write_ws_frame(c.out_, payload, 10, mask_);
        mark(c);
    }
    if (opcode > 2)
        return true;
    if (c.packet_tail_.empty()) {
        on_packets(c, payload);
        c.packet_tail_.assign(payload);
        return c.state_ != client::state::closed;
    }
    auto joined = std::move(c.packet_tail_);
    joined.append(payload);
    std::string_view packets{joined};
    on_packets(c, packets);
    c.packet_tail_.assign(packets);
    return c.state_ != client::state::closed;
}

void swarm::on_packets(client& c, std::string_view& bytes)
{
    auto const used =
        for_each_packet(bytes, [&](std::uint8_t first, std::string_view body) { return on_packet(c, first, body); });
    if (used == malformed)
        return drop(c, "malformed packet");
    bytes.remove_prefix(used);
}

// False when the client closed.
bool swarm::on_packet(client& c, std::uint8_t first, std::string_view body)
{
    auto const type = static_cast<packet_type>(first >> 4);
    if (type == packet_type::publish) {
        on_publish(c, first, body);
        return c.state_ != client::state::closed;
    }
    auto const id = body.size() >= 2 ? read_u16(body.data()) : std::uint16_t{0};
    std::string written;
    switch (type) {
    case packet_type::connack: on_connack(c, body); break;
    case packet_type::suback: on_suback(c, body); break;
    case packet_type::puback:
    case packet_type::pubrec:
    case packet_type::pubcomp:
        if (address_.v5 && body.size() > 2 && static_cast<unsigned char>(body[2]) >= 0x80) {
            drop(c, "publish refused with reason code " + std::to_string(static_cast<unsigned char>(body[2])));
        } else if (type == packet_type::pubrec) {
            write_ack(written, packet_type::pubrel, id);
        } else {
            c.events->on_published(c, id);
        }
        break;
    case packet_type::pubrel: write_ack(written, packet_type::pubcomp, id); break;
    case packet_type::disconnect:
        drop(c,
             "DISCONNECT with reason code " + std::to_string(body.empty() ? 0 : static_cast<unsigned char>(body[0])));
        break;
    default: break;
    }
    if (!written.empty())
        send(c, written);
    return c.state_ != client::state::closed;
}

void swarm::on_publish(client& c, std::uint8_t first, std::string_view body)
{
    publish_view view;
    if (!read_publish(first & 0x0F, body, address_.v5, view))
        return drop(c, "malformed PUBLISH");
    c.events->on_message(c, view);
    if (view.qos == 0 || c.state_ == client::state::closed)
        return;
    std::string ack;
    write_ack(ack, view.qos == 1 ? packet_type::puback : packet_type::pubrec, view.packet_id);
    send(c, ack);
}

void swarm::on_connack(client& c, std::string_view body)
{
    if (!read_connack(body, address_.v5, c.connack_))
        return drop(c, "malformed CONNACK");
    if (c.connack_.code != 0)
        return drop(c, "CONNACK refuses with code " + std::to_string(c.connack_.code));
    if (c.settings.filter.empty())
        return become_ready(c);
    set_state(c, client::state::subscribing);
    scratch_.clear();
    write_subscribe(scratch_, 65'535, c.settings.filter, c.settings.qos, address_.v5);
    send(c, scratch_);
}

void swarm::on_suback(client& c, std::string_view body)
{
    if (body.size() < 3 || static_cast<unsigned char>(body.back()) >= 0x80)
        return drop(c, "SUBACK refuses");
    if (c.state_ == client::state::subscribing)
        become_ready(c);
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
