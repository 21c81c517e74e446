// What the store does on its own cadence, never in the way of a commit: watches the free space, recovers from a full
// disk, trims the log, removes what erased sessions left behind.
//
// Spec:     docs/storage.md, "Trimming" and "Failures".
// Owner:    rocks_store.
// Threads:  one thread of its own; run_once also from others, one at a time.
// Cost:     per round a scan of the cursors; with retention also of the index entries that are given up.
#pragma once

#include "storage/committer.hpp"
#include "storage/losses.hpp"

#include <condition_variable>
#include <mutex>
#include <thread>

namespace fulmar::storage {

class maintenance
{
public:
    maintenance(store_parts const& parts, database_hooks const& hooks, losses& lost, committer& commits);
    ~maintenance();

    void start();  // the thread; without it only run_once does anything
    void close();
    void run_once();

private:
    void run();
    void watch_space();
    void resume();
    void trim();
    [[nodiscard]] broker::log_sequence held_for_history(broker::log_sequence bound) const;
    void trim_to(broker::log_sequence target, broker::log_sequence read_by_all);
    void account_losses(broker::log_sequence low_water, broker::log_sequence target, housekeeping& own);
    void note_position();
    void erase_remains();
    void collect_remains(broker::session_id id, housekeeping& own) const;
    [[nodiscard]] std::uint64_t wanted_free(disk_space const& space) const;

    store_parts parts_;
    database_hooks hooks_;
    losses& lost_;
    committer& commits_;
    broker::log_sequence settled_;  // last committed as of the previous round: trimming stays behind it

    std::uint64_t noted_ = 0;

    std::mutex round_;
    std::mutex mutex_;
    std::condition_variable wake_;
    bool closing_ = false;
    std::thread thread_;
};

}  // namespace fulmar::storage
