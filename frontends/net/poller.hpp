// Readiness of all sockets of one shard: one epoll set of our own, nested in the shard's io_context.
//
// Asio sees one descriptor per shard, so an idle connection costs no Asio object and no handler. Connections register once,
// edge-triggered for input and output together: no system call ever changes the registration of a live connection. An
// edge for output comes only after a send that fell short (the kernel remembers that somebody wants room).
//
// Owner:    net::shard_frontend.
// Threads:  shard-owned; `add` may be called by the starting thread before the shard runs.
// Limits:   batches_max x batch_events events per turn, so that timers, mail and flushes get their turn.
// Cost:     one epoll_wait per turn in which something is ready, and one re-arming of the outer set.
#pragma once

#include "broker/errors.hpp"

#include <sys/epoll.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cstdint>
#include <memory>
#include <vector>

namespace fulmar::net {

class poll_target
{
public:
    // `events` are the EPOLL* bits. The target must stay valid until the next turn, or call poller::forget.
    virtual void on_events(std::uint32_t events) = 0;

protected:
    ~poll_target() = default;
};

class poller
{
public:
    static constexpr std::uint32_t stream_events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    static constexpr std::uint32_t end_events = EPOLLRDHUP | EPOLLET;  // nothing but the end of a stream
    static constexpr std::uint32_t accept_events = EPOLLIN;
    static constexpr int batch_events = 512;
    static constexpr int batches_max = 1;

    explicit poller(boost::asio::io_context& io);
    ~poller();
    poller(poller const&) = delete;
    poller& operator=(poller const&) = delete;

    // Fails with what epoll_ctl says (ENOSPC, ENOMEM, EPERM): the caller closes the socket.
    [[nodiscard]] broker::error_code add(int fd, std::uint32_t events, poll_target& target);
    [[nodiscard]] broker::error_code modify(int fd, std::uint32_t events, poll_target& target);
    // Closing a descriptor removes it too; `remove` is for descriptors that stay open.
    void remove(int fd) noexcept;
    // A socket that listens: told of accept_events like all others, and also after every full batch, when many more are
    // ready: its turn would come after all of those, and its queue has room for a fraction of a second (on_events is
    // then called without knowing that somebody waits).
    [[nodiscard]] broker::error_code add_listening(int fd, poll_target& target);
    // No event of the batch that is being handled reaches `target` any more; one that listens is not asked any more.
    void forget(poll_target& target) noexcept;

private:
    void arm();
    void handle_batches();

    boost::asio::posix::stream_descriptor set_;
    std::shared_ptr<poller*> alive_;  // the pending handler may outlive the poller inside the io_context
    std::vector<poll_target*> listening_;
    std::array<epoll_event, batch_events> batch_;
    int batch_size_ = 0;
    int batch_next_ = 0;
};

}  // namespace fulmar::net
