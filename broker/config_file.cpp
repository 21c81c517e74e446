#include "broker/config_file.hpp"

#include "broker/text_file.hpp"
#include "broker/topic.hpp"

#include <algorithm>
#include <utility>

#include "broker/toml.hpp"  // after all others

namespace fulmar::broker {
namespace {

std::string place(std::string const& file, toml::source_region const& region)
{
    return file + ":" + std::to_string(region.begin.line) + ":" + std::to_string(region.begin.column);
}

raw_value list_value(toml::array const& array)
{
    std::vector<std::string> list;
    for (auto const& element : array) {
        auto const* text = element.as_string();
        if (text == nullptr)
            return unsupported_value{"a list with something else than strings"};
        list.push_back(text->get());
    }
    return list;
}

raw_value value_of(toml::node const& node)
{
    if (auto const* flag = node.as_boolean())
        return flag->get();
    if (auto const* whole = node.as_integer())
        return static_cast<std::int64_t>(whole->get());
    if (auto const* real = node.as_floating_point())
        return real->get();
    if (auto const* text = node.as_string())
        return text->get();
    if (auto const* list = node.as_array())
        return list_value(*list);
    return unsupported_value{node.is_table() ? "a table" : "a date or time"};
}

class flattener
{
public:
    flattener(std::string const& file, file_entries& out) : file_{file}, out_{out} {}

    void table(toml::table const& from, std::string const& prefix)
    {
        for (auto const& [name, node] : from) {
            auto key = prefix.empty() ? std::string{name.str()} : prefix + "." + std::string{name.str()};
            if (auto const* inner = node.as_table(); inner != nullptr && !inner->empty() && depth_ < depth_max) {
                ++depth_;
                table(*inner, key);
                --depth_;
            } else if (key == "apps" && node.is_array_of_tables()) {
                apps(*node.as_array());
            } else if (key == "history" && node.is_array_of_tables()) {
                history(*node.as_array());
            } else if (inner == nullptr || !inner->empty() || !known_section(key)) {
                out_.entries.push_back({std::move(key), value_of(node), place(file_, name.source())});
            }
        }
    }

private:
    static constexpr int depth_max = 8;

    // An empty table is harmless if it is a section, and a mistake to be named if it is not.
    static bool known_section(std::string const& key)
    {
        return std::ranges::any_of(setting_rows(),
                                   [&](setting_row const& row) { return row.key.starts_with(key + "."); });
    }

    void apps(toml::array const& list)
    {
        for (auto const& element : list) {
            out_.app_places.push_back(place(file_, element.source()));
            app_table(*element.as_table(), "");
            ++out_.app_count;
        }
    }

    void history(toml::array const& list)
    {
        for (auto const& element : list) {
            auto& rule = out_.history.emplace_back();
            rule.where = place(file_, element.source());
            for (auto const& [name, node] : *element.as_table())
                rule.entries.push_back({std::string{name.str()}, value_of(node), place(file_, name.source())});
        }
    }

    void app_table(toml::table const& from, std::string const& prefix)
    {
        for (auto const& [name, node] : from) {
            auto const key = prefix + std::string{name.str()};
            auto const* const table = node.as_table();
            auto const* const list = node.is_array_of_tables() ? node.as_array() : nullptr;
            if (depth_ == depth_max || (table == nullptr && list == nullptr)) {
                out_.apps.push_back({key, value_of(node), place(file_, name.source())});
                out_.app_of.push_back(out_.app_count);
                continue;
            }
            ++depth_;
            if (table != nullptr)
                app_table(*table, key + ".");
            for (std::size_t i = 0; list != nullptr && i < list->size(); ++i)
                app_table(*list->get(i)->as_table(), key + "[" + std::to_string(i) + "].");
            --depth_;
        }
    }

    std::string const& file_;
    file_entries& out_;
    int depth_ = 0;
};

std::optional<config_problem> check_size(std::string_view text, std::string const& name)
{
    if (text.size() > config_bytes_max)
        return config_problem{name, "is larger than 1 MiB",
                              "a configuration is a few lines; was the right file named?"};
    std::size_t line = 1;
    for (std::size_t begin = 0; begin < text.size(); ++line) {
        auto const end = std::min(text.find('\n', begin), text.size());
        if (end - begin > config_line_bytes_max)
            return config_problem{name + ":" + std::to_string(line) + ":1", "the line is longer than 4096 bytes",
                                  "split it"};
        begin = end + 1;
    }
    return std::nullopt;
}

}  // namespace

file_entries parse_config_text(std::string_view text, std::string const& name)
{
    file_entries out;
    if ((out.problem = check_size(text, name)))
        return out;
    if (!valid_utf8(text)) {
        out.problem = config_problem{name, "is not UTF-8 text", "save it as UTF-8"};
        return out;
    }
    auto const parsed = toml::parse(text, name);
    if (!parsed) {
        auto const& error = parsed.error();
        out.problem = config_problem{place(name, error.source()), "is not TOML: " + std::string{error.description()},
                                     "strings stand in quotes, sections in brackets: [mqtt]"};
        return out;
    }
    flattener{name, out}.table(parsed.table(), "");
    return out;
}

file_entries read_config_file(std::string const& path)
{
    auto const text = read_text_file(path, config_bytes_max);
    if (!text) {
        file_entries out;
        auto const why = text.error() == errc::message_too_large ? "is larger than 1 MiB"
                                                                 : "cannot be read: " + text.error().message();
        out.problem = config_problem{path, why, "check the name and the rights"};
        return out;
    }
    return parse_config_text(*text, path);
}

}  // namespace fulmar::broker
