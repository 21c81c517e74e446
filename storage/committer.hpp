// The one thread that writes: gathers what all shards handed over into one batch and one sync, then tells them.
//
// While one commit runs the next hand-overs queue up, so batches grow by themselves with the load.
//
// Spec:     docs/storage.md, "Commit" and "Failures".
// Owner:    rocks_store.
// Threads:  public members from any thread; listeners are called on the committer's thread, in commit order.
// Limits:   gathers up to commit_bytes_max; what waits is bounded by shards heeding pending_bytes().
// Cost:     one short lock per hand-over.
#pragma once

#include "broker/clock.hpp"
#include "storage/batch_writer.hpp"
#include "storage/cursor_table.hpp"
#include "storage/message_cache.hpp"
#include "storage/retention.hpp"
#include "storage/store.hpp"

#include <condition_variable>
#include <deque>
#include <future>
#include <mutex>
#include <thread>

namespace fulmar::storage {

// What the parts of the store share; all outlive every thread.
struct store_parts
{
    store_settings const& settings;
    broker::clock const& clock;
    database& data;
    cursor_table& cursors;
    message_cache& cache;
    storage::retention& retention;
    store_statistics& statistics;
};

class committer
{
public:
    explicit committer(store_parts const& parts);
    ~committer();

    void attach(broker::shard_id shard, broker::store_listener& listener);
    void wants_log(broker::shard_id shard, bool wanted);
    [[nodiscard]] broker::store_listener* listener_of(broker::shard_id shard) const noexcept;

    void submit(broker::shard_id shard, std::vector<broker::store_op> ops);
    // Writes for the store itself and waits. Always synced, so that what depends on it may be thrown away.
    [[nodiscard]] broker::error_code write(housekeeping own);
    // Commits everything submitted, then ends the thread. Later hand-overs are dropped.
    void close();

    [[nodiscard]] broker::store_state state() const noexcept;
    [[nodiscard]] std::size_t pending_bytes() const noexcept { return pending_bytes_.load(std::memory_order_relaxed); }
    [[nodiscard]] broker::log_sequence last_committed() const noexcept { return last_.load(std::memory_order_acquire); }

    // Little space is left: publishes are refused before the disk refuses everything.
    void set_low_space(bool low) noexcept { low_space_ = low; }
    // The disk refused a write for lack of space: nothing is written until resumed() says that it works again.
    [[nodiscard]] bool needs_resume() const noexcept { return needs_resume_; }
    void resumed();
    // Something indeterminate happened: refuse from now on.
    void fail(std::string const& why);

    // Sessions erased since the last call, whose remains are to be removed.
    [[nodiscard]] std::vector<broker::session_id> take_erased();

private:
    struct hand_over
    {
        broker::shard_id shard = 0;
        std::vector<broker::store_op> ops;
        std::size_t bytes = 0;
        std::optional<housekeeping> own;
        std::promise<broker::error_code>* done = nullptr;  // of `own`
    };
    using batch_results = std::array<std::vector<broker::store_result>, broker::shards_max>;

    void run();
    [[nodiscard]] bool take(std::vector<hand_over>& work);
    void commit(std::vector<hand_over>& work);
    void commit_batch(std::vector<hand_over>& work, batch_results& results);
    [[nodiscard]] rocksdb::Status write_batch(bool always_sync, std::size_t operations);
    void admit(std::vector<hand_over>& work, batch_results& results);
    void refuse(hand_over& work, broker::error_code error, batch_results& results);
    void postpone(hand_over& work, batch_results& results);
    void settle(std::vector<hand_over>& work, std::vector<broker::logged_message> logged, batch_results& results);
    void on_write_failed(rocksdb::Status const& status, std::vector<hand_over>& work, batch_results& results);
    void notify(batch_results& results, broker::committed_batch const& logged);

    store_parts parts_;
    batch_writer writer_;
    broker::log_sequence next_;  // never given twice, also not after a failed write

    std::atomic<bool> failed_{false};
    std::atomic<bool> low_space_{false};
    std::atomic<bool> needs_resume_{false};
    std::atomic<std::size_t> pending_bytes_{0};
    std::atomic<broker::log_sequence> last_;
    std::array<std::atomic<broker::store_listener*>, broker::shards_max> listeners_{};
    std::array<std::atomic<bool>, broker::shards_max> wants_log_{};

    std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<hand_over> queue_;
    std::deque<hand_over> postponed_;  // committer's thread: waits for space
    std::size_t postponed_ops_ = 0;
    std::size_t gathered_bytes_ = 0;  // committer's thread: of the commit under way
    std::vector<broker::session_id> erased_;
    bool resume_ = false;
    bool closing_ = false;
    std::thread thread_;
};

}  // namespace fulmar::storage
