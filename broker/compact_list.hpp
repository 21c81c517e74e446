// A short vector that is one pointer wide: its size stands in front of the elements, and an empty one owns nothing.
//
// Threads:  none of its own.
// Limits:   2^32 elements. Pointers to elements are invalid after the list changes.
// Cost:     as std::vector; the first element takes room for exactly one, because most lists have one.
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
class compact_list
{
public:
    compact_list() = default;
    compact_list(compact_list&& other) noexcept : block_{std::exchange(other.block_, nullptr)} {}
    compact_list& operator=(compact_list&& other) noexcept
    {
        std::swap(block_, other.block_);
        return *this;
    }
    ~compact_list() { clear(); }

    [[nodiscard]] bool empty() const noexcept { return size() == 0; }
    [[nodiscard]] std::size_t size() const noexcept { return block_ == nullptr ? 0 : block_->size; }
    [[nodiscard]] T* begin() noexcept { return items(); }
    [[nodiscard]] T* end() noexcept { return items() + size(); }
    [[nodiscard]] T const* begin() const noexcept { return items(); }
    [[nodiscard]] T const* end() const noexcept { return items() + size(); }
    [[nodiscard]] T& back() noexcept { return items()[block_->size - 1]; }
    [[nodiscard]] T& operator[](std::size_t i) noexcept { return items()[i]; }

    void push_back(T item)
    {
        make_room();
        ::new (static_cast<void*>(items() + block_->size)) T(std::move(item));
        ++block_->size;
    }

    void insert(T const* before, T item)
    {
        auto const at = static_cast<std::size_t>(before - items());
        push_back(std::move(item));
        std::rotate(begin() + at, end() - 1, end());
    }

    void pop_back()
    {
        std::destroy_at(&back());
        if (--block_->size == 0)
            clear();
    }

    void erase(T* gone)
    {
        std::move(gone + 1, end(), gone);
        pop_back();
    }

    void clear() noexcept
    {
        if (block_ == nullptr)
            return;
        std::destroy_n(items(), block_->size);
        ::operator delete(std::exchange(block_, nullptr));
    }

private:
    struct header
    {
        std::uint32_t size = 0;
        std::uint32_t capacity = 0;
    };
    static_assert(alignof(T) <= alignof(std::uint64_t) && std::is_nothrow_move_constructible_v<T>);

    [[nodiscard]] T* items() const noexcept { return block_ == nullptr ? nullptr : reinterpret_cast<T*>(block_ + 1); }

    void make_room()
    {
        if (block_ != nullptr && block_->size < block_->capacity)
            return;
        auto const count = static_cast<std::uint32_t>(size());
        auto const capacity = std::max<std::uint32_t>(1, count * 2);
        auto* const larger = ::new (::operator new(sizeof(header) + capacity * sizeof(T))) header{count, capacity};
        std::uninitialized_move_n(items(), count, reinterpret_cast<T*>(larger + 1));
        clear();
        block_ = larger;
    }

    header* block_ = nullptr;
};

}  // namespace fulmar::broker
