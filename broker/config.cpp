#include "broker/config.hpp"

#include "broker/config_apps.hpp"
#include "broker/config_check.hpp"
#include "broker/config_file.hpp"
#include "broker/config_history.hpp"
#include "broker/config_value.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include <unistd.h>

namespace fulmar::broker {
namespace {

// These are no settings: the file itself, and what the client commands read (frontends/cli/target.hpp).
constexpr std::string_view client_variables[] = {"FULMAR_CONFIG", "FULMAR_URL",    "FULMAR_KEY",  "FULMAR_SECRET",
                                                 "FULMAR_TOKEN",  "FULMAR_CACERT", "FULMAR_ADMIN"};

std::vector<std::string_view> all_keys()
{
    std::vector<std::string_view> keys{"apps", "history"};
    for (auto const& row : setting_rows())
        keys.push_back(row.key);
    return keys;
}

// Reads the layers one after the other into a configuration.
class loader
{
public:
    loader() { c_.origins.assign(setting_rows().size(), "default"); }

    void file(file_entries&& read)
    {
        if (read.problem)
            c_.problems.push_back(std::move(*read.problem));
        for (auto const& entry : read.entries)
            assign(entry.key, entry.value, entry.where);
        read_apps(read, c_);
        read_history(read, c_);
    }

    void environment(std::vector<std::pair<std::string, std::string>> const& variables)
    {
        auto const rows = setting_rows();
        for (auto const& variable : variables) {
            auto const& name = variable.first;
            auto const row =
                std::ranges::find_if(rows, [&](setting_row const& r) { return r.environment_name() == name; });
            if (row != rows.end())
                assign(row->key, text_value{variable.second}, "environment " + name);
            else if (std::ranges::find(client_variables, name) == std::end(client_variables))
                unknown_variable(name);
        }
    }

    void flags(std::vector<flag_value> const& given)
    {
        for (auto const& flag : given)
            assign(flag.key, text_value{flag.value}, "flag " + flag.flag);
    }

    configuration finish()
    {
        if (c_.usable())
            check_configuration(c_);
        return std::move(c_);
    }

private:
    void assign(std::string_view key, raw_value const& value, std::string const& where)
    {
        auto const* row = find_setting(key);
        if (row == nullptr)
            return unknown_setting(key, value, where);
        if (auto fault = assign_setting(*row, value, c_.values)) {
            c_.problems.push_back({where, std::string{key} + " " + fault->what, std::move(fault->remedy)});
            return;
        }
        c_.origins[static_cast<std::size_t>(row - setting_rows().data())] = where;
    }

    void unknown_setting(std::string_view key, raw_value const& value, std::string const& where)
    {
        bool const section = std::ranges::any_of(
            setting_rows(), [&](setting_row const& row) { return row.key.starts_with(std::string{key} + "."); });
        if (section) {
            c_.problems.push_back(
                {where, "'" + std::string{key} + "' is a section, not a setting", "write [" + std::string{key} + "]"});
            return;
        }
        if (key == "apps") {
            bool const text = std::holds_alternative<text_value>(value);
            c_.problems.push_back(
                {where, "'apps' is a list of tables", text ? "configure apps in a file" : "write [[apps]]"});
            return;
        }
        if (key == "history") {
            bool const text = std::holds_alternative<text_value>(value);
            c_.problems.push_back(
                {where, "'history' is a list of tables", text ? "configure history in a file" : "write [[history]]"});
            return;
        }
        auto const near = nearest_word(key, all_keys());
        c_.problems.push_back({where, "unknown setting '" + std::string{key} + "'",
                               near.empty() ? "see: fulmar config show" : "did you mean '" + std::string{near} + "'?"});
    }

    // Only what looks like a misspelt setting is worth a word: other programs have variables that begin like ours.
    void unknown_variable(std::string const& name)
    {
        std::vector<std::string> names;
        for (auto const& row : setting_rows())
            names.push_back(row.environment_name());
        auto const near = nearest_word(name, {names.begin(), names.end()});
        if (!near.empty())
            c_.warnings.push_back(
                {"environment " + name, "names no setting and is ignored", "did you mean " + std::string{near} + "?"});
    }

    configuration c_;
};

}  // namespace

std::string config_problem::text() const
{
    auto line = where + ": " + what;
    return remedy.empty() ? line : line + "; " + remedy;
}

std::string const& configuration::origin(std::string_view key) const
{
    static std::string const none = "default";
    auto const* row = find_setting(key);
    return row == nullptr ? none : origins[static_cast<std::size_t>(row - setting_rows().data())];
}

configuration load_configuration(config_source const& source)
{
    loader load;
    if (source.text)
        load.file(parse_config_text(*source.text, source.file.empty() ? "configuration" : source.file));
    else if (!source.file.empty())
        load.file(read_config_file(source.file));
    load.environment(source.environment);
    load.flags(source.flags);
    return load.finish();
}

std::vector<std::pair<std::string, std::string>> fulmar_environment()
{
    std::vector<std::pair<std::string, std::string>> found;
    for (auto** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
        std::string_view const variable{*entry};
        auto const equals = variable.find('=');
        if (variable.starts_with("FULMAR_") && equals != std::string_view::npos)
            found.emplace_back(variable.substr(0, equals), variable.substr(equals + 1));
    }
    return found;
}

}  // namespace fulmar::broker
