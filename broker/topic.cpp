#include "broker/topic.hpp"

#include <algorithm>
#include <cstring>

namespace fulmar::broker {
namespace {

constexpr std::uint64_t low_bits = 0x0101010101010101ULL;
constexpr std::uint64_t high_bits = 0x8080808080808080ULL;

// Eight bytes at once: all of them ASCII and none of them zero?
[[nodiscard]] bool plain_word(char const* at) noexcept
{
    std::uint64_t word = 0;
    std::memcpy(&word, at, sizeof word);
    return ((word | ((word - low_bits) & ~word)) & high_bits) == 0;
}

// Eight bytes at once: is one of them '#' or '+'? The two differ in one bit, which is masked out.
[[nodiscard]] bool wildcard_in_word(char const* at) noexcept
{
    static_assert(('#' ^ '+') == 0x08);
    std::uint64_t word = 0;
    std::memcpy(&word, at, sizeof word);
    auto const zero_at_wildcard = (word & (0xF7 * low_bits)) ^ ('#' * low_bits);
    return ((zero_at_wildcard - low_bits) & ~zero_at_wildcard & high_bits) != 0;
}

[[nodiscard]] bool continuation(unsigned char byte) noexcept { return (byte & 0xC0U) == 0x80U; }

// The length of the well-formed sequence at the beginning of [at, end), which does not begin with ASCII; 0 if it is
// ill-formed. The bounds of the second byte exclude over-long forms, surrogates and what is above U+10FFFF
// (Unicode, table 3-7).
[[nodiscard]] std::size_t sequence_length(char const* at, char const* end) noexcept
{
    auto const byte = [at](std::size_t i) { return static_cast<unsigned char>(at[i]); };
    auto const left = static_cast<std::size_t>(end - at);
    auto const first = byte(0);
    if (first < 0xC2U || left < 2 || !continuation(byte(1)))
        return 0;
    if (first < 0xE0U)
        return 2;
    if (left < 3 || !continuation(byte(2)))
        return 0;
    if (first < 0xF0U) {
        bool const over_long = first == 0xE0U && byte(1) < 0xA0U;
        bool const surrogate = first == 0xEDU && byte(1) > 0x9FU;
        return over_long || surrogate ? 0 : 3;
    }
    if (first > 0xF4U || left < 4 || !continuation(byte(3)))
        return 0;
    bool const over_long = first == 0xF0U && byte(1) < 0x90U;
    bool const too_large = first == 0xF4U && byte(1) > 0x8FU;
    return over_long || too_large ? 0 : 4;
}

// Takes the level that begins at `position` and moves behind it; position becomes npos after the last one.
[[nodiscard]] std::string_view take_level(std::string_view text, std::size_t& position) noexcept
{
    auto const slash = text.find('/', position);
    auto const level = text.substr(position, slash == std::string_view::npos ? slash : slash - position);
    position = slash == std::string_view::npos ? slash : slash + 1;
    return level;
}

}  // namespace

bool valid_utf8(std::string_view text) noexcept
{
    auto const* at = text.data();
    auto const* const end = at + text.size();
    while (at != end) {
        auto const left = end - at;
        if (left >= 8 && plain_word(at)) {
            at += 8;
            continue;
        }
        // The rest of a longer text: a word that begins in what is checked already.
        if (left < 8 && text.size() >= 8 && plain_word(end - 8))
            return true;
        auto const first = static_cast<unsigned char>(*at);
        if (first == 0)
            return false;
        auto const length = first < 0x80U ? 1 : sequence_length(at, end);
        if (length == 0)
            return false;
        at += length;
    }
    return true;
}

bool valid_topic_name(std::string_view topic) noexcept
{
    if (topic.empty() || topic.size() > topic_bytes_max)
        return false;
    if (has_wildcard(topic))
        return false;
    // Fewer bytes than levels are allowed cannot make too many.
    return topic.size() < topic_levels_max ||
           static_cast<std::size_t>(std::count(topic.begin(), topic.end(), '/')) < topic_levels_max;
}

bool valid_topic_filter(std::string_view filter) noexcept
{
    if (filter.empty() || filter.size() > topic_bytes_max)
        return false;
    std::size_t levels = 1;
    for (std::size_t i = 0; i < filter.size(); ++i) {
        char const c = filter[i];
        if (c == '/') {
            ++levels;
            continue;
        }
        if (c != '+' && c != '#')
            continue;
        bool const first_of_level = i == 0 || filter[i - 1] == '/';
        bool const last = i + 1 == filter.size();
        bool const last_of_level = last || (c == '+' && filter[i + 1] == '/');
        if (!first_of_level || !last_of_level)
            return false;
    }
    return levels <= topic_levels_max;
}

bool matches(std::string_view filter, std::string_view topic) noexcept
{
    if (filter.empty() || topic.empty())
        return false;
    if (topic.front() == '$' && (filter.front() == '+' || filter.front() == '#'))
        return false;
    std::size_t in_filter = 0;
    std::size_t in_topic = 0;
    while (in_filter != std::string_view::npos) {
        auto const wanted = take_level(filter, in_filter);
        if (wanted == "#")
            return true;  // also when the topic has ended: "a/#" matches "a"
        if (in_topic == std::string_view::npos)
            return false;
        auto const level = take_level(topic, in_topic);
        if (wanted != "+" && wanted != level)
            return false;
    }
    return in_topic == std::string_view::npos;
}

bool has_wildcard(std::string_view filter) noexcept
{
    constexpr std::size_t word = 8;
    if (filter.size() < word)
        return std::any_of(filter.begin(), filter.end(), [](char c) { return c == '+' || c == '#'; });
    for (std::size_t i = 0; i + word <= filter.size(); i += word)
        if (wildcard_in_word(filter.data() + i))
            return true;
    return filter.size() % word != 0 && wildcard_in_word(filter.data() + filter.size() - word);
}

std::optional<shared_filter> parse_shared(std::string_view filter) noexcept
{
    constexpr std::string_view prefix = "$share/";
    if (filter.substr(0, prefix.size()) != prefix)
        return std::nullopt;
    filter.remove_prefix(prefix.size());
    auto const slash = filter.find('/');
    if (slash == std::string_view::npos || slash == 0 || has_wildcard(filter.substr(0, slash)))
        return shared_filter{};
    return shared_filter{filter.substr(0, slash), filter.substr(slash + 1)};
}

std::uint64_t stable_hash(std::string_view bytes, std::uint64_t seed) noexcept
{
    std::uint64_t hash = 0xCBF29CE484222325ULL ^ (seed * 0x9E3779B97F4A7C15ULL);
    for (char const c : bytes) {
        hash ^= static_cast<unsigned char>(c);
        hash *= 0x100000001B3ULL;
    }
    hash ^= hash >> 33U;
    hash *= 0xFF51AFD7ED558CCDULL;
    hash ^= hash >> 33U;
    hash *= 0xC4CEB9FE1A85EC53ULL;
    hash ^= hash >> 33U;
    return hash;
}

}  // namespace fulmar::broker
