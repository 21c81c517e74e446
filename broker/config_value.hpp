// Single values of a configuration: numbers with units, choices, and how a value reaches its field.
//
// Threads:  pure functions, any thread.
#pragma once

#include "broker/config.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace fulmar::broker {

// "64KiB", "1GiB", "10MB", "4096": bytes; nullopt if it is neither, or does not fit into 64 bits.
[[nodiscard]] std::optional<std::uint64_t> parse_size(std::string_view text) noexcept;
// "250ms", "10s", "5m", "2h", "7d", "10" (seconds): milliseconds.
[[nodiscard]] std::optional<std::uint64_t> parse_duration_ms(std::string_view text) noexcept;
[[nodiscard]] std::string size_text(std::uint64_t bytes);
[[nodiscard]] std::string duration_text(std::uint64_t milliseconds);

// A value before it is given to a field. `text` comes from the environment or a flag and is read as the field wants it.
struct text_value
{
    std::string text;
};
struct unsupported_value
{
    std::string_view kind;  // "a table", "a date"
};
using raw_value =
    std::variant<bool, std::int64_t, double, std::string, std::vector<std::string>, text_value, unsupported_value>;

// What was wrong with a value, and what would be right.
struct value_fault
{
    std::string what;
    std::string remedy;
};

// Gives `value` to the field of `row` in `to`; on a fault the field is unchanged.
[[nodiscard]] std::optional<value_fault> assign_setting(setting_row const& row, raw_value const& value, settings& to);
// The same for a field that is no setting of its own; unit and range are those of `rules`.
[[nodiscard]] std::optional<value_fault> assign_value(setting_row const& rules, raw_value const& value,
                                                      setting_field const& to);

// The nearest of `known` to a misspelt `word`; empty if none is near.
[[nodiscard]] std::string_view nearest_word(std::string_view word, std::vector<std::string_view> const& known);

// The words that an enumeration of the settings is written with, in the order of its values; nullopt for other fields.
[[nodiscard]] std::vector<std::string_view> choices_of(setting_field const& field);

}  // namespace fulmar::broker
