// The serving side of the floor: just enough MQTT to pass frames on as they came.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace fulmar::floor {

[[noreturn]] inline void fail(char const* what)
{
    std::perror(what);
    std::exit(1);
}

inline void no_delay(int fd)
{
    int const on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

inline void watch(int set, int fd, void* what)
{
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLET;
    event.data.ptr = what;
    if (::epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) != 0) {
        fail("epoll_ctl");
    }
}

struct packet
{
    std::uint8_t type = 0;
    std::string_view whole;  // empty: incomplete
    std::string_view body;
};

inline packet next_packet(std::string_view in)
{
    std::size_t length = 0;
    for (std::size_t i = 1; i < in.size() && i < 5; ++i) {
        auto const byte = static_cast<std::uint8_t>(in[i]);
        length |= std::size_t{byte & 0x7FU} << (7 * (i - 1));
        if (byte < 0x80) {
            if (in.size() - i - 1 < length) {
                return {};
            }
            return {static_cast<std::uint8_t>(static_cast<std::uint8_t>(in[0]) >> 4U), in.substr(0, i + 1 + length),
                    in.substr(i + 1, length)};
        }
    }
    return {};
}

inline std::size_t u16(std::string_view in)
{
    return in.size() < 2 ? 0 : std::size_t{static_cast<std::uint8_t>(in[0])} << 8U | static_cast<std::uint8_t>(in[1]);
}

inline std::string_view text(std::string_view in) { return in.size() < 2 ? in : in.substr(2, u16(in)); }

inline std::string with_length(std::string_view s)
{
    return {std::string{static_cast<char>(s.size() >> 8U), static_cast<char>(s.size() & 0xFFU)} + std::string{s}};
}

inline std::string encode(char first, std::string const& body)
{
    std::string out(1, first);
    auto length = body.size();
    do {
        out += static_cast<char>((length & 0x7FU) | (length > 0x7F ? 0x80U : 0U));
        length >>= 7U;
    } while (length > 0);
    return out + body;
}

struct client
{
    int fd = -1;
    bool v5 = false;
    std::string tail;     // an incomplete packet
    std::string backlog;  // what the socket did not take
};

struct topic
{
    std::vector<client*> subscribers;
    std::string run;  // this turn's frames
};

class server
{
public:
    server(int listening, bool coalesce) : listening_(listening), coalesce_(coalesce)
    {
        epoll_event event{};
        event.events = EPOLLIN;
        ::epoll_ctl(set_, EPOLL_CTL_ADD, listening_, &event);
    }

    [[noreturn]] void run()
    {
        std::array<epoll_event, 512> events;
        for (;;) {
            auto const count = ::epoll_wait(set_, events.data(), static_cast<int>(events.size()), -1);
            for (auto i = 0; i < count; ++i) {
                auto const& event = events[static_cast<std::size_t>(i)];
                if (event.data.ptr == nullptr) {
                    accept_all();
                } else {
                    handle(*static_cast<client*>(event.data.ptr), event.events);
                }
            }
            for (auto* const t : busy_) {
                for (auto* const subscriber : t->subscribers) {
                    write(*subscriber, t->run);
                }
                t->run.clear();
            }
            busy_.clear();
        }
    }

private:
    void accept_all()
    {
        for (;;) {
            auto const fd = ::accept4(listening_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (fd < 0) {
                return;
            }
            clients_.push_back(std::make_unique<client>());
            clients_.back()->fd = fd;
            watch(set_, fd, clients_.back().get());
        }
    }

    void handle(client& c, std::uint32_t events)
    {
        if ((events & EPOLLOUT) != 0 && !c.backlog.empty()) {
            auto const waiting = std::exchange(c.backlog, {});
            write(c, waiting);
        }
        while (c.fd >= 0 && (events & EPOLLIN) != 0) {
            auto const got = ::recv(c.fd, buffer_.data(), buffer_.size(), 0);
            if (got <= 0) {
                if (got == 0 || errno != EAGAIN) {
                    end(c);
                }
                return;
            }
            take(c, {buffer_.data(), static_cast<std::size_t>(got)});
            if (static_cast<std::size_t>(got) < buffer_.size() && (events & EPOLLRDHUP) == 0) {
                return;
            }
        }
    }

    void take(client& c, std::string_view in)
    {
        std::string joined;
        if (!c.tail.empty()) {
            joined = std::move(c.tail.append(in));
            c.tail.clear();
            in = joined;
        }
        for (auto p = next_packet(in); !p.whole.empty(); p = next_packet(in)) {
            answer(c, p);
            in.remove_prefix(p.whole.size());
        }
        c.tail = in;
    }

    void answer(client& c, packet const& p)
    {
        switch (p.type) {
        case 1:
            c.v5 = p.body.size() > 6 && p.body[6] == 5;
            return write(c, c.v5 ? std::string_view{"\x20\x03\0\0\0", 5} : std::string_view{"\x20\x02\0\0", 4});
        case 3: return publish(p);
        case 8: {
            auto rest = p.body.substr(2 + (c.v5 ? 1U : 0U));
            topics_[std::string{text(rest)}].subscribers.push_back(&c);
            auto const id = std::string{p.body.substr(0, 2)};
            return write(c, encode('\x90', id + std::string(c.v5 ? 2 : 1, '\0')));
        }
        case 12: return write(c, {"\xD0\0", 2});
        default: return;
        }
    }

    // The topic's own subscribers, or those of "<parent>/+".
    topic& topic_of(std::string const& name)
    {
        if (auto const exact = topics_.find(name); exact != topics_.end()) {
            return exact->second;
        }
        return topics_[name.substr(0, name.rfind('/') + 1) + '+'];
    }

    void publish(packet const& p)
    {
        auto const name = text(p.body);
        if (name != last_name_) {
            last_name_ = name;
            last_ = &topic_of(last_name_);
        }
        if (!coalesce_) {
            for (auto* const subscriber : last_->subscribers) {
                write(*subscriber, p.whole);
            }
            return;
        }
        if (last_->run.empty()) {
            busy_.push_back(last_);
        }
        last_->run.append(p.whole);
    }

    void write(client& c, std::string_view bytes)
    {
        if (c.fd < 0) {
            return;
        }
        if (c.backlog.empty()) {
            auto const sent = ::send(c.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
            if (sent < 0 && errno != EAGAIN) {
                return end(c);
            }
            bytes.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(sent, 0)));
        }
        c.backlog.append(bytes);
    }

    static void end(client& c) { ::close(std::exchange(c.fd, -1)); }

    int const set_ = ::epoll_create1(EPOLL_CLOEXEC);
    int const listening_;
    bool const coalesce_;
    std::vector<char> buffer_ = std::vector<char>(std::size_t{256} * 1024);
    std::vector<std::unique_ptr<client>> clients_;
    std::unordered_map<std::string, topic> topics_;
    std::vector<topic*> busy_;
    std::string last_name_;
    topic* last_ = nullptr;
};

inline int listen_on(std::uint16_t& port)
{
    auto const fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int const on = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    no_delay(fd);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    if (::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || ::listen(fd, 4096) != 0) {
        fail("listen");
    }
    socklen_t size = sizeof address;
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
    port = ntohs(address.sin_port);
    return fd;
}

}  // namespace fulmar::floor
