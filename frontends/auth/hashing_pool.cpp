#include "frontends/auth/hashing_pool.hpp"

#include <utility>

namespace fulmar::auth {

hashing_pool::hashing_pool(std::size_t waiting_max) : waiting_max_{waiting_max}, thread_{[this] { run(); }} {}

hashing_pool::~hashing_pool()
{
    {
        std::lock_guard const lock{guard_};
        stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
}

bool hashing_pool::submit(std::function<void()> task)
{
    {
        std::lock_guard const lock{guard_};
        if (stopping_ || waiting_.size() >= waiting_max_)
            return false;
        waiting_.push_back(std::move(task));
    }
    changed_.notify_one();
    return true;
}

void hashing_pool::run()
{
    std::unique_lock lock{guard_};
    while (true) {
        changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
        if (stopping_)
            return;
        auto const task = std::move(waiting_.front());
        waiting_.pop_front();
        lock.unlock();
        task();
        lock.lock();
    }
}

}  // namespace fulmar::auth
