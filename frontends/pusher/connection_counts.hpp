// How many Pusher connections each app has on this node.
//
// Owner:    pusher::frontend.
// Threads:  any. The lock is taken when a connection opens; closing is one atomic operation.
// Limits:   one number per app that ever had a connection.
#pragma once

#include "broker/ids.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>

namespace fulmar::pusher {

class connection_counts
{
public:
    // One of the app's connections, until it is destroyed.
    class place
    {
    public:
        place() = default;
        explicit place(std::atomic<std::uint32_t>& of) noexcept : of_(&of) {}
        place(place&& other) noexcept : of_(std::exchange(other.of_, nullptr)) {}
        place& operator=(place&& other) noexcept
        {
            std::swap(of_, other.of_);
            return *this;
        }
        ~place()
        {
            if (of_ != nullptr)
                of_->fetch_sub(1, std::memory_order_relaxed);
        }
        explicit operator bool() const noexcept { return of_ != nullptr; }

    private:
        std::atomic<std::uint32_t>* of_ = nullptr;
    };

    // Empty: the app has `limit` connections already. 0: no limit.
    [[nodiscard]] place take(broker::app_id app, std::uint32_t limit);
    [[nodiscard]] std::uint32_t of(broker::app_id app) const;

private:
    mutable std::mutex mutex_;
    std::unordered_map<std::uint32_t, std::unique_ptr<std::atomic<std::uint32_t>>> counts_;
};

}  // namespace fulmar::pusher
