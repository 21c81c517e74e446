#include "broker/history_rules.hpp"

#include "broker/topic.hpp"
#include "broker/topic_levels.hpp"

#include <algorithm>

namespace fulmar::broker {

namespace {

// Nothing, or only "#", which also matches the level above it.
[[nodiscard]] bool may_end(topic_levels const& left) noexcept { return left.ended || left.rest == "#"; }

[[nodiscard]] bool wild_first(std::string_view filter) noexcept
{
    return filter.starts_with('+') || filter.starts_with('#');
}

}  // namespace

bool filters_meet(std::string_view a, std::string_view b) noexcept
{
    if ((a.starts_with('$') && wild_first(b)) || (b.starts_with('$') && wild_first(a)))
        return false;
    topic_levels left{a};
    topic_levels right{b};
    while (true) {
        auto const x = left.next();
        auto const y = right.next();
        if (x == "#" || y == "#")
            return true;
        if (x != y && x != "+" && y != "+")
            return false;
        if (left.ended || right.ended)
            return may_end(left) && may_end(right);
    }
}

history_rule const* history_rules::find(app_id app, std::string_view topic) const noexcept
{
    auto const found = std::find_if(rules_.begin(), rules_.end(), [&](history_rule const& rule) {
        return (!rule.app || *rule.app == app) && (rule.filter == topic || matches(rule.filter, topic));
    });
    return found == rules_.end() ? nullptr : &*found;
}

bool history_rules::append_streams(app_id app, std::string_view topic, std::vector<filter_hash>& out) const
{
    auto const* const rule = find(app, topic);
    if (rule == nullptr)
        return false;
    out.push_back(hash_history(app, topic));
    if (rule->filter != topic)
        out.push_back(hash_history(app, rule->filter));
    return true;
}

bool history_rules::append_sources(app_id app, std::string_view filter, std::vector<queue_filter>& out) const
{
    auto const before = out.size();
    auto const add = [&](std::string_view text) {
        if (std::none_of(out.begin(), out.end(), [&](queue_filter const& known) { return known.filter == text; }))
            out.push_back({app, std::string{text}, 0, true});
    };
    if (!has_wildcard(filter)) {
        auto const kept = find(app, filter) != nullptr;
        if (kept)
            add(filter);
        return kept;
    }
    bool any = false;
    for (auto const& rule : rules_) {
        if ((rule.app && *rule.app != app) || !filters_meet(rule.filter, filter))
            continue;
        add(rule.filter);
        any = true;
    }
    return any || out.size() != before;
}

std::optional<std::uint64_t> history_hold_ms(std::vector<history_settings> const& rules) noexcept
{
    if (rules.empty())
        return std::nullopt;
    std::uint64_t longest = 0;
    for (auto const& rule : rules) {
        auto const age = static_cast<std::uint64_t>(rule.max_age.count());
        if (age == 0)
            return 0;
        longest = std::max(longest, age);
    }
    return longest;
}

}  // namespace fulmar::broker
