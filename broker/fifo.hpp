// A queue that owns no memory while it is empty: std::deque keeps half a kilobyte, and there are very many queues.
//
// Threads:  none of its own.
// Cost:     push and pop amortised O(1); the storage is given back when the queue runs empty.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace fulmar::broker {

template <class T>
class fifo
{
public:
    [[nodiscard]] bool empty() const noexcept { return !body_ || body_->head == body_->items.size(); }
    [[nodiscard]] std::size_t size() const noexcept { return body_ ? body_->items.size() - body_->head : 0; }
    [[nodiscard]] T& front() noexcept { return body_->items[body_->head]; }
    [[nodiscard]] T const& front() const noexcept { return body_->items[body_->head]; }
    [[nodiscard]] T& operator[](std::size_t i) noexcept { return body_->items[body_->head + i]; }
    [[nodiscard]] T* begin() noexcept { return body_ ? body_->items.data() + body_->head : nullptr; }
    [[nodiscard]] T* end() noexcept { return body_ ? body_->items.data() + body_->items.size() : nullptr; }
    [[nodiscard]] T const* begin() const noexcept { return body_ ? body_->items.data() + body_->head : nullptr; }
    [[nodiscard]] T const* end() const noexcept { return body_ ? body_->items.data() + body_->items.size() : nullptr; }

    void push_back(T item)
    {
        if (!body_)
            body_ = std::make_unique<body>();
        if (body_->head > 64 && body_->head * 2 > body_->items.size())
            body_->compact();
        body_->items.push_back(std::move(item));
    }

    T pop_front()
    {
        T item = std::move(body_->items[body_->head++]);
        if (empty())
            release();
        return item;
    }

    void clear() noexcept { body_.reset(); }

    template <class Predicate>
    void erase_if(Predicate gone)
    {
        if (!body_)
            return;
        body_->compact();
        std::erase_if(body_->items, gone);
        if (body_->items.empty())
            body_.reset();
    }

private:
    struct body
    {
        void compact()
        {
            items.erase(items.begin(), items.begin() + static_cast<std::ptrdiff_t>(head));
            head = 0;
        }

        std::vector<T> items;
        std::size_t head = 0;
    };

    void release() noexcept
    {
        if (body_->items.capacity() > keep_capacity)
            return body_.reset();
        body_->items.clear();
        body_->head = 0;
    }

    static constexpr std::size_t keep_capacity = 8;  // ping-pong traffic does not allocate each time

    std::unique_ptr<body> body_;
};

}  // namespace fulmar::broker
