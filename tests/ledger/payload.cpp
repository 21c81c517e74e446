#include "tests/ledger/payload.hpp"

#include <array>
#include <charconv>
#include <cstdio>

namespace fulmar::ledger {

namespace {

constexpr std::array<std::uint32_t, 256> make_table()
{
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < 256; ++i) {
        std::uint32_t value = i;
        for (int bit = 0; bit < 8; ++bit)
            value = (value & 1U) != 0 ? 0xEDB88320U ^ value >> 1U : value >> 1U;
        table[i] = value;
    }
    return table;
}

constexpr std::size_t crc_digits = 8;

template <class Number>
bool read_number(std::string_view& left, Number& out)
{
    auto const bar = left.find('|');
    if (bar == std::string_view::npos)
        return false;
    auto const [end, error] = std::from_chars(left.data(), left.data() + bar, out);
    if (error != std::errc{} || end != left.data() + bar)
        return false;
    left.remove_prefix(bar + 1);
    return true;
}

}  // namespace

std::uint32_t crc32(std::string_view bytes) noexcept
{
    static constexpr auto table = make_table();
    std::uint32_t crc = 0xFFFFFFFFU;
    for (char const c : bytes)
        crc = table[(crc ^ static_cast<unsigned char>(c)) & 0xFFU] ^ crc >> 8U;
    return ~crc;
}

std::string make_payload(message_id const& id, std::size_t size_min)
{
    std::array<char, 96> head{};
    auto const written = std::snprintf(head.data(), head.size(), "L|%u|%u|%u|%llu|", id.run, id.stream.publisher,
                                       id.stream.topic, static_cast<unsigned long long>(id.sequence));
    std::string text(head.data(), static_cast<std::size_t>(written));
    if (text.size() + crc_digits < size_min)
        text.append(size_min - text.size() - crc_digits, static_cast<char>('a' + id.sequence % 26));
    std::array<char, crc_digits + 1> check{};
    std::snprintf(check.data(), check.size(), "%08x", crc32(text));
    return text.append(check.data(), crc_digits);
}

std::optional<message_id> read_payload(std::string_view payload)
{
    if (payload.size() < crc_digits + 2 || !payload.starts_with("L|"))
        return std::nullopt;
    auto const checked = payload.substr(0, payload.size() - crc_digits);
    auto const digits = payload.substr(payload.size() - crc_digits);
    std::uint32_t stored = 0;
    auto const [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), stored, 16);
    if (error != std::errc{} || end != digits.data() + digits.size() || stored != crc32(checked))
        return std::nullopt;
    auto left = checked.substr(2);
    message_id id;
    if (!read_number(left, id.run) || !read_number(left, id.stream.publisher) || !read_number(left, id.stream.topic) ||
        !read_number(left, id.sequence))
        return std::nullopt;
    return id;
}

std::string topic_name(std::uint32_t run, stream_id stream)
{
    return "ledger/" + std::to_string(run) + "/" + std::to_string(stream.publisher) + "/" +
           std::to_string(stream.topic);
}

}  // namespace fulmar::ledger
