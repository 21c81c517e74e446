// The session_store on RocksDB: puts its parts together. For storage/ and its tests; others include store.hpp.
//
// Owner:    open_store's caller.
// Threads:  see broker/session_store.hpp.
#pragma once

#include "storage/maintenance.hpp"
#include "storage/reader.hpp"

namespace fulmar::storage {

class rocks_store final : public durable_store
{
public:
    rocks_store(store_settings const& settings, broker::clock const& clock, database_hooks const& hooks);
    ~rocks_store() override;

    void recover(broker::recovery_sink const& sink) override;
    void attach(broker::shard_id shard, broker::store_listener& listener) override;
    void wants_log(broker::shard_id shard, bool wanted) override;
    void submit(broker::shard_id shard, std::vector<broker::store_op> ops) override;
    void read(broker::shard_id shard, broker::queue_read request) override;
    [[nodiscard]] broker::store_state state() const noexcept override { return committer_.state(); }
    [[nodiscard]] std::size_t pending_bytes() const noexcept override { return committer_.pending_bytes(); }
    [[nodiscard]] broker::log_sequence last_committed() const noexcept override { return committer_.last_committed(); }
    [[nodiscard]] broker::log_sequence low_water() const noexcept override { return database_.low_water(); }
    void close() override;

    [[nodiscard]] store_statistics const& statistics() const noexcept override { return statistics_; }
    void maintain() override;

private:
    [[nodiscard]] store_parts parts();
    // Bookkeeping must be there before the committer, a member, begins.
    [[nodiscard]] store_parts recovered_parts();

    store_settings const settings_;
    bool const flush_at_close_;
    broker::clock const& clock_;
    store_statistics statistics_;
    database database_;
    cursor_table cursors_;
    message_cache cache_;
    retention retention_;
    losses losses_;
    committer committer_;
    reader reader_;
    maintenance maintenance_;
    bool recovered_ = false;
    bool closed_ = false;
};

[[nodiscard]] std::unique_ptr<rocks_store> open_store(store_settings const& settings, broker::clock const& clock,
                                                      database_hooks const& hooks);

}  // namespace fulmar::storage
