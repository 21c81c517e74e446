// How many connections the process accepts, in all and from one address.
//
// Owner:    the composition root, one per process, or one per listening address.
// Threads:  any: one atomic per accepted connection; a short lock only when the limit per address is in use.
#pragma once

#include "frontends/net/socket_address.hpp"

#include <atomic>
#include <cstddef>
#include <map>
#include <mutex>

namespace fulmar::net {

class connection_quota
{
public:
    // Zero: no limit.
    explicit connection_quota(std::size_t connections_max = 0, std::size_t per_address_max = 0) noexcept
        : connections_max_(connections_max), per_address_max_(per_address_max)
    {
    }

    // Takes a place, or says no. `leave` gives it back.
    [[nodiscard]] bool enter(ip_address const& from);
    void leave(ip_address const& from) noexcept;

    [[nodiscard]] std::size_t count() const noexcept { return count_.load(std::memory_order_relaxed); }

private:
    std::size_t const connections_max_;
    std::size_t const per_address_max_;
    std::atomic<std::size_t> count_{0};
    std::mutex mutex_;  // guards by_address_
    std::map<std::array<std::uint8_t, 16>, std::size_t> by_address_;
};

}  // namespace fulmar::net
