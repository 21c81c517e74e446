// The thread that hashes passwords, so that no shard ever does.
//
// Owner:    file_authenticator, by value.
// Threads:  submit from any thread; tasks run on the pool's own thread, one after the other.
// Limits:   at most `waiting_max` tasks wait; beyond it submit refuses, and the caller fails closed.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace fulmar::auth {

class hashing_pool
{
public:
    explicit hashing_pool(std::size_t waiting_max);
    ~hashing_pool();  // finishes the task that runs and forgets those that wait
    hashing_pool(hashing_pool const&) = delete;
    hashing_pool& operator=(hashing_pool const&) = delete;

    [[nodiscard]] bool submit(std::function<void()> task);

private:
    void run();

    std::size_t const waiting_max_;
    std::mutex guard_;
    std::condition_variable changed_;
    std::deque<std::function<void()>> waiting_;
    bool stopping_ = false;
    std::thread thread_;  // last: it uses everything above
};

}  // namespace fulmar::auth
