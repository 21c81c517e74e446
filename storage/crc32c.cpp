#include "storage/crc32c.hpp"

#include <array>
#include <cstring>

namespace fulmar::storage {
namespace {

constexpr std::uint32_t polynomial = 0x82F63B78;  // reflected

constexpr std::array<std::uint32_t, 256> make_table()
{
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < table.size(); ++i) {
        auto value = i;
        for (int bit = 0; bit < 8; ++bit)
            value = (value & 1U) != 0 ? value >> 1U ^ polynomial : value >> 1U;
        table[i] = value;
    }
    return table;
}

constexpr auto table = make_table();

std::uint32_t by_table(std::string_view bytes, std::uint32_t state) noexcept
{
    for (auto const byte : bytes)
        state = state >> 8U ^ table[(state ^ static_cast<unsigned char>(byte)) & 0xFFU];
    return state;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) std::uint32_t by_instruction(std::string_view bytes, std::uint32_t state) noexcept
{
    std::uint64_t wide = state;
    while (bytes.size() >= 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, bytes.data(), 8);
        wide = __builtin_ia32_crc32di(wide, word);
        bytes.remove_prefix(8);
    }
    auto narrow = static_cast<std::uint32_t>(wide);
    for (auto const byte : bytes)
        narrow = __builtin_ia32_crc32qi(narrow, static_cast<unsigned char>(byte));
    return narrow;
}
#endif

}  // namespace

std::uint32_t crc32c(std::string_view bytes, std::uint32_t crc) noexcept
{
#if defined(__x86_64__)
    static bool const fast = __builtin_cpu_supports("sse4.2") != 0;
    if (fast)
        return ~by_instruction(bytes, ~crc);
#endif
    return ~by_table(bytes, ~crc);
}

}  // namespace fulmar::storage
