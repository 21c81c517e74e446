// A queue that owns no memory while it is empty, and is one pointer wide: there are very many queues, most of them empty.
//
// Threads:  none of its own.
// Limits:   2^32 elements. Pointers to elements are invalid after the queue changes.
// Cost:     push and pop amortised O(1); a block larger than the first is given back when the queue runs empty.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace fulmar::broker {

template <class T>
class fifo
{
public:
    fifo() = default;
    fifo(fifo&& other) noexcept : block_{std::exchange(other.block_, nullptr)} {}
    fifo& operator=(fifo&& other) noexcept
    {
        std::swap(block_, other.block_);
        return *this;
    }
    ~fifo() { clear(); }

    [[nodiscard]] bool empty() const noexcept { return size() == 0; }
    [[nodiscard]] std::size_t size() const noexcept { return block_ == nullptr ? 0 : block_->end - block_->head; }
    [[nodiscard]] T& front() noexcept { return *begin(); }
    [[nodiscard]] T const& front() const noexcept { return *begin(); }
    [[nodiscard]] T& operator[](std::size_t i) noexcept { return begin()[i]; }
    [[nodiscard]] T* begin() noexcept { return block_ == nullptr ? nullptr : items() + block_->head; }
    [[nodiscard]] T* end() noexcept { return block_ == nullptr ? nullptr : items() + block_->end; }
    [[nodiscard]] T const* begin() const noexcept { return block_ == nullptr ? nullptr : items() + block_->head; }
    [[nodiscard]] T const* end() const noexcept { return block_ == nullptr ? nullptr : items() + block_->end; }

    void push_back(T item)
    {
        if (block_ == nullptr || block_->end == block_->capacity)
            make_room();
        ::new (static_cast<void*>(items() + block_->end)) T(std::move(item));
        ++block_->end;
    }

    T pop_front()
    {
        T item = std::move(front());
        std::destroy_at(begin());
        ++block_->head;
        if (empty())
            release();
        return item;
    }

    void clear() noexcept
    {
        if (block_ == nullptr)
            return;
        std::destroy(begin(), end());
        ::operator delete(std::exchange(block_, nullptr));
    }

    template <class Predicate>
    void erase_if(Predicate gone)
    {
        if (empty())
            return;
        auto* const kept = std::remove_if(begin(), end(), gone);
        std::destroy(kept, end());
        block_->end = static_cast<std::uint32_t>(kept - items());
        if (empty())
            clear();
    }

private:
    struct header
    {
        std::uint32_t head = 0;
        std::uint32_t end = 0;
        std::uint32_t capacity = 0;
        std::uint32_t unused = 0;  // keeps the elements aligned
    };
    static_assert(alignof(T) <= alignof(std::uint64_t) && std::is_nothrow_move_constructible_v<T>);

    // Of the first block, which traffic that comes and goes one by one does not allocate each time.
    static constexpr std::uint32_t first_capacity =
        static_cast<std::uint32_t>(std::clamp<std::size_t>(240 / sizeof(T), 1, 8));

    [[nodiscard]] T* items() const noexcept { return reinterpret_cast<T*>(block_ + 1); }

    // Moves the elements to the front if half of the block is free there, else to a larger block.
    void make_room()
    {
        auto const count = static_cast<std::uint32_t>(size());
        if (block_ != nullptr && count <= block_->capacity / 2) {
            slide();
            return;
        }
        auto const growth = count < 1024U ? 4U : 2U;
        auto const capacity = block_ == nullptr ? first_capacity : block_->capacity * growth;
        auto* const larger =
            ::new (::operator new(sizeof(header) + capacity * sizeof(T))) header{0, count, capacity, 0};
        std::uninitialized_move(begin(), end(), reinterpret_cast<T*>(larger + 1));
        clear();
        block_ = larger;
    }

    // Free places are raw memory: an element moved there is constructed, one that was moved from is destroyed.
    void slide() noexcept
    {
        auto* to = items();
        for (auto* from = begin(); from != end(); ++from, ++to) {
            ::new (static_cast<void*>(to)) T(std::move(*from));
            std::destroy_at(from);
        }
        block_->end -= block_->head;
        block_->head = 0;
    }

    void release() noexcept
    {
        if (block_->capacity > first_capacity)
            return clear();
        block_->head = block_->end = 0;
    }

    header* block_ = nullptr;
};

}  // namespace fulmar::broker
