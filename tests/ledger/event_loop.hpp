// Readiness and timers for all the ledger's clients on one thread.
//
// Owner:    load_run; outlives every client.
// Threads:  one.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <queue>
#include <unordered_map>
#include <vector>

namespace fulmar::ledger {

class event_loop
{
public:
    using clock = std::chrono::steady_clock;

    event_loop();
    ~event_loop();
    event_loop(event_loop const&) = delete;
    event_loop& operator=(event_loop const&) = delete;

    // Calls `ready` with the epoll events of `fd` until forget(fd).
    void watch(int fd, std::uint32_t events, std::function<void(std::uint32_t)> ready);
    void change(int fd, std::uint32_t events);
    void forget(int fd);

    void after(std::chrono::milliseconds wait, std::function<void()> task);

    // Waits for events or the next timer and runs what is due.
    void turn();

private:
    struct timer
    {
        clock::time_point due;
        std::uint64_t order = 0;
        std::function<void()> task;
        bool operator<(timer const& other) const { return due != other.due ? due > other.due : order > other.order; }
    };

    void run_timers();

    int epoll_;
    std::uint64_t timers_made_ = 0;
    std::priority_queue<timer> timers_;
    std::unordered_map<int, std::function<void(std::uint32_t)>> handlers_;
};

}  // namespace fulmar::ledger
