// What shards send each other, and the bounded hand-over between one ordered pair of them.
//
// Messages and tasks travel in lanes of their own, because messages are many; each task knows how many messages of its
// parcel come before it, so that the order in which they were posted is the order in which they arrive.
//
// Owner:    the receiving shard, one mailbox per sending shard; a parcel belongs to the sender until it is pushed, and
//           comes back to it empty, with its memory.
// Threads:  push by the sending shard, take and settle by the receiving one, waiting_bytes by both.
// Limits:   limits::mailbox_bytes, enforced by the sender (shard::congested): producers stop reading their sockets.
// Cost:     a whole turn's mail is one push under one short lock; per message one pointer, and no counting of
//           references when the sender gives its own away.
#pragma once

#include "broker/message.hpp"

#include <atomic>
#include <functional>
#include <mutex>
#include <utility>
#include <vector>

namespace fulmar::broker {

class shard;

class parcel
{
public:
    static constexpr std::size_t kept_items_max = 16'384;  // of the memory that is used again

    void add(message_ptr m)
    {
        bytes_ += m->footprint() + sizeof(message_ptr);
        messages_.push_back(std::move(m));
    }

    void add(std::function<void(shard&)> task, std::size_t bytes)
    {
        bytes_ += bytes + sizeof(errand);
        tasks_.push_back({std::move(task), messages_.size()});
    }

    [[nodiscard]] bool empty() const noexcept { return messages_.empty() && tasks_.empty(); }
    [[nodiscard]] std::size_t size() const noexcept { return messages_.size() + tasks_.size(); }
    [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

    // Calls on_message and on_task in the order of add. Each message is let go before the next one.
    template <class OnMessage, class OnTask>
    void open(OnMessage on_message, OnTask on_task)
    {
        std::size_t next = 0;
        for (auto const& one : tasks_) {
            for (; next < one.messages_before; ++next)
                hand_out(next, on_message);
            on_task(one.task);
        }
        for (; next < messages_.size(); ++next)
            hand_out(next, on_message);
    }

    void reset()
    {
        bytes_ = 0;
        if (messages_.capacity() > kept_items_max)
            messages_ = {};
        if (tasks_.capacity() > kept_items_max)
            tasks_ = {};
        messages_.clear();
        tasks_.clear();
    }

private:
    struct errand
    {
        std::function<void(shard&)> task;
        std::size_t messages_before;
    };

    template <class OnMessage>
    void hand_out(std::size_t index, OnMessage& on_message)
    {
        // Another processor wrote them: fetching the next ones now hides most of the wait.
        constexpr std::size_t ahead = 6;
        if (index + ahead < messages_.size()) {
            auto const* const coming = reinterpret_cast<char const*>(messages_[index + ahead].get());
            __builtin_prefetch(coming);
            __builtin_prefetch(coming + 64);
            __builtin_prefetch(coming + 128);
        }
        auto const m = std::move(messages_[index]);
        on_message(m);
    }

    std::vector<message_ptr> messages_;
    std::vector<errand> tasks_;
    std::size_t bytes_ = 0;
};

class mailbox
{
public:
    // Leaves `letters` empty, with the memory of an earlier parcel if one has come back.
    void push(parcel& letters)
    {
        waiting_bytes_.fetch_add(letters.bytes(), std::memory_order_relaxed);
        std::lock_guard const lock{mutex_};
        waiting_.push_back(std::exchange(letters, std::exchange(spare_, {})));
    }

    // Moves what waits into `to`, which is empty.
    void take(std::vector<parcel>& to)
    {
        std::lock_guard const lock{mutex_};
        waiting_.swap(to);
    }

    // `done` was opened to its end.
    void settle(parcel&& done)
    {
        waiting_bytes_.fetch_sub(done.bytes(), std::memory_order_relaxed);
        done.reset();
        std::lock_guard const lock{mutex_};
        spare_ = std::move(done);
    }

    [[nodiscard]] std::size_t waiting_bytes() const noexcept { return waiting_bytes_.load(std::memory_order_relaxed); }

private:
    std::mutex mutex_;
    std::vector<parcel> waiting_;
    parcel spare_;
    std::atomic<std::size_t> waiting_bytes_{0};
};

}  // namespace fulmar::broker
