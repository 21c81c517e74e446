#include "tests/ledger/event_loop.hpp"

#include <sys/epoll.h>
#include <unistd.h>
#include <algorithm>
#include <array>
#include <cerrno>
#include <stdexcept>

namespace fulmar::ledger {

event_loop::event_loop() : epoll_(::epoll_create1(EPOLL_CLOEXEC))
{
    if (epoll_ < 0)
        throw std::runtime_error("epoll_create1 failed");
}

event_loop::~event_loop() { ::close(epoll_); }

void event_loop::watch(int fd, std::uint32_t events, std::function<void(std::uint32_t)> ready)
{
    handlers_[fd] = std::move(ready);
    epoll_event e{};
    e.events = events;
    e.data.fd = fd;
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &e) != 0)
        throw std::runtime_error("epoll_ctl failed");
}

void event_loop::change(int fd, std::uint32_t events)
{
    epoll_event e{};
    e.events = events;
    e.data.fd = fd;
    ::epoll_ctl(epoll_, EPOLL_CTL_MOD, fd, &e);
}

void event_loop::forget(int fd)
{
    ::epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
    handlers_.erase(fd);
}

void event_loop::after(std::chrono::milliseconds wait, std::function<void()> task)
{
    timers_.push(timer{clock::now() + wait, ++timers_made_, std::move(task)});
}

void event_loop::turn()
{
    int wait_ms = 1'000;
    if (!timers_.empty()) {
        auto const left = std::chrono::ceil<std::chrono::milliseconds>(timers_.top().due - clock::now()).count();
        wait_ms = static_cast<int>(std::clamp<std::int64_t>(left, 0, wait_ms));
    }
    std::array<epoll_event, 64> events;
    int const count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), wait_ms);
    for (int i = 0; i < count; ++i) {
        // A handler may forget its own or another descriptor: look each one up, and keep it alive while it runs.
        auto const found = handlers_.find(events[static_cast<std::size_t>(i)].data.fd);
        if (found == handlers_.end())
            continue;
        auto const ready = found->second;
        ready(events[static_cast<std::size_t>(i)].events);
    }
    run_timers();
}

void event_loop::run_timers()
{
    auto const now = clock::now();
    while (!timers_.empty() && timers_.top().due <= now) {
        auto const task = timers_.top().task;
        timers_.pop();
        task();
    }
}

}  // namespace fulmar::ledger
