#include "broker/byte_pool.hpp"

#include "broker/errors.hpp"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>

namespace fulmar::broker {

namespace {

constexpr std::size_t exact_units = 64;

struct size_class
{
    std::size_t index;
    std::size_t units;
};

// Classes of 1..64 units exactly, then powers of two.
size_class class_of(std::size_t bytes)
{
    auto const units = std::max<std::size_t>((bytes + 7) / 8, 1);
    if (units <= exact_units)
        return {units - 1, units};
    auto const rounded = std::bit_ceil(units);
    return {exact_units + static_cast<std::size_t>(std::bit_width(rounded)) - 8, rounded};
}

}  // namespace

byte_pool::~byte_pool() { std::free(base_); }

byte_pool::ref byte_pool::allocate(std::size_t bytes)
{
    FULMAR_ASSERT(bytes <= block_bytes_max);
    auto const [index, units] = class_of(bytes);
    if (index < free_.size() && free_[index] != 0) {
        auto const block = free_[index];
        std::memcpy(&free_[index], at(block), sizeof(ref));
        return block;
    }
    if (used_ + units > capacity_)
        grow(units);
    auto const block = static_cast<ref>(used_);
    used_ += units;
    return block;
}

void byte_pool::release(ref block, std::size_t bytes) noexcept
{
    auto const index = class_of(bytes).index;
    if (index >= free_.size())
        free_.resize(index + 1, 0);
    std::memcpy(at(block), &free_[index], sizeof(ref));
    free_[index] = block;
}

void byte_pool::reset() noexcept
{
    std::free(base_);
    base_ = nullptr;
    used_ = capacity_ = 0;
    std::vector<ref>{}.swap(free_);
}

void byte_pool::grow(std::size_t units)
{
    used_ = std::max<std::size_t>(used_, 1);  // unit 0 is never handed out: it is the null reference
    auto const wanted = std::max({capacity_ + capacity_ / 4, used_ + units, std::size_t{32}});
    FULMAR_ASSERT(wanted <= std::numeric_limits<ref>::max());
    auto* const moved = static_cast<char*>(std::realloc(base_, wanted * unit));
    if (moved == nullptr)
        throw std::bad_alloc{};
    base_ = moved;
    capacity_ = wanted;
}

}  // namespace fulmar::broker
