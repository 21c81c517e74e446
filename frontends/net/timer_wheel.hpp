// Deadlines of all connections of one shard, at a resolution of 100 ms.
//
// The wheel counts ticks, not time: when the loop was held up, deadlines move with it, so that nobody is closed for
// silence during which the broker itself did not read.
//
// Owner:    net::shard_frontend.
// Threads:  shard-owned.
// Limits:   deadlines up to 13 years; nodes are intrusive, so arming never allocates and never fails.
// Cost:     arm and disarm are O(1); pushing an armed deadline further away only writes a number. Nothing ticks while nothing
//           is armed; a tick visits the nodes of one of slots_count slots.
#pragma once

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <memory>

namespace fulmar::net {

class timer_wheel;

// Where a node stands in the wheel.
class timer_links
{
public:
    timer_links() = default;
    timer_links(timer_links const&) = delete;
    timer_links& operator=(timer_links const&) = delete;
    [[nodiscard]] bool armed() const noexcept { return next_ != nullptr; }

private:
    friend class timer_wheel;
    timer_links* next_ = nullptr;  // circular lists through the slot's head
    timer_links* previous_ = nullptr;
    std::uint32_t due_ = 0;   // tick at which it is due
    std::uint32_t slot_ = 0;  // tick at which its slot is visited: never after due_
};

// Something with at most one deadline. Must be disarmed before it dies.
class timer_node : public timer_links
{
public:
    virtual void on_timer() = 0;  // may arm and disarm any node, itself included

protected:
    ~timer_node() = default;
};

class timer_wheel
{
public:
    static constexpr std::chrono::milliseconds resolution{100};
    static constexpr std::uint32_t slots_count = 1024;
    static constexpr std::uint32_t catch_up_max = 10;  // ticks: longer stalls of the loop are not counted

    explicit timer_wheel(boost::asio::io_context& io);
    ~timer_wheel();

    // Calls node.on_timer once, not before `after` and not much more than `resolution` later. Replaces what was armed.
    void arm(timer_node& node, std::chrono::milliseconds after);
    void disarm(timer_node& node) noexcept;

    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] bool ticking() const noexcept { return ticking_; }

    // Lets `ticks` ticks pass at once. Called by the wheel's own timer; tests call it instead of waiting.
    void advance(std::uint32_t ticks);

private:
    void link(timer_links& node, std::uint32_t tick) noexcept;
    static void unlink(timer_links& node) noexcept;
    void visit(timer_links& slot);
    void schedule_tick();

    boost::asio::steady_timer timer_;
    std::shared_ptr<timer_wheel*> alive_;
    std::array<timer_links, slots_count> slots_;
    std::chrono::steady_clock::time_point last_;
    std::uint32_t now_ = 0;
    std::size_t size_ = 0;
    bool ticking_ = false;
};

}  // namespace fulmar::net
