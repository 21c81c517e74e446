// Many small blocks of bytes in one growing allocation, named by 32-bit references instead of pointers.
//
// Owner:    the structure whose records it holds, by value.
// Threads:  none of its own.
// Limits:   32 GiB (2^32 units of 8 bytes); a block is at most block_bytes_max.
// Cost:     allocate and release are O(1); growing moves pages, not bytes (realloc of a large block). No header per block:
//           the caller knows its sizes. A released block is reused by later ones of its size class.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace fulmar::broker {

class byte_pool
{
public:
    using ref = std::uint32_t;  // 0 names nothing

    static constexpr std::size_t block_bytes_max = 128 * 1024;

    byte_pool() = default;
    byte_pool(byte_pool const&) = delete;
    byte_pool& operator=(byte_pool const&) = delete;
    ~byte_pool();

    // An uninitialised block, aligned to 8. Pointers from at() are invalid afterwards.
    [[nodiscard]] ref allocate(std::size_t bytes);
    void release(ref block, std::size_t bytes) noexcept;  // `bytes` as given to allocate

    // Gives all memory back; every reference is invalid afterwards.
    void reset() noexcept;

    [[nodiscard]] char* at(ref block) noexcept { return base_ + static_cast<std::size_t>(block) * unit; }
    [[nodiscard]] char const* at(ref block) const noexcept { return base_ + static_cast<std::size_t>(block) * unit; }

    [[nodiscard]] std::size_t memory_bytes() const noexcept
    {
        return capacity_ * unit + free_.capacity() * sizeof(ref);
    }

private:
    static constexpr std::size_t unit = 8;
    void grow(std::size_t units);

    char* base_ = nullptr;
    std::size_t used_ = 0;      // units, including released blocks
    std::size_t capacity_ = 0;  // units
    std::vector<ref> free_;     // first released block per size class; each names the next in its first 4 bytes
};

}  // namespace fulmar::broker
