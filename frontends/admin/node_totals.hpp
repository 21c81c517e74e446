// The counters of all shards, added up at the moment somebody asks.
//
// Threads:  any: each counter may be read from everywhere; two of them need not be of the same moment.
#pragma once

#include "broker/metrics.hpp"
#include "broker/shard.hpp"

#include <array>
#include <cstdint>

namespace fulmar::admin {

[[nodiscard]] inline std::uint64_t total(broker::node_context const& node, broker::counter broker::shard_metrics::*what)
{
    std::uint64_t sum = 0;
    for (auto const& shard : node.shards)
        sum += (std::as_const(*shard).metrics().*what).get();
    return sum;
}

template <std::size_t Size>
[[nodiscard]] std::array<std::uint64_t, Size> totals(broker::node_context const& node,
                                                     std::array<broker::counter, Size> broker::shard_metrics::*what)
{
    std::array<std::uint64_t, Size> sums{};
    for (auto const& shard : node.shards)
        for (std::size_t i = 0; i < Size; ++i)
            sums[i] += (std::as_const(*shard).metrics().*what)[i].get();
    return sums;
}

using by_transport = std::array<std::uint64_t, static_cast<std::size_t>(broker::transport::count)>;

// A WebSocket is counted twice, as itself and as the TCP or TLS connection it began as: once is enough.
[[nodiscard]] inline by_transport each_once(by_transport counted) noexcept
{
    auto const without = [](std::uint64_t& from, std::uint64_t n) { from -= from < n ? from : n; };
    without(counted[static_cast<std::size_t>(broker::transport::tcp)],
            counted[static_cast<std::size_t>(broker::transport::websocket)]);
    without(counted[static_cast<std::size_t>(broker::transport::tls)],
            counted[static_cast<std::size_t>(broker::transport::websocket_tls)]);
    return counted;
}

template <class Range>
[[nodiscard]] std::uint64_t sum_of(Range const& values)
{
    std::uint64_t sum = 0;
    for (auto const value : values)
        sum += value;
    return sum;
}

}  // namespace fulmar::admin
