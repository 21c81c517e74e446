// A queue that owns no memory while it is empty: std::deque keeps half a kilobyte, and there are very many queues.
//
// Threads:  none of its own.
// Cost:     push and pop amortised O(1); the storage is given back when the queue runs empty.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace fulmar::broker {

template <class T>
class fifo
{
public:
    [[nodiscard]] bool empty() const noexcept { return head_ == items_.size(); }
    [[nodiscard]] std::size_t size() const noexcept { return items_.size() - head_; }
    [[nodiscard]] T& front() noexcept { return items_[head_]; }
    [[nodiscard]] T const& front() const noexcept { return items_[head_]; }
    [[nodiscard]] T& operator[](std::size_t i) noexcept { return items_[head_ + i]; }
    [[nodiscard]] auto begin() noexcept { return items_.begin() + static_cast<std::ptrdiff_t>(head_); }
    [[nodiscard]] auto end() noexcept { return items_.end(); }
    [[nodiscard]] auto begin() const noexcept { return items_.begin() + static_cast<std::ptrdiff_t>(head_); }
    [[nodiscard]] auto end() const noexcept { return items_.end(); }

    void push_back(T item)
    {
        if (head_ > 64 && head_ * 2 > items_.size())
            compact();
        items_.push_back(std::move(item));
    }

    T pop_front()
    {
        T item = std::move(items_[head_++]);
        if (empty())
            release();
        return item;
    }

    void clear() noexcept
    {
        items_.clear();
        release();
    }

    template <class Predicate>
    void erase_if(Predicate gone)
    {
        compact();
        std::erase_if(items_, gone);
        if (items_.empty())
            release();
    }

private:
    void compact()
    {
        items_.erase(items_.begin(), items_.begin() + static_cast<std::ptrdiff_t>(head_));
        head_ = 0;
    }

    void release() noexcept
    {
        head_ = 0;
        if (items_.capacity() > keep_capacity)
            std::vector<T>{}.swap(items_);
        else
            items_.clear();
    }

    static constexpr std::size_t keep_capacity = 8;  // ping-pong traffic does not allocate each time

    std::vector<T> items_;
    std::size_t head_ = 0;
};

}  // namespace fulmar::broker
