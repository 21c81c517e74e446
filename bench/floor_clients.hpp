// The clients of `fulmar_floor run`: one publisher and its subscribers on one thread.
#pragma once

#include "bench/floor_server.hpp"

#include <chrono>

namespace fulmar::floor {

using steady = std::chrono::steady_clock;

struct options
{
    bool serve = false;
    bool coalesce = true;
    bool json = false;
    std::uint16_t port = 0;
    std::size_t subscribers = 100;
    std::size_t payload = 64;
    std::size_t window = 32;
    double seconds = 2;
    double fixed_rate = 0;  // messages per second; 0: closed loop
};

inline int connect_client(std::uint16_t port, int number)
{
    auto const fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    if (fd < 0 || ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
        fail("connect");
    }
    no_delay(fd);
    auto const hello = encode(
        '\x10', with_length("MQTT") + std::string{"\x04\x02\0\0", 4} + with_length("c" + std::to_string(number)));
    std::array<char, 4> connack{};
    if (::send(fd, hello.data(), hello.size(), 0) < 0 || ::recv(fd, connack.data(), 4, MSG_WAITALL) != 4) {
        fail("CONNECT");
    }
    return fd;
}

struct receiver
{
    int fd = -1;
    std::size_t bytes = 0;  // received so far
};

class clients
{
public:
    clients(options const& with, std::uint16_t port)
        : with_(with), arrived_(std::size_t{1} << 16U), sent_at_(arrived_.size())
    {
        frame_ = encode('\x30', with_length("floor") + std::string(with.payload, 'x'));
        publisher_ = connect_client(port, -1);
        receivers_.resize(with.subscribers);
        for (std::size_t i = 0; i < receivers_.size(); ++i) {
            receivers_[i].fd = connect_client(port, static_cast<int>(i));
            auto const subscribe =
                encode('\x82', std::string{"\0\x01", 2} + with_length("floor") + std::string(1, '\0'));
            std::array<char, 5> suback{};
            if (::send(receivers_[i].fd, subscribe.data(), subscribe.size(), 0) < 0 ||
                ::recv(receivers_[i].fd, suback.data(), 5, MSG_WAITALL) != 5) {
                fail("SUBSCRIBE");
            }
            watch(set_, receivers_[i].fd, &receivers_[i]);
        }
    }

    // Keeps the server busy until `end`.
    void drive(steady::time_point end)
    {
        std::array<epoll_event, 512> events;
        while (steady::now() < end) {
            publish();
            auto const wait_ms = with_.fixed_rate > 0 ? 0 : 1;
            auto const count = ::epoll_wait(set_, events.data(), static_cast<int>(events.size()), wait_ms);
            for (auto i = 0; i < count; ++i) {
                receive(*static_cast<receiver*>(events[static_cast<std::size_t>(i)].data.ptr));
            }
        }
    }

    void restart() noexcept
    {
        deliveries_ = 0;
        receives_ = 0;
        latencies_us_.clear();
        started_ = {};
    }
    [[nodiscard]] std::uint64_t deliveries() const noexcept { return deliveries_; }
    [[nodiscard]] std::uint64_t receives() const noexcept { return receives_; }
    [[nodiscard]] double latency_us(double quantile)
    {
        if (latencies_us_.empty()) {
            return 0;
        }
        auto const at = static_cast<std::size_t>(quantile * static_cast<double>(latencies_us_.size() - 1));
        std::nth_element(latencies_us_.begin(), latencies_us_.begin() + static_cast<std::ptrdiff_t>(at),
                         latencies_us_.end());
        return latencies_us_[at];
    }

private:
    void publish()
    {
        std::string batch;
        auto const now = steady::now();
        if (with_.fixed_rate > 0) {
            if (started_ == steady::time_point{}) {
                started_ = now;
                first_ = next_;
            }
            for (;;) {  // latency counts from the intended time
                std::chrono::duration<double> const after{static_cast<double>(next_ - first_) / with_.fixed_rate};
                auto const intended = started_ + std::chrono::duration_cast<steady::duration>(after);
                if (intended > now || next_ - complete_ >= arrived_.size()) {
                    break;
                }
                sent_at_[next_++ % sent_at_.size()] = intended;
                batch += frame_;
            }
        } else {
            for (; next_ - complete_ < with_.window; ++next_) {
                sent_at_[next_ % sent_at_.size()] = now;
                batch += frame_;
            }
        }
        if (!batch.empty() &&
            ::send(publisher_, batch.data(), batch.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(batch.size())) {
            fail("PUBLISH");
        }
    }

    void receive(receiver& r)
    {
        auto const got = ::recv(r.fd, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
        if (got <= 0) {
            if (got < 0 && errno == EAGAIN) {
                return;
            }
            fail("the server ended a connection");
        }
        ++receives_;
        auto const now = steady::now();
        auto number = r.bytes / frame_.size();
        r.bytes += static_cast<std::size_t>(got);
        for (; number < r.bytes / frame_.size(); ++number) {
            ++deliveries_;
            auto const slot = number % arrived_.size();
            latencies_us_.push_back(std::chrono::duration<float, std::micro>(now - sent_at_[slot]).count());
            if (++arrived_[slot] == receivers_.size()) {
                arrived_[slot] = 0;
                ++complete_;  // messages arrive in order everywhere, so they complete in order
            }
        }
    }

    options const& with_;
    int const set_ = ::epoll_create1(EPOLL_CLOEXEC);
    int publisher_ = -1;
    std::string frame_;
    std::vector<receiver> receivers_;
    std::vector<std::size_t> arrived_;  // by message: at how many receivers
    std::vector<steady::time_point> sent_at_;
    std::vector<float> latencies_us_;
    std::vector<char> buffer_ = std::vector<char>(std::size_t{256} * 1024);
    steady::time_point started_{};
    std::size_t first_ = 0;
    std::size_t next_ = 0;
    std::size_t complete_ = 0;
    std::uint64_t deliveries_ = 0;
    std::uint64_t receives_ = 0;
};

}  // namespace fulmar::floor
