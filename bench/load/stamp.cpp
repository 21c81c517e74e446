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
        std::uint64_t value = 0;
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

namespace {

constexpr char digits[] = "0123456789abcdef";

void write_hex(char* to, void const* from, std::size_t size) noexcept
{
    auto const* const bytes = static_cast<unsigned char const*>(from);
    for (std::size_t i = 0; i < size; ++i) {
        to[2 * i] = digits[bytes[i] >> 4];
        to[2 * i + 1] = digits[bytes[i] & 15];
    }
}

bool read_hex(void* to, char const* from, std::size_t size) noexcept
{
    auto* const bytes = static_cast<unsigned char*>(to);
    auto const digit = [](char c) {
        if (c >= '0' && c <= '9')
            return c - '0';
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    };
    for (std::size_t i = 0; i < size; ++i) {
        auto const high = digit(from[2 * i]);
        auto const low = digit(from[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        bytes[i] = static_cast<unsigned char>(high << 4 | low);
    }
    return true;
}

}  // namespace

void write_text_stamp(std::string& payload, stamp const& s) noexcept
{
    write_hex(payload.data() + 8, &s.publisher, 4);
    write_hex(payload.data() + 16, &s.sequence, 8);
    write_hex(payload.data() + 32, &s.sent_at_ns, 8);
    auto const sum = checksum(payload.data() + 8, payload.size() - 8);
    write_hex(payload.data(), &sum, 4);
}

bool read_text_stamp(std::string_view payload, std::size_t size, stamp& s) noexcept
{
    if (payload.size() != size || size < text_stamp_bytes)
        return false;
    std::uint32_t sum = 0;
    auto const* const at = payload.data();
    return read_hex(&sum, at, 4) && read_hex(&s.publisher, at + 8, 4) && read_hex(&s.sequence, at + 16, 8) &&
           read_hex(&s.sent_at_ns, at + 32, 8) && sum == checksum(at + 8, payload.size() - 8);
}

}  // namespace fulmar::load
