#include "broker/config_history.hpp"

#include "broker/config_value.hpp"
#include "broker/topic.hpp"

#include <algorithm>
#include <array>

namespace fulmar::broker {

namespace {

struct history_row
{
    std::string_view key;
    setting_field (*field)(history_settings&);
    setting_unit unit = setting_unit::none;
    std::uint64_t minimum = 0;

    [[nodiscard]] setting_row rules() const noexcept { return {key, nullptr, unit, minimum, 0, {}}; }
};

constexpr std::array<history_row, 5> rows{{
    {"filter", [](history_settings& h) -> setting_field { return &h.filter; }},
    {"app", [](history_settings& h) -> setting_field { return &h.app; }},
    {"max_age", [](history_settings& h) -> setting_field { return &h.max_age; }, setting_unit::seconds, 1'000},
    {"max_messages", [](history_settings& h) -> setting_field { return &h.max_messages; }, setting_unit::none, 1},
    {"max_bytes", [](history_settings& h) -> setting_field { return &h.max_bytes; }, setting_unit::bytes, 1},
}};

void read_entry(file_entry const& entry, history_settings& rule, configuration& c)
{
    auto const row = std::find_if(rows.begin(), rows.end(), [&](auto const& r) { return r.key == entry.key; });
    if (row == rows.end()) {
        c.problems.push_back({entry.where, "unknown setting '" + entry.key + "' in [[history]]",
                              "a rule has filter, app, max_age, max_messages and max_bytes"});
        return;
    }
    if (auto fault = assign_value(row->rules(), entry.value, row->field(rule)))
        c.problems.push_back({entry.where, "history: " + entry.key + " " + fault->what, std::move(fault->remedy)});
}

}  // namespace

void read_history(file_entries const& read, configuration& c)
{
    for (auto const& table : read.history) {
        auto& rule = c.values.history.emplace_back();
        c.history_places.push_back(table.where);
        auto const before = c.problems.size();
        for (auto const& entry : table.entries)
            read_entry(entry, rule, c);
        if (c.problems.size() != before)
            continue;
        if (rule.filter.empty())
            c.problems.push_back({table.where, "history: this rule has no filter", "write filter = \"news/#\""});
        else if (!valid_utf8(rule.filter) || !valid_topic_filter(rule.filter))
            c.problems.push_back({table.where, "history: '" + rule.filter + "' is not a topic filter",
                                  "'+' stands for one level, '#' for the rest"});
        else if (rule.filter.starts_with('$'))
            c.problems.push_back(
                {table.where, "history: topics that begin with '$' keep no history", "choose another filter"});
    }
    if (read.history.size() > history_rules_max)
        c.problems.push_back({read.history[history_rules_max].where, "there are more than 100 history rules",
                              "cover several topics with one filter"});
}

void check_history(configuration& c)
{
    auto const& rules = c.values.history;
    for (std::size_t i = 0; i < rules.size(); ++i) {
        auto const& rule = rules[i];
        auto const& where = c.history_places[i];
        auto const named = [&](app const& known) { return known.name == rule.app; };
        if (!rule.app.empty() && std::none_of(c.values.apps.begin(), c.values.apps.end(), named))
            c.problems.push_back(
                {where, "history: there is no app '" + rule.app + "'", "name the id of an app, or none"});
        auto const same = [&](history_settings const& other) {
            return other.filter == rule.filter && other.app == rule.app;
        };
        if (std::any_of(rules.begin(), rules.begin() + static_cast<std::ptrdiff_t>(i), same))
            c.problems.push_back({where, "history: there is already a rule for '" + rule.filter + "'",
                                  "the first one decides: remove this"});
        auto const retention = c.values.storage.retention_age;
        if (retention.count() != 0 && rule.max_age > retention)
            c.warnings.push_back({where, "history: max_age is longer than storage.retention_age, which wins",
                                  "raise storage.retention_age"});
    }
}

std::string show_history(configuration const& c)
{
    std::string out;
    for (std::size_t i = 0; i < c.values.history.size(); ++i) {
        auto rule = c.values.history[i];
        history_settings const defaults;
        out.append("\n[[history]]  # ").append(c.history_places[i]).append("\n");
        for (auto const& row : rows) {
            auto unset = defaults;
            auto const text = field_text(row.rules(), row.field(rule));
            if (text != field_text(row.rules(), row.field(unset)))
                out.append(row.key).append(" = ").append(text).append("\n");
        }
    }
    return out;
}

}  // namespace fulmar::broker
