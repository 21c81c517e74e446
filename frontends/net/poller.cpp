#include "frontends/net/poller.hpp"

#include <sys/epoll.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace fulmar::net {
namespace {

broker::error_code control(int set, int operation, int fd, std::uint32_t events, poll_target* target)
{
    epoll_event event{};
    event.events = events;
    event.data.ptr = target;
    if (::epoll_ctl(set, operation, fd, &event) == 0) {
        return {};
    }
    return {errno, boost::system::system_category()};
}

}  // namespace

poller::poller(boost::asio::io_context& io) : set_(io), alive_(std::make_shared<poller*>(this))
{
    auto const fd = ::epoll_create1(EPOLL_CLOEXEC);
    if (fd < 0) {
        throw std::system_error(errno, std::system_category(), "cannot create an epoll set");
    }
    set_.assign(fd);
    arm();
}

poller::~poller() { *alive_ = nullptr; }

broker::error_code poller::add(int fd, std::uint32_t events, poll_target& target)
{
    return control(set_.native_handle(), EPOLL_CTL_ADD, fd, events, &target);
}

broker::error_code poller::modify(int fd, std::uint32_t events, poll_target& target)
{
    return control(set_.native_handle(), EPOLL_CTL_MOD, fd, events, &target);
}

broker::error_code poller::add_listening(int fd, poll_target& target)
{
    auto const error = add(fd, accept_events, target);
    if (!error) {
        listening_.push_back(&target);
    }
    return error;
}

void poller::remove(int fd) noexcept { ::epoll_ctl(set_.native_handle(), EPOLL_CTL_DEL, fd, nullptr); }

void poller::forget(poll_target& target) noexcept
{
    std::erase(listening_, &target);
    for (auto i = batch_next_; i < batch_size_; ++i) {
        if (batch_[static_cast<std::size_t>(i)].data.ptr == &target) {
            batch_[static_cast<std::size_t>(i)].data.ptr = nullptr;
        }
    }
}

void poller::arm()
{
    set_.async_wait(boost::asio::posix::stream_descriptor::wait_read, [alive = alive_](broker::error_code error) {
        auto* const self = *alive;
        if (self == nullptr || error == boost::asio::error::operation_aborted) {
            return;
        }
        self->handle_batches();
        if (*alive != nullptr) {
            self->arm();
        }
    });
}

void poller::handle_batches()
{
    for (auto round = 0; round < batches_max; ++round) {
        batch_size_ = ::epoll_wait(set_.native_handle(), batch_.data(), batch_events, 0);
        for (batch_next_ = 0; batch_next_ < batch_size_;) {
            auto const& event = batch_[static_cast<std::size_t>(batch_next_++)];
            if (auto* const target = static_cast<poll_target*>(event.data.ptr); target != nullptr) {
                target->on_events(event.events);
            }
        }
        if (batch_size_ < batch_events) {
            break;
        }
        for (std::size_t i = 0; i < listening_.size(); ++i) {
            listening_[i]->on_events(accept_events);
        }
    }
    batch_size_ = 0;
    batch_next_ = 0;
}

}  // namespace fulmar::net
