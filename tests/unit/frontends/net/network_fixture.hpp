// One shard with its network side, driven by the test: sockets are real, time and turns are the test's.
#pragma once

#include "broker/shard.hpp"
#include "frontends/net/connection.hpp"
#include "frontends/net/frontend.hpp"
#include "tests/support/core_broker.hpp"
#include "tests/unit/frontends/net/loopback_sockets.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace fulmar::net::test {

using fulmar::test::core_broker;

// The far end of a connection.
class test_peer
{
public:
    test_peer() = default;
    explicit test_peer(int fd) : fd_(fd) {}
    test_peer(test_peer&& other) noexcept : received(std::move(other.received)), fd_(std::exchange(other.fd_, -1)) {}
    test_peer& operator=(test_peer&& other) noexcept
    {
        std::swap(fd_, other.fd_);
        received.swap(other.received);
        return *this;
    }
    ~test_peer() { close(); }

    [[nodiscard]] int fd() const { return fd_; }
    std::size_t send(std::string_view bytes)
    {
        auto const sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        return sent < 0 ? 0 : static_cast<std::size_t>(sent);
    }
    // Reads what is there (at most `limit` bytes); sets `ended` and `reset`.
    std::size_t read(std::size_t limit = SIZE_MAX)
    {
        std::size_t total = 0;
        std::vector<char> buffer(64 * 1024);
        while (total < limit) {
            auto const got = ::recv(fd_, buffer.data(), std::min(buffer.size(), limit - total), MSG_DONTWAIT);
            if (got <= 0) {
                ended = ended || got == 0;
                reset = reset || (got < 0 && errno == ECONNRESET);
                break;
            }
            received.append(buffer.data(), static_cast<std::size_t>(got));
            total += static_cast<std::size_t>(got);
        }
        return total;
    }
    void end_writing() { ::shutdown(fd_, SHUT_WR); }
    void close()
    {
        if (fd_ >= 0) {
            ::close(std::exchange(fd_, -1));
        }
    }

    std::string received;
    bool ended = false;
    bool reset = false;

private:
    int fd_ = -1;
};

// A protocol whose behaviour is the test's.
struct conversation
{
    wire* w = nullptr;
    std::string consumed;
    int offers = 0;
    int deadlines = 0;
    int drained = 0;
    int closed = 0;
    bool clean = false;
    int destroyed = 0;
    std::function<std::size_t(std::span<char const>)> on_bytes;  // default: takes everything
    std::function<void()> on_closed;
};

class conversing_protocol final : public protocol
{
public:
    explicit conversing_protocol(std::shared_ptr<conversation> with) : with_(std::move(with)) {}
    ~conversing_protocol() override { ++with_->destroyed; }
    std::size_t on_bytes(std::span<char const> in) override
    {
        ++with_->offers;
        auto const taken = with_->on_bytes ? with_->on_bytes(in) : in.size();
        with_->consumed.append(in.data(), std::min(taken, in.size()));
        return taken;
    }
    void on_deadline() override { ++with_->deadlines; }
    void on_drained() override { ++with_->drained; }
    void on_closed(bool clean) override
    {
        ++with_->closed;
        with_->clean = clean;
        if (with_->on_closed) {
            with_->on_closed();
        }
    }

private:
    std::shared_ptr<conversation> with_;
};

class network_fixture : public testing::Test
{
public:
    explicit network_fixture(broker::limits const& limits = {}, frontend_options const& options = {})
        : core(1, limits), frontend(std::make_unique<shard_frontend>(core.shard(0), options))
    {
        what->make_protocol = [this](wire& w) {
            auto talk = std::make_shared<conversation>();
            talk->w = &w;
            if (on_new) {
                on_new(*talk);
            }
            talks.push_back(talk);
            return std::make_unique<conversing_protocol>(talk);
        };
        what->report = [this](std::string_view line) { reports.emplace_back(line); };
    }

    // A connected pair of TCP sockets on the loopback interface; one end becomes a connection.
    test_peer connect(int send_buffer = 0);

    void settle() { core.settle(); }

    // Lets turns pass until `done`; waits for sockets and timers, not for time.
    bool until(std::function<bool()> const& done)
    {
        auto const give_up = std::chrono::steady_clock::now() + std::chrono::seconds{20};
        while (!done()) {
            if (std::chrono::steady_clock::now() > give_up) {
                return false;
            }
            core.shard(0).io().restart();
            core.shard(0).io().run_one_for(std::chrono::milliseconds{10});
        }
        return true;
    }

    // What is said on the newest connection.
    conversation& talk() { return *talks.back(); }
    // Every connection has gone.
    bool gone()
    {
        return until([this] { return frontend->count() == 0; });
    }

    [[nodiscard]] broker::shard_metrics& metrics() { return core.shard(0).metrics(); }
    [[nodiscard]] std::uint64_t dropped()
    {
        return metrics().dropped[static_cast<std::size_t>(broker::drop_reason::outbox_full)].get();
    }

    std::shared_ptr<service> what = std::make_shared<service>();
    std::function<void(conversation&)> on_new;
    std::vector<std::shared_ptr<conversation>> talks;
    std::vector<std::string> reports;
    core_broker core;
    std::unique_ptr<shard_frontend> frontend;
};

inline test_peer network_fixture::connect(int send_buffer)
{
    sockaddr_storage from{};
    auto const [accepted, client] = loopback_pair(from);
    if (send_buffer > 0) {
        ::setsockopt(accepted, SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof send_buffer);
    }
    frontend->adopt(accepted, from, what);
    return test_peer{client};
}

}  // namespace fulmar::net::test
