// The data types of MQTT, read one after the other from a packet; never beyond its end.
//
// Spec:     MQTT 5.0 §1.5; MQTT 3.1.1 §1.5.
// Owner:    the decoder, by value, for one packet.
// Threads:  a value.
// Errors:   false: the packet ends before the field does, or a variable byte integer is ill-formed. Nothing can be
//           read then.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace fulmar::mqtt {

class byte_reader
{
public:
    explicit byte_reader(std::string_view bytes) noexcept : rest_{bytes} {}

    [[nodiscard]] bool empty() const noexcept { return rest_.empty(); }
    [[nodiscard]] std::size_t left() const noexcept { return rest_.size(); }

    [[nodiscard]] std::string_view take_rest() noexcept
    {
        auto const all = rest_;
        rest_ = {};
        return all;
    }

    [[nodiscard]] bool u8(std::uint8_t& value) noexcept
    {
        if (rest_.empty())
            return false;
        value = static_cast<std::uint8_t>(rest_.front());
        rest_.remove_prefix(1);
        return true;
    }

    [[nodiscard]] bool u16(std::uint16_t& value) noexcept
    {
        if (rest_.size() < 2)
            return false;
        value = static_cast<std::uint16_t>((at(0) << 8U) | at(1));
        rest_.remove_prefix(2);
        return true;
    }

    [[nodiscard]] bool u32(std::uint32_t& value) noexcept
    {
        if (rest_.size() < 4)
            return false;
        value = (at(0) << 24U) | (at(1) << 16U) | (at(2) << 8U) | at(3);
        rest_.remove_prefix(4);
        return true;
    }

    // At most four bytes, and no more than the value needs [MQTT-1.5.5-1].
    [[nodiscard]] bool variable(std::uint32_t& value) noexcept
    {
        value = 0;
        for (unsigned i = 0; i < 4 && i < rest_.size(); ++i) {
            auto const byte = at(i);
            value |= (byte & 0x7FU) << (7U * i);
            if (byte < 0x80U) {
                rest_.remove_prefix(i + 1);
                return byte != 0 || i == 0;
            }
        }
        return false;
    }

    [[nodiscard]] bool bytes(std::size_t count, std::string_view& value) noexcept
    {
        if (rest_.size() < count)
            return false;
        value = rest_.substr(0, count);
        rest_.remove_prefix(count);
        return true;
    }

    // A two-byte length and so many bytes: binary data, or a string whose UTF-8 is still to be checked.
    [[nodiscard]] bool binary(std::string_view& value) noexcept
    {
        std::uint16_t size = 0;
        return u16(size) && bytes(size, value);
    }

private:
    [[nodiscard]] std::uint32_t at(std::size_t i) const noexcept { return static_cast<unsigned char>(rest_[i]); }

    std::string_view rest_;
};

}  // namespace fulmar::mqtt
