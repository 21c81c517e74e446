// A fast seeded 64-bit hash of short byte strings, for tables in memory only.
//
// The seed is random per table, so that a client cannot choose names that collide. Names of stored data use
// stable_hash (topic.hpp) instead.
//
// Cost: two multiplications per 16 bytes.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace fulmar::broker {

namespace detail {

__extension__ using wide = unsigned __int128;

[[nodiscard]] inline std::uint64_t fold(std::uint64_t a, std::uint64_t b) noexcept
{
    auto const product = static_cast<wide>(a) * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

[[nodiscard]] inline std::uint64_t load8(char const* from) noexcept
{
    std::uint64_t value = 0;
    std::memcpy(&value, from, sizeof value);
    return value;
}

[[nodiscard]] inline std::uint64_t load4(char const* from) noexcept
{
    std::uint32_t value = 0;
    std::memcpy(&value, from, sizeof value);
    return value;
}

inline constexpr std::uint64_t odd_a = 0x9E3779B97F4A7C15ULL;
inline constexpr std::uint64_t odd_b = 0xD6E8FEB86659FD93ULL;

}  // namespace detail

[[nodiscard]] inline std::uint64_t fast_hash(std::string_view text, std::uint64_t seed) noexcept
{
    using namespace detail;
    auto const* at = text.data();
    auto left = text.size();
    auto state = seed ^ fold(left + odd_a, odd_b);
    for (; left > 16; at += 16, left -= 16)
        state = fold(load8(at) ^ state, load8(at + 8) ^ odd_b);
    std::uint64_t low = 0;
    std::uint64_t high = 0;
    if (left >= 8) {
        low = load8(at);
        high = load8(at + left - 8);
    } else if (left >= 4) {
        low = load4(at);
        high = load4(at + left - 4);
    } else if (left > 0) {
        auto const byte = [at](std::size_t i) { return static_cast<std::uint64_t>(static_cast<unsigned char>(at[i])); };
        low = byte(0) << 16 | byte(left / 2) << 8 | byte(left - 1);
    }
    return fold(fold(low ^ odd_a, high ^ state), state ^ odd_b);
}

[[nodiscard]] inline std::uint64_t hash_together(std::uint64_t a, std::uint64_t b) noexcept
{
    return detail::fold(a ^ detail::odd_a, b ^ detail::odd_b);
}

// A seed that differs between tables and between runs.
[[nodiscard]] std::uint64_t random_seed();

}  // namespace fulmar::broker
