// Turns store operations into one RocksDB WriteBatch. Cursors and in-flight records, which change all the time, are
// written once per batch: the last value wins.
//
// Owner:    committer.
// Threads:  the committer's.
// Limits:   what the committer gathers for one commit; buffers above buffer_bytes_kept are given back.
// Cost:     one encoding and two copies per logged message.
#pragma once

#include "broker/session_store.hpp"
#include "storage/database.hpp"
#include "storage/key.hpp"

#include <rocksdb/write_batch.h>

#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace fulmar::storage {

// What the store writes for itself.
struct housekeeping
{
    std::optional<broker::log_sequence> low_water;
    std::vector<std::pair<std::string, std::string>> meta_puts;
    std::vector<std::string> meta_erases;
    std::vector<std::pair<column, std::string>> row_erases;
};

class batch_writer
{
public:
    explicit batch_writer(database const& where) : database_{where} {}

    void clear();
    // `sequence` is used if the operation logs a message (logs()).
    void add(broker::store_op const& op, broker::log_sequence sequence);
    void add(housekeeping const& own);
    // Adds what was held together; the batch is complete.
    [[nodiscard]] rocksdb::WriteBatch& finish();

    [[nodiscard]] static bool logs(broker::store_op const& op) noexcept;
    [[nodiscard]] std::uint64_t record_bytes() const noexcept { return record_bytes_; }

private:
    struct hash_inflight
    {
        std::size_t operator()(key::inflight_entry const& e) const noexcept
        {
            auto const low = std::uint64_t{e.packet} << 1U | (e.incoming ? 1U : 0U);
            return static_cast<std::size_t>((static_cast<std::uint64_t>(e.session) ^ low) * 0x9E3779B97F4A7C15ULL);
        }
    };

    void apply(broker::publish_op const& op, broker::log_sequence sequence);
    void apply(broker::put_session_op const& op);
    void apply(broker::erase_session_op const& op);
    void apply(broker::put_subscription_op const& op);
    void apply(broker::erase_subscription_op const& op);
    void apply(broker::cursor_op const& op);
    void apply(broker::put_inflight_op const& op);
    void apply(broker::erase_inflight_op const& op);
    void apply(broker::group_cursor_op const& op);
    void apply(broker::erase_retained_op const& op);
    void apply(broker::put_outbox_op const& op);
    void apply(broker::erase_outbox_op const& op);
    void put(column where, std::string_view key, std::string_view value);
    void erase(column where, std::string_view key);

    database const& database_;
    rocksdb::WriteBatch batch_;
    std::string record_;  // reused
    std::uint64_t record_bytes_ = 0;
    std::unordered_map<broker::session_id, std::optional<broker::log_sequence>> cursors_;  // nullopt: erase
    std::unordered_map<key::inflight_entry, std::optional<broker::inflight_record>, hash_inflight> inflight_;
    std::unordered_map<broker::filter_hash, broker::group_cursor_op const*> groups_;
};

}  // namespace fulmar::storage
