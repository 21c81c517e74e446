#include "bench/load/stamp.hpp"

#include <algorithm>
#include <random>

namespace fulmar::load {

std::string blank_payload(std::size_t size, std::uint32_t seed)
{
    std::string payload(std::max(size, stamp_bytes), '\0');
    std::mt19937 random{seed};
    for (auto& c : payload)
        c = static_cast<char>('a' + random() % 26);
    return payload;
}

std::uint32_t checksum(char const* from, std::size_t size) noexcept
{
    // Four independent pairs of sums, so that the additions do not wait for each other.
    std::uint64_t sum[4] = {size, 1, 2, 3};
    std::uint64_t sum_of_sums[4] = {};
    auto const word = [](char const* at) {
        std::uint64_t value;
        std::memcpy(&value, at, sizeof value);
        return value;
    };
    for (; size >= 32; from += 32, size -= 32) {
        for (std::size_t lane = 0; lane < 4; ++lane) {
            sum[lane] += word(from + lane * 8);
            sum_of_sums[lane] += sum[lane];
        }
    }
    for (; size >= 8; from += 8, size -= 8) {
        sum[0] += word(from);
        sum_of_sums[0] += sum[0];
    }
    std::uint64_t last = 0;
    std::memcpy(&last, from, size);
    std::uint64_t all = last * 0x9E3779B97F4A7C15ULL;
    for (std::size_t lane = 0; lane < 4; ++lane)
        all = (all ^ (sum[lane] + (sum_of_sums[lane] << 1 | 1) * 0xD6E8FEB86659FD93ULL)) * 0x9E3779B97F4A7C15ULL;
    return static_cast<std::uint32_t>(all >> 32);
}

}  // namespace fulmar::load
