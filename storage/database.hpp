// The RocksDB database under the store: column families, options, opening, and what its errors mean.
//
// Spec:     docs/storage.md, "Layout" and "Durability".
// Owner:    rocks_store, which outlives every thread that uses it.
// Threads:  RocksDB's own rules: everything const here may be called from any thread. Reading threads hold in_use().
#pragma once

#include "broker/ids.hpp"
#include "storage/settings.hpp"

#include <rocksdb/db.h>

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <string>
#include <vector>

namespace fulmar::storage {

enum class column : std::uint8_t {
    meta,  // RocksDB's "default"
    log,
    index,
    sessions,
    subscriptions,
    cursors,
    inflight,
    retained,
    groups,
    outbox,
    count
};
inline constexpr std::size_t column_count = static_cast<std::size_t>(column::count);
[[nodiscard]] char const* to_string(column which) noexcept;

struct disk_space
{
    std::uint64_t free_bytes = 0;
    std::uint64_t total_bytes = 0;
};

// What tests replace: the file system underneath, and the answer to "how much space is left?".
struct database_hooks
{
    rocksdb::Env* env = nullptr;                       // null: the real one
    std::function<std::optional<disk_space>()> space;  // empty: statvfs
    bool flush_at_close = true;
    bool accept_loss = false;  // open although acknowledged writes are missing: repair
};

inline constexpr std::uint32_t schema_version = 1;

// The low water that compaction filters obey: log records and index entries at or before it are dropped when their file
// is written next. Shared, because compactions may outlive nothing else.
using shared_low_water = std::shared_ptr<std::atomic<broker::log_sequence>>;

class database
{
public:
    // Opens or creates. Throws std::runtime_error with one line of advice. `settings` outlives it.
    database(store_settings const& settings, database_hooks const& hooks);
    ~database();
    database(database const&) = delete;
    database& operator=(database const&) = delete;

    // Closes and opens again: how it goes on after a write ran out of space. (DB::Resume can wait for ever for a flush
    // that the failed write left behind, up to RocksDB 9 at least.) Takes what is in the write-ahead log, like a start.
    // Waits for the readers (in_use); nobody may write meanwhile. Throws std::runtime_error with one line of advice;
    // is_open() is false then, and another reopen may succeed.
    void reopen();
    [[nodiscard]] bool is_open() const noexcept { return db_ != nullptr; }
    // Is there room for what opening again can write, which is what the write-ahead log holds, once more? Tries it: what
    // the file system says is free may not be ours (quotas).
    [[nodiscard]] bool room_to_reopen() const;
    // Readers hold this while they read, and then ask is_open().
    [[nodiscard]] std::shared_lock<std::shared_mutex> in_use() const { return std::shared_lock{use_}; }

    [[nodiscard]] rocksdb::DB& db() const noexcept { return *db_; }
    [[nodiscard]] rocksdb::ColumnFamilyHandle* at(column which) const noexcept
    {
        return columns_[static_cast<std::size_t>(which)];
    }
    [[nodiscard]] std::vector<rocksdb::ColumnFamilyHandle*> all() const { return {columns_.begin(), columns_.end()}; }
    [[nodiscard]] std::unique_ptr<rocksdb::Iterator> iterate(column which,
                                                             rocksdb::ReadOptions const& options = {}) const
    {
        return std::unique_ptr<rocksdb::Iterator>{db_->NewIterator(options, at(which))};
    }

    [[nodiscard]] std::atomic<broker::log_sequence>& low_water() const noexcept { return *low_water_; }
    [[nodiscard]] broker::log_sequence last_at_open() const noexcept { return last_at_open_; }
    [[nodiscard]] std::uint64_t disk_bytes() const;

private:
    void open();
    void close() noexcept;
    void look_for_holes() const;
    void compare_position() const;
    void load_meta();
    [[nodiscard]] std::string probe_name() const;

    store_settings const& settings_;
    database_hooks const hooks_;
    mutable std::shared_mutex use_;
    std::unique_ptr<rocksdb::Env> const environment_;  // the one underneath, with its log files in order
    std::unique_ptr<rocksdb::DB> db_;
    std::array<rocksdb::ColumnFamilyHandle*, column_count> columns_{};
    shared_low_water low_water_;
    broker::log_sequence last_at_open_ = 0;
};

// Options for every column, as open and repair use them; opening adds the environment.
[[nodiscard]] rocksdb::DBOptions database_options(store_settings const& settings);
[[nodiscard]] std::vector<rocksdb::ColumnFamilyDescriptor> column_descriptors(store_settings const& settings,
                                                                              shared_low_water const& low_water);

// Did the disk run out of space (it may pass), rather than fail?
[[nodiscard]] bool is_no_space(rocksdb::Status const& status) noexcept;

// A one-line message with the remedy, for a status that ends opening or recovery.
[[nodiscard]] std::string advice(std::filesystem::path const& path, rocksdb::Status const& status);

}  // namespace fulmar::storage
