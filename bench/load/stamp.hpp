// What every payload of the load generator begins with, and how a receiver proves what it got.
//
// Layout, little-endian: checksum (4), publisher (4), sequence (8), sent at (8), filler. The checksum covers all that
// follows it. In text (for protocols that carry no bytes) each of these bytes is two hexadecimal digits; filler is letters
// either way.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace fulmar::load {

struct stamp
{
    std::uint32_t publisher = 0;
    std::uint64_t sequence = 0;   // from 0, per publisher
    std::int64_t sent_at_ns = 0;  // intended time when publishing at a fixed rate
};

inline constexpr std::size_t stamp_bytes = 24;
inline constexpr std::size_t text_stamp_bytes = 2 * stamp_bytes;

// A payload of `size` bytes (at least those of the stamp) with filler; reused for every message.
[[nodiscard]] std::string blank_payload(std::size_t size, std::uint32_t seed);

// Position-dependent sum of the bytes: notices changed, missing and swapped words. About 16 bytes per cycle pair.
[[nodiscard]] std::uint32_t checksum(char const* from, std::size_t size) noexcept;

inline void write_stamp(std::string& payload, stamp const& s) noexcept
{
    std::memcpy(payload.data() + 4, &s.publisher, 4);
    std::memcpy(payload.data() + 8, &s.sequence, 8);
    std::memcpy(payload.data() + 16, &s.sent_at_ns, 8);
    auto const sum = checksum(payload.data() + 4, payload.size() - 4);
    std::memcpy(payload.data(), &sum, 4);
}

// False when the payload is not what a publisher of `size` byte payloads wrote.
[[nodiscard]] inline bool read_stamp(std::string_view payload, std::size_t size, stamp& s) noexcept
{
    if (payload.size() != size || size < stamp_bytes)
        return false;
    std::uint32_t sum;
    std::memcpy(&sum, payload.data(), 4);
    std::memcpy(&s.publisher, payload.data() + 4, 4);
    std::memcpy(&s.sequence, payload.data() + 8, 8);
    std::memcpy(&s.sent_at_ns, payload.data() + 16, 8);
    return sum == checksum(payload.data() + 4, payload.size() - 4);
}

void write_text_stamp(std::string& payload, stamp const& s) noexcept;
[[nodiscard]] bool read_text_stamp(std::string_view payload, std::size_t size, stamp& s) noexcept;

// What payloads of a run look like.
struct payload_shape
{
    std::size_t bytes = 64;
    bool text = false;

    [[nodiscard]] std::size_t size() const noexcept
    {
        auto const least = text ? text_stamp_bytes : stamp_bytes;
        return bytes < least ? least : bytes;
    }
    [[nodiscard]] bool read(std::string_view payload, stamp& s) const noexcept
    {
        return text ? read_text_stamp(payload, size(), s) : read_stamp(payload, size(), s);
    }
    void write(std::string& payload, stamp const& s) const noexcept
    {
        if (text)
            write_text_stamp(payload, s);
        else
            write_stamp(payload, s);
    }
};

}  // namespace fulmar::load
