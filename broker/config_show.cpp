// Settings as text: what `fulmar config show` prints and what docs/operations.md lists.
#include "broker/config.hpp"

#include "broker/config_apps.hpp"
#include "broker/config_history.hpp"
#include "broker/config_value.hpp"

#include <algorithm>
#include <cctype>
#include <limits>
#include <type_traits>

namespace fulmar::broker {

std::string toml_text(std::string_view text)
{
    std::string out = "\"";
    for (auto const c : text) {
        if (c == '"' || c == '\\')
            out += '\\';
        out += c;
    }
    return out += '"';
}

namespace {

std::string unit_text(std::uint64_t value, setting_unit unit, bool milliseconds)
{
    if (unit == setting_unit::bytes)
        return value < 1024 ? std::to_string(value) : toml_text(size_text(value));
    if (unit == setting_unit::seconds)
        return toml_text(duration_text(milliseconds ? value : value * 1000));
    return std::to_string(value);
}

struct renderer
{
    setting_row const& row;

    std::string operator()(bool const* field) const { return *field ? "true" : "false"; }
    std::string operator()(std::string const* field) const { return toml_text(*field); }
    std::string operator()(std::chrono::milliseconds const* field) const
    {
        return unit_text(static_cast<std::uint64_t>(field->count()), setting_unit::seconds, true);
    }
    std::string operator()(std::vector<std::string> const* field) const
    {
        std::string out;
        for (auto const& item : *field)
            out.append(out.empty() ? "" : ", ").append(toml_text(item));
        return "[" + out + "]";
    }
    template <class Value>
    std::string operator()(Value const* field) const
    {
        if constexpr (std::is_enum_v<Value>) {
            auto const words = choices_of(const_cast<Value*>(field));
            auto const word = words[static_cast<std::size_t>(*field)];
            return word == "true" || word == "false" ? std::string{word} : toml_text(word);
        } else {
            return unit_text(*field, row.unit, false);
        }
    }
};

std::uint64_t type_maximum(setting_field const& field)
{
    return std::visit(
        [](auto* pointer) -> std::uint64_t {
            using value_type = std::remove_pointer_t<decltype(pointer)>;
            if constexpr (std::is_unsigned_v<value_type> && !std::is_same_v<value_type, bool>)
                return std::numeric_limits<value_type>::max();
            else
                return 0;
        },
        field);
}

bool is_number(setting_field const& field)
{
    return type_maximum(field) != 0 || std::holds_alternative<std::chrono::milliseconds*>(field);
}

std::string range_text(setting_row const& row, setting_field const& field)
{
    if (!is_number(field))
        return "";
    bool const milliseconds = std::holds_alternative<std::chrono::milliseconds*>(field);
    auto const render = [&](std::uint64_t value) {
        if (row.unit == setting_unit::bytes)
            return size_text(value);
        return row.unit == setting_unit::seconds ? duration_text(milliseconds ? value : value * 1000)
                                                 : std::to_string(value);
    };
    return row.maximum == 0 ? "from " + render(row.minimum) : render(row.minimum) + " to " + render(row.maximum);
}

std::string flag_of(std::string_view key)
{
    auto const flags = setting_flags();
    auto const found = std::ranges::find(flags, key, &setting_flag::key);
    return found == flags.end() ? "" : "`" + std::string{found->flag} + "`";
}

// In a table of Markdown a bar separates cells.
std::string cell(std::string text)
{
    for (auto at = text.find('|'); at != std::string::npos; at = text.find('|', at + 2))
        text.insert(at, "\\");
    return text;
}

}  // namespace

std::string setting_row::environment_name() const
{
    std::string name = "FULMAR_";
    for (auto const c : key)
        name += c == '.' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    return name;
}

std::string field_type(setting_row const& rules, setting_field const& of)
{
    if (auto const words = choices_of(of); !words.empty()) {
        std::string all;
        for (auto const word : words)
            all.append(all.empty() ? "" : " | ").append(word);
        return all;
    }
    if (std::holds_alternative<bool*>(of))
        return "true | false";
    if (std::holds_alternative<std::string*>(of))
        return "text";
    if (std::holds_alternative<std::vector<std::string>*>(of))
        return "list of texts";
    return rules.unit == setting_unit::bytes ? "size" : rules.unit == setting_unit::seconds ? "time" : "number";
}

std::string field_range(setting_row const& rules, setting_field const& of) { return range_text(rules, of); }

std::string setting_row::type_name() const
{
    settings defaults;
    return field_type(*this, field(defaults));
}

std::string setting_text(setting_row const& row, settings const& from)
{
    // The table hands out writable places; they are only read here.
    return field_text(row, row.field(const_cast<settings&>(from)));
}

std::string field_text(setting_row const& rules, setting_field const& from)
{
    return std::visit(renderer{rules}, from);
}

std::string show_configuration(configuration const& c)
{
    std::string out;
    std::string_view section;
    auto const rows = setting_rows();
    for (std::size_t i = 0; i < rows.size(); ++i) {
        auto const dot = rows[i].key.rfind('.');
        if (auto const here = rows[i].key.substr(0, dot); here != section) {
            section = here;
            out.append(out.empty() ? "[" : "\n[").append(section).append("]\n");
        }
        auto line = std::string{rows[i].key.substr(dot + 1)} + " = " + setting_text(rows[i], c.values);
        line.append(line.size() < 44 ? 44 - line.size() : 1, ' ');
        out.append(line).append("# ").append(c.origins[i]).append("\n");
    }
    out += show_apps(c);
    out += show_history(c);
    return out;
}

std::string settings_reference()
{
    settings const defaults;
    std::string out = "| Setting | Type | Default | Range | Environment, flag | Meaning |\n|---|---|---|---|---|---|\n";
    for (auto const& row : setting_rows()) {
        settings scratch;
        auto const flag = flag_of(row.key);
        out.append("| `")
            .append(row.key)
            .append("` | ")
            .append(cell(row.type_name()))
            .append(" | `")
            .append(setting_text(row, defaults))
            .append("` | ")
            .append(range_text(row, row.field(scratch)))
            .append(" | `")
            .append(row.environment_name())
            .append("`")
            .append(flag.empty() ? "" : ", ")
            .append(flag)
            .append(" | ")
            .append(row.description)
            .append(" |\n");
    }
    return out;
}

}  // namespace fulmar::broker
