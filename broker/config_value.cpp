#include "broker/config_value.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <concepts>
#include <limits>
#include <numeric>
#include <type_traits>

namespace fulmar::broker {
namespace {

struct unit_name
{
    std::string_view suffix;
    std::uint64_t factor;
};

// Largest first, so that rendering takes the largest unit that divides.
constexpr std::array<unit_name, 5> size_units{
    {{"TiB", 1ULL << 40}, {"GiB", 1ULL << 30}, {"MiB", 1ULL << 20}, {"KiB", 1ULL << 10}, {"B", 1}}};
constexpr std::array<unit_name, 4> decimal_size_units{
    {{"TB", 1'000'000'000'000}, {"GB", 1'000'000'000}, {"MB", 1'000'000}, {"kB", 1'000}}};
constexpr std::array<unit_name, 5> duration_units{
    {{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}}};

template <class Type>
concept enumeration = std::is_enum_v<Type>;

template <enumeration Enum>
struct choice_names;
template <>
struct choice_names<client_certificates>
{
    static constexpr std::array<std::string_view, 3> words{"no", "optional", "required"};
};
template <>
struct choice_names<anonymous_policy>
{
    static constexpr std::array<std::string_view, 4> words{"auto", "loopback", "true", "false"};
};
template <>
struct choice_names<durability>
{
    static constexpr std::array<std::string_view, 2> words{"fsync", "os"};
};
template <>
struct choice_names<log_level>
{
    static constexpr std::array<std::string_view, 6> words{"trace", "debug", "info", "warning", "error", "off"};
};
template <>
struct choice_names<log_format>
{
    static constexpr std::array<std::string_view, 2> words{"text", "json"};
};

template <>
struct choice_names<termination>
{
    static constexpr std::array<std::string_view, 2> words{"refuse", "reconnect"};
};

std::optional<std::uint64_t> parse_with_units(std::string_view text, std::span<unit_name const> units,
                                              std::uint64_t bare) noexcept
{
    std::uint64_t number = 0;
    auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end == text.data())
        return std::nullopt;
    auto suffix = text.substr(static_cast<std::size_t>(end - text.data()));
    while (suffix.starts_with(' '))
        suffix.remove_prefix(1);
    auto factor = bare;
    if (!suffix.empty()) {
        auto const found = std::ranges::find(units, suffix, &unit_name::suffix);
        if (found == units.end())
            return std::nullopt;
        factor = found->factor;
    }
    if (factor != 0 && number > std::numeric_limits<std::uint64_t>::max() / factor)
        return std::nullopt;
    return number * factor;
}

std::string with_largest_unit(std::uint64_t value, std::span<unit_name const> units, std::string_view zero)
{
    if (value == 0)
        return std::string{zero};
    for (auto const& unit : units) {
        if (value % unit.factor == 0)
            return std::to_string(value / unit.factor).append(unit.suffix);
    }
    return std::to_string(value);
}

template <class Range>
std::string joined(Range const& words, std::string_view between)
{
    std::string all;
    for (auto const& word : words)
        all.append(all.empty() ? std::string_view{} : between).append(word);
    return all;
}

std::string_view kind_of(raw_value const& value)
{
    if (auto const* other = std::get_if<unsupported_value>(&value))
        return other->kind;
    constexpr std::array<std::string_view, 6> kinds{"a boolean", "a whole number", "a fraction",
                                                    "a string",  "a list",         "text"};
    return kinds[value.index()];
}

value_fault wrong_type(std::string wanted, raw_value const& value)
{
    return {"is " + std::string{kind_of(value)}, "write " + std::move(wanted)};
}

// The text of a string, whether quoted in a file or given bare elsewhere.
std::string const* text_of(raw_value const& value)
{
    if (auto const* quoted = std::get_if<std::string>(&value))
        return quoted;
    auto const* bare = std::get_if<text_value>(&value);
    return bare == nullptr ? nullptr : &bare->text;
}

std::string example_of(setting_unit unit)
{
    return unit == setting_unit::bytes     ? "a size such as 65536 or \"64KiB\""
           : unit == setting_unit::seconds ? "a time such as 10 (seconds), \"10s\" or \"250ms\""
                                           : "a whole number";
}

std::string number_text(std::uint64_t value, setting_row const& row, bool milliseconds)
{
    if (row.unit == setting_unit::bytes)
        return size_text(value);
    return milliseconds ? duration_text(value) : std::to_string(value);
}

// Reads a number in the unit of the field: milliseconds if the field holds them, else as written.
std::optional<std::uint64_t> number_of(raw_value const& value, setting_unit unit, bool milliseconds)
{
    std::uint64_t const scale = milliseconds ? 1000 : 1;
    if (auto const* whole = std::get_if<std::int64_t>(&value)) {
        auto const magnitude = static_cast<std::uint64_t>(std::max<std::int64_t>(*whole, 0));
        if (*whole < 0 || magnitude > std::numeric_limits<std::uint64_t>::max() / scale)
            return std::nullopt;
        return magnitude * scale;
    }
    auto const* text = text_of(value);
    if (text == nullptr || (unit == setting_unit::none && !std::holds_alternative<text_value>(value)))
        return std::nullopt;
    if (unit == setting_unit::bytes)
        return parse_size(*text);
    if (unit == setting_unit::none)
        return parse_with_units(*text, {}, 1);
    auto const ms = parse_duration_ms(*text);
    if (!ms || milliseconds)
        return ms;
    return *ms % 1000 == 0 ? std::optional{*ms / 1000} : std::nullopt;
}

std::optional<value_fault> check_range(std::uint64_t number, setting_row const& row, std::uint64_t type_max,
                                       bool milliseconds)
{
    auto const maximum = row.maximum == 0 ? type_max : std::min(row.maximum, type_max);
    if (number >= row.minimum && number <= maximum)
        return std::nullopt;
    auto const low = number_text(row.minimum, row, milliseconds);
    auto const high = number_text(maximum, row, milliseconds);
    return value_fault{"is out of range (" + number_text(number, row, milliseconds) + ")",
                       "use a value from " + low + " to " + high};
}

struct assigner
{
    setting_row const& row;
    raw_value const& value;

