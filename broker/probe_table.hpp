// An open-addressing hash table of 32-bit references: 8 bytes per slot, the entries live elsewhere.
//
// The caller hashes and compares; the table stores 32 bits of the hash, so growing never touches the entries.
//
// Owner:    the structure it indexes, by value.
// Threads:  none of its own.
// Limits:   2^31 slots; a reference is never 0.
// Cost:     find is usually one cache line; erase shifts back what follows, so there are no tombstones.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace fulmar::broker {

class probe_table
{
public:
    using ref = std::uint32_t;

    // The reference with this hash for which `same(ref)` is true, or 0.
    template <class Same>
    [[nodiscard]] ref find(std::uint64_t hash, Same&& same) const
    {
        if (slots_.empty())
            return 0;
        auto const tag = static_cast<std::uint32_t>(hash);
        for (auto i = home(tag); slots_[i].to != 0; i = next(i)) {
            if (slots_[i].tag == tag && same(slots_[i].to))
                return slots_[i].to;
        }
        return 0;
    }

    // The first reference whose stored hash bits agree, unchecked: worth prefetching, nothing more.
    [[nodiscard]] ref candidate(std::uint64_t hash) const noexcept
    {
        return find(hash, [](ref) { return true; });
    }

    // Adds a reference that is not there.
    void insert(std::uint64_t hash, ref to)
    {
        if ((count_ + 1) * 4 > slots_.size() * 3)
            grow();
        place({static_cast<std::uint32_t>(hash), to});
        ++count_;
    }

    // Removes a reference that is there.
    void erase(std::uint64_t hash, ref to) noexcept
    {
        auto hole = home(static_cast<std::uint32_t>(hash));
        while (slots_[hole].to != to)
            hole = next(hole);
        for (auto i = next(hole); slots_[i].to != 0; i = next(i)) {
            auto const distance = (i - home(slots_[i].tag)) & mask();
            if (distance >= ((i - hole) & mask())) {
                slots_[hole] = slots_[i];
                hole = i;
            }
        }
        slots_[hole] = {};
        --count_;
    }

    void reset() noexcept
    {
        std::vector<slot>{}.swap(slots_);
        count_ = 0;
    }

    [[nodiscard]] std::size_t size() const noexcept { return count_; }
    [[nodiscard]] std::size_t memory_bytes() const noexcept { return slots_.capacity() * sizeof(slot); }

private:
    struct slot
    {
        std::uint32_t tag = 0;
        ref to = 0;
    };

    [[nodiscard]] std::size_t mask() const noexcept { return slots_.size() - 1; }
    [[nodiscard]] std::size_t home(std::uint32_t tag) const noexcept { return tag & mask(); }
    [[nodiscard]] std::size_t next(std::size_t i) const noexcept { return (i + 1) & mask(); }

    void place(slot entry) noexcept
    {
        auto i = home(entry.tag);
        while (slots_[i].to != 0)
            i = next(i);
        slots_[i] = entry;
    }

    void grow()
    {
        std::vector<slot> old(slots_.empty() ? 8 : slots_.size() * 2);
        old.swap(slots_);
        for (auto const& entry : old) {
            if (entry.to != 0)
                place(entry);
        }
    }

    std::vector<slot> slots_;  // size is a power of two
    std::size_t count_ = 0;
};

}  // namespace fulmar::broker
