// The session_store on disk (RocksDB): how to open it, and what it tells about itself.
//
// Spec:     docs/storage.md (layout, durability, trimming, failures).
// Owner:    server.cpp, one per process and path.
// Threads:  as broker/session_store.hpp says; statistics are read from any thread.
// Limits:   memory is bounded by the caches and write buffers of store_settings plus what is submitted and not yet
//           committed; disk by retention.
#pragma once

#include "broker/clock.hpp"
#include "broker/session_store.hpp"
#include "storage/settings.hpp"

#include <array>
#include <atomic>
#include <memory>

namespace fulmar::storage {

// Counts how many observations were at most each bound; the last bucket takes the rest.
template <std::size_t Bounds>
class histogram
{
public:
    explicit constexpr histogram(std::array<std::uint64_t, Bounds> const& upper) : bounds{upper} {}

    void observe(std::uint64_t value) noexcept
    {
        std::size_t at = 0;
        while (at < Bounds && value > bounds[at])
            ++at;
        buckets[at].fetch_add(1, std::memory_order_relaxed);
        count.fetch_add(1, std::memory_order_relaxed);
        sum.fetch_add(value, std::memory_order_relaxed);
    }

    std::array<std::uint64_t, Bounds> const bounds;
    std::array<std::atomic<std::uint64_t>, Bounds + 1> buckets{};  // not cumulative
    std::atomic<std::uint64_t> count{0};
    std::atomic<std::uint64_t> sum{0};
};

// Relaxed atomics: each number is right, two numbers need not be of the same moment.
struct store_statistics
{
    using number = std::atomic<std::uint64_t>;

    histogram<12> commit_us{{100, 200, 400, 800, 1'500, 3'000, 6'000, 12'000, 25'000, 50'000, 200'000, 1'000'000}};
    histogram<8> batch_ops{{1, 4, 16, 64, 256, 1'024, 4'096, 16'384}};
    number commits{0};  // batches written
    number syncs{0};    // of them, with a sync
    number commit_failures{0};
    number operations{0};      // committed
    number records{0};         // messages added to the log
    number record_bytes{0};    // their bytes, encoded
    number refused_full{0};    // operations refused because the disk is full
    number refused_failed{0};  // operations refused because the store failed
    number pages{0};           // queue pages read
    number messages_read{0};
    number cache_hits{0};
    number cache_misses{0};
    number corrupt_records{0};             // found when reading, never delivered
    number trims{0};                       // times the low water moved
    number messages_lost_to_retention{0};  // index entries that somebody had not read when retention took them
    number low_water{0};
    number last_sequence{0};
    number log_bytes{0};   // records between low water and the end, approximately
    number disk_bytes{0};  // all files of the database, as of the last maintenance
    number free_bytes{0};  // of the file system, as of the last maintenance
    number resumes{0};     // recoveries from a full disk
};

class durable_store : public broker::session_store
{
public:
    [[nodiscard]] virtual store_statistics const& statistics() const noexcept = 0;

    // One round of what the maintenance thread does every maintenance_interval_ms, on the calling thread: free space,
    // recovery from a full disk, trimming, removal of what erased sessions left behind.
    virtual void maintain() = 0;
};

// Opens or creates the store. Throws std::runtime_error, one line with the remedy, if that is impossible: in use by
// another process, no permission, written by a newer version, damaged.
[[nodiscard]] std::unique_ptr<durable_store> open_store(store_settings const& settings, broker::clock const& clock);

}  // namespace fulmar::storage