    std::optional<value_fault> operator()(bool* field) const
    {
        if (auto const* flag = std::get_if<bool>(&value)) {
            *field = *flag;
            return std::nullopt;
        }
        auto const* text = std::get_if<text_value>(&value);
        if (text == nullptr ||
            (text->text != "true" && text->text != "false" && text->text != "1" && text->text != "0"))
            return wrong_type("true or false", value);
        *field = text->text == "true" || text->text == "1";
        return std::nullopt;
    }

    template <std::unsigned_integral Number>
    std::optional<value_fault> operator()(Number* field) const
    {
        return number(std::numeric_limits<Number>::max(), false,
                      [field](std::uint64_t n) { *field = static_cast<Number>(n); });
    }

    std::optional<value_fault> operator()(std::chrono::milliseconds* field) const
    {
        auto const limit = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
        return number(limit, true,
                      [field](std::uint64_t n) { *field = std::chrono::milliseconds{static_cast<std::int64_t>(n)}; });
    }

    std::optional<value_fault> operator()(std::string* field) const
    {
        auto const* text = text_of(value);
        if (text == nullptr)
            return wrong_type("a string in quotes", value);
        if (std::ranges::any_of(*text, [](unsigned char c) { return c < 0x20 || c == 0x7F; }))
            return value_fault{"contains a control character", "remove it"};
        *field = *text;
        return std::nullopt;
    }

    std::optional<value_fault> operator()(std::vector<std::string>* field) const
    {
        if (auto const* list = std::get_if<std::vector<std::string>>(&value)) {
            *field = *list;
            return std::nullopt;
        }
        auto const* text = std::get_if<text_value>(&value);
        if (text == nullptr)
            return wrong_type("a list of strings such as [\"one\", \"two\"]", value);
        field->clear();
        for (std::string_view rest = text->text; !rest.empty();) {
            auto const comma = rest.find(',');
            if (auto const item = rest.substr(0, comma); !item.empty())
                field->emplace_back(item);
            rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
        }
        return std::nullopt;
    }

