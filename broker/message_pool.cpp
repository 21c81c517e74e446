#include "broker/message_pool.hpp"

#include <array>
#include <cstdint>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

namespace fulmar::broker {

namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool pooled = false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
constexpr bool pooled = false;
#else
constexpr bool pooled = true;
#endif
#else
constexpr bool pooled = true;
#endif

constexpr std::size_t batch_bytes = 32 * 1024;
constexpr std::size_t step = 32;
constexpr std::size_t sizes = pool_block_max / step;

// Sizes end 8 below a multiple of 32: that is what the allocator has room for in its own steps.
[[nodiscard]] constexpr std::size_t size_index(std::size_t bytes) noexcept { return (bytes + 7) / step; }
[[nodiscard]] constexpr std::size_t block_bytes(std::size_t index) noexcept { return (index + 1) * step - 8; }
[[nodiscard]] constexpr std::size_t batch_blocks(std::size_t index) noexcept
{
    return batch_bytes / (index + 1) / step;
}

// A free block holds the list it is in.
struct free_block
{
    free_block* next;
};

struct free_list
{
    void push(void* block) noexcept
    {
        first = ::new (block) free_block{first};
        ++count;
    }
    [[nodiscard]] void* pop() noexcept
    {
        auto* const block = first;
        first = block->next;
        --count;
        return block;
    }
    void empty_out() noexcept
    {
        while (first != nullptr)
            ::operator delete(pop());
    }

    free_block* first = nullptr;
    std::size_t count = 0;
};

class depot
{
public:
    // Leaves `batch` empty: kept for others, or returned to the allocator.
    void put(std::size_t index, free_list& batch) noexcept
    {
        {
            std::lock_guard const lock{mutex_};
            auto& kept = batches_[index];
            if (bytes_ + batch_bytes <= depot_bytes_max && kept.size() < kept.capacity()) {
                kept.push_back(std::exchange(batch, {}));
                bytes_ += batch_bytes;
                return;
            }
        }
        batch.empty_out();
    }

    [[nodiscard]] free_list get(std::size_t index) noexcept
    {
        std::lock_guard const lock{mutex_};
        auto& kept = batches_[index];
        if (kept.empty())
            return {};
        auto const batch = kept.back();
        kept.pop_back();
        bytes_ -= batch_bytes;
        return batch;
    }

    depot()
    {
        for (auto& kept : batches_)
            kept.reserve(depot_bytes_max / batch_bytes);
    }

private:
    std::mutex mutex_;
    std::array<std::vector<free_list>, sizes> batches_;
    std::size_t bytes_ = 0;
};

// Never destroyed: messages may be dropped by whatever ends last.
[[nodiscard]] depot& shared_depot()
{
    static auto& only = *new depot;
    return only;
}

struct thread_lists
{
    std::array<free_list, sizes> current{};
    std::array<free_list, sizes> full{};  // empty, or one batch
    bool open = false;
    bool closed = false;
};

// Trivial, so that it can still be asked after the thread's own objects have gone.
constinit thread_local thread_lists lists;

struct closing_time
{
    ~closing_time()
    {
        lists.closed = true;
        for (auto* const set : {&lists.current, &lists.full}) {
            for (auto& list : *set)
                list.empty_out();
        }
    }
};

[[nodiscard]] bool opened() noexcept
{
    if (lists.open)
        return !lists.closed;
    thread_local closing_time at_the_end;
    static_cast<void>(&at_the_end);
    lists.open = true;
    return true;
}

[[nodiscard]] void* take_slowly(std::size_t index)
{
    if (!opened())
        return ::operator new(block_bytes(index));
    auto& current = lists.current[index];
    current = lists.full[index].count != 0 ? std::exchange(lists.full[index], {}) : shared_depot().get(index);
    return current.count != 0 ? current.pop() : ::operator new(block_bytes(index));
}

void give_slowly(void* block, std::size_t index) noexcept
{
    if (!opened())
        return ::operator delete(block);
    auto& current = lists.current[index];
    if (current.count >= batch_blocks(index)) {
        if (lists.full[index].count != 0)
            shared_depot().put(index, lists.full[index]);
        lists.full[index] = std::exchange(current, {});
    }
    current.push(block);
}

}  // namespace

void* take_message_block(std::size_t bytes)
{
    auto const index = size_index(bytes);
    if (!pooled || index >= sizes)
        return ::operator new(bytes);
    auto& current = lists.current[index];
    return current.count != 0 ? current.pop() : take_slowly(index);
}

void give_message_block(void* block, std::size_t bytes) noexcept
{
    auto const index = size_index(bytes);
    if (!pooled || index >= sizes)
        return ::operator delete(block);
    auto& current = lists.current[index];
    if (current.count != 0 && current.count < batch_blocks(index))
        return current.push(block);
    give_slowly(block, index);
}

}  // namespace fulmar::broker
