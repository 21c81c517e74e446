// Accepts connections on one address for one shard.
//
// Every shard has a listening socket of its own on the same port (SO_REUSEPORT) and the kernel spreads connections over
// them by a hash of the peer, so that accepting needs no other thread and a connection stays on the shard that accepted it.
// The spread is random: of 200 connections on two shards the busier one gets 105 in the median and 114 in one case of twenty
// (measured), so two shards can do 1.75 to 1.9 times the work of one. A single accepting shard that deals connections out
// would be even, at the price of a hand-over between threads per connection; the gain did not seem worth it.
// A shard may have several of them: the kernel cuts the queue of each to net.core.somaxconn (4,096 as a rule), so that more
// sockets are the only way to a longer queue without a setting of the system.
// When a process opens its ports only once (tests, tools) `share_port` may be false.
//
// Owner:    the composition root, next to the shard_frontend it feeds.
// Threads:  shard-owned; open is called before the shard runs.
// Limits:   accepts_per_event sockets per event; service::quota; out of descriptors, newcomers are closed at once and
//           accepting rests for back_off, so that the loop never spins.
#pragma once

#include "broker/errors.hpp"
#include "frontends/net/poller.hpp"
#include "frontends/net/service.hpp"
#include "frontends/net/timer_wheel.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

namespace fulmar::net {

class shard_frontend;

struct listen_options
{
    std::string address = "127.0.0.1";  // IPv4 or IPv6; "::" listens to both
    std::uint16_t port = 0;             // 0: any free one; the other shards then use local_port() of the first
    int backlog = 4096;
    bool share_port = true;
    bool first = true;  // on this port: fails if anybody listens there already, be it another of these
};

class listener final : private poll_target, private timer_node
{
public:
    static constexpr int accepts_per_event =
        4096;  // the whole backlog: what does not fit there is connected again a second later
    static constexpr std::chrono::milliseconds back_off{100};

    listener(shard_frontend& home, std::shared_ptr<service const> what);
    ~listener();

    // Fails with the system's error (address in use, permission denied, not available), or invalid_argument if `address` is no
    // address.
    [[nodiscard]] broker::error_code open(listen_options const& options);
    [[nodiscard]] std::uint16_t local_port() const noexcept { return port_; }
    [[nodiscard]] bool listening() const noexcept { return fd_ >= 0; }

    // No further connections. Those in the kernel's queue are reset by it.
    void stop() noexcept;

private:
    void on_events(std::uint32_t events) override;
    void on_timer() override;  // the end of a back-off
    [[nodiscard]] broker::error_code bind_and_listen(ip_address const& ip, listen_options const& options);
    [[nodiscard]] bool accept_one();
    void admit(int fd, sockaddr_storage const& from);
    void out_of_descriptors(int error);
    void report(std::string const& what);

    shard_frontend& home_;
    std::shared_ptr<service const> what_;
    int fd_ = -1;
    bool resting_ = false;  // for back_off
    int spare_fd_ = -1;     // given up to accept, and close, a connection when there is no other descriptor
    std::uint16_t port_ = 0;
    std::chrono::steady_clock::time_point reported_{};
};

}  // namespace fulmar::net
