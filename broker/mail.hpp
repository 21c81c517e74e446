// What shards send each other, and the bounded hand-over between one ordered pair of them.
//
// Owner:    the receiving shard, one mailbox per sending shard; a parcel belongs to the sender until it is pushed.
// Threads:  push by the sending shard, take and settle by the receiving one, waiting_bytes by both.
// Limits:   limits::mailbox_bytes, enforced by the sender (shard::congested): producers stop reading their sockets.
// Cost:     a whole turn's mail is one push under one short lock; nothing per message.
#pragma once

#include "broker/message.hpp"

#include <atomic>
#include <functional>
#include <mutex>
#include <utility>
#include <vector>

namespace fulmar::broker {

class shard;

// Either a message for the receiving shard's subscribers, or something to run there.
struct mail
{
    message_ptr message;
    std::function<void(shard&)> task;
};

struct parcel
{
    void add(mail item, std::size_t size)
    {
        items.push_back(std::move(item));
        bytes += size;
    }

    std::vector<mail> items;
    std::size_t bytes = 0;
};

class mailbox
{
public:
    void push(parcel letters)
    {
        waiting_bytes_.fetch_add(letters.bytes, std::memory_order_relaxed);
        std::lock_guard const lock{mutex_};
        waiting_.push_back(std::move(letters));
    }

    [[nodiscard]] std::vector<parcel> take()
    {
        std::lock_guard const lock{mutex_};
        return std::exchange(waiting_, {});
    }

    void settle(std::size_t bytes) noexcept { waiting_bytes_.fetch_sub(bytes, std::memory_order_relaxed); }

    [[nodiscard]] std::size_t waiting_bytes() const noexcept { return waiting_bytes_.load(std::memory_order_relaxed); }

private:
    std::mutex mutex_;
    std::vector<parcel> waiting_;
    std::atomic<std::size_t> waiting_bytes_{0};
};

}  // namespace fulmar::broker
