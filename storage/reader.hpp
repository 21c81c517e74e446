// The threads that read queues back for shards: one page per request, in order per shard.
//
// Owner:    rocks_store.
// Threads:  read from any thread; on_page is called on a reader's thread.
// Limits:   one request per session waits at most, by the contract with shards.
#pragma once

#include "storage/queue_scan.hpp"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

namespace fulmar::storage {

class reader
{
public:
    reader(store_parts const& parts, losses const& lost, committer& commits, unsigned threads);
    ~reader();

    void read(broker::shard_id shard, broker::queue_read request);
    void close();  // answers nothing any more

private:
    struct job
    {
        broker::shard_id shard;
        broker::queue_read request;
    };
    // Requests of one shard are always served by the same thread.
    struct lane
    {
        std::mutex mutex;
        std::condition_variable wake;
        std::deque<job> jobs;
        bool closing = false;
        std::thread thread;
    };

    void run(lane& own);

    store_parts parts_;
    losses const& lost_;
    committer& commits_;
    std::vector<std::unique_ptr<lane>> lanes_;
};

}  // namespace fulmar::storage