    template <enumeration Enum>
    std::optional<value_fault> operator()(Enum* field) const
    {
        constexpr auto& words = choice_names<Enum>::words;
        std::string word;
        if (auto const* flag = std::get_if<bool>(&value))
            word = *flag ? "true" : "false";
        else if (auto const* text = text_of(value))
            word = *text;
        else
            return wrong_type("one of " + joined(words, ", "), value);
        auto const found = std::ranges::find(words, word);
        if (found == words.end())
            return value_fault{"is '" + word + "', which is not a choice", "use one of " + joined(words, ", ")};
        *field = static_cast<Enum>(found - words.begin());
        return std::nullopt;
    }

private:
    template <class Store>
    std::optional<value_fault> number(std::uint64_t type_max, bool milliseconds, Store store) const
    {
        if (auto const* whole = std::get_if<std::int64_t>(&value); whole != nullptr && *whole < 0)
            return value_fault{"is negative", "use " + example_of(row.unit)};
        auto const read = number_of(value, row.unit, milliseconds);
        if (!read) {
            auto const* text = text_of(value);
            return text == nullptr ? wrong_type(example_of(row.unit), value)
                                   : value_fault{"is '" + *text + "'", "write " + example_of(row.unit)};
        }
        if (auto fault = check_range(*read, row, type_max, milliseconds))
            return fault;
        store(*read);
        return std::nullopt;
    }
};

std::size_t edit_distance(std::string_view a, std::string_view b)
{
    std::vector<std::size_t> costs(b.size() + 1);
    std::iota(costs.begin(), costs.end(), std::size_t{0});
    for (std::size_t i = 0; i < a.size(); ++i) {
        auto diagonal = costs[0]++;
        for (std::size_t j = 0; j < b.size(); ++j) {
            auto const substitute = diagonal + (a[i] == b[j] ? 0 : 1);
            diagonal = costs[j + 1];
            costs[j + 1] = std::min({substitute, costs[j] + 1, costs[j + 1] + 1});
        }
    }
    return costs.back();
}

std::string_view last_part(std::string_view key) { return key.substr(key.rfind('.') + 1); }

}  // namespace

std::optional<std::uint64_t> parse_size(std::string_view text) noexcept
{
    if (auto const bytes = parse_with_units(text, size_units, 1))
        return bytes;
    return parse_with_units(text, decimal_size_units, 1);
}

std::optional<std::uint64_t> parse_duration_ms(std::string_view text) noexcept
{
    return parse_with_units(text, duration_units, 1000);
}

std::string size_text(std::uint64_t bytes) { return with_largest_unit(bytes, size_units, "0"); }

std::string duration_text(std::uint64_t milliseconds) { return with_largest_unit(milliseconds, duration_units, "0s"); }

std::optional<value_fault> assign_setting(setting_row const& row, raw_value const& value, settings& to)
{
    return assign_value(row, value, row.field(to));
}

std::optional<value_fault> assign_value(setting_row const& rules, raw_value const& value, setting_field const& to)
{
    return std::visit(assigner{rules, value}, to);
}

std::string_view nearest_word(std::string_view word, std::vector<std::string_view> const& known)
{
    std::string_view best;
    auto best_cost = std::max<std::size_t>(3, word.size() / 3) + 1;
    for (auto const candidate : known) {
        auto cost = edit_distance(word, candidate);
        if (last_part(word) == last_part(candidate))
            cost = std::min<std::size_t>(cost, 2);  // right name, wrong section
        if (cost < best_cost) {
            best = candidate;
            best_cost = cost;
        }
    }
    return best;
}

std::vector<std::string_view> choices_of(setting_field const& field)
{
    return std::visit(
        [](auto* pointer) -> std::vector<std::string_view> {
            using value_type = std::remove_pointer_t<decltype(pointer)>;
            if constexpr (std::is_enum_v<value_type>)
                return {choice_names<value_type>::words.begin(), choice_names<value_type>::words.end()};
            else
                return {};
        },
        field);
}

}  // namespace fulmar::broker
