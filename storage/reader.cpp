#include "storage/reader.hpp"

#include <algorithm>

namespace fulmar::storage {

using namespace broker;

reader::reader(store_parts const& parts, losses const& lost, committer& commits, unsigned threads)
    : parts_{parts}, lost_{lost}, commits_{commits}
{
    for (unsigned i = 0; i < std::max(1U, threads); ++i) {
        auto& own = *lanes_.emplace_back(std::make_unique<lane>());
        own.thread = std::thread{[this, &own] { run(own); }};
    }
}

reader::~reader() { close(); }

void reader::read(shard_id shard, queue_read request)
{
    auto& to = *lanes_[shard % lanes_.size()];
    {
        std::lock_guard const lock{to.mutex};
        if (to.closing)
            return;
        to.jobs.push_back({shard, std::move(request)});
    }
    to.wake.notify_one();
}

void reader::close()
{
    for (auto& each : lanes_) {
        {
            std::lock_guard const lock{each->mutex};
            each->closing = true;
            each->jobs.clear();
        }
        each->wake.notify_one();
        if (each->thread.joinable())
            each->thread.join();
    }
}

void reader::run(lane& own)
{
    queue_scan scan{parts_, lost_};
    for (;;) {
        job next;
        {
            std::unique_lock lock{own.mutex};
            own.wake.wait(lock, [&] { return own.closing || !own.jobs.empty(); });
            if (own.closing)
                return;
            next = std::move(own.jobs.front());
            own.jobs.pop_front();
        }
        auto page = scan.page(next.request, commits_.last_committed());
        ++parts_.statistics.pages;
        parts_.statistics.messages_read += page.messages.size();
        if (auto* const listener = commits_.listener_of(next.shard))
            listener->on_page(std::move(page));
    }
}

}  // namespace fulmar::storage
