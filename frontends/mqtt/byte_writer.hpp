// The data types of MQTT, appended to bytes.
//
// Spec:     MQTT 5.0 §1.5; MQTT 3.1.1 §1.5.
// Owner:    the encoder, by value, for one packet.
// Threads:  a value.
// Limits:   strings longer than 65,535 bytes cannot be written; callers never have any (FULMAR_ASSERT).
#pragma once

#include "broker/errors.hpp"
#include "frontends/mqtt/packet_type.hpp"
#include "frontends/mqtt/property.hpp"

#include <cstdint>
#include <cstring>
#include <string_view>

namespace fulmar::mqtt {

[[nodiscard]] constexpr std::size_t variable_size(std::size_t value) noexcept
{
    return value < 128 ? 1 : value < 16'384 ? 2 : value < 2'097'152 ? 3 : 4;
}

// Writes into memory that is large enough; the caller has computed the size.
class byte_writer
{
public:
    explicit byte_writer(char* at) noexcept : at_{at} {}

    [[nodiscard]] char* position() const noexcept { return at_; }

    void u8(unsigned value) noexcept { *at_++ = static_cast<char>(value); }

    void u16(unsigned value) noexcept
    {
        u8(value >> 8U);
        u8(value & 0xFFU);
    }

    void u32(std::uint32_t value) noexcept
    {
        u16(value >> 16U);
        u16(value & 0xFFFFU);
    }

    void variable(std::size_t value) noexcept
    {
        for (; value >= 0x80U; value >>= 7U)
            u8(static_cast<unsigned>(value & 0x7FU) | 0x80U);
        u8(static_cast<unsigned>(value));
    }

    void bytes(std::string_view text) noexcept
    {
        if (!text.empty())
            std::memcpy(at_, text.data(), text.size());
        at_ += text.size();
    }

    void binary(std::string_view text) noexcept
    {
        FULMAR_ASSERT(text.size() <= 0xFFFF);
        u16(static_cast<unsigned>(text.size()));
        bytes(text);
    }

    void id(property_id property) noexcept { u8(static_cast<unsigned>(property)); }

private:
    char* at_;
};

}  // namespace fulmar::mqtt
