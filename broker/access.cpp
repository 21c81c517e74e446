#include "broker/access.hpp"

#include "broker/topic.hpp"
#include "broker/topic_levels.hpp"

#include <algorithm>

namespace fulmar::broker {
namespace {

bool reserved_name(std::string_view topic) noexcept { return topic.starts_with('$') || guarded_name(topic); }

bool begins_with_wildcard(std::string_view filter) noexcept
{
    return filter.starts_with('+') || filter == "#" || filter.starts_with("#/");
}

// $SYS belongs to the broker.
bool system_topic(std::string_view topic) noexcept { return topic == "$SYS" || topic.starts_with("$SYS/"); }

bool usable_in_filter(std::string_view name) noexcept
{
    return !name.empty() && name.find_first_of("+#/") == std::string_view::npos;
}

// What one client may do: the rules it was made from, and who it is.
class ruled_permissions final : public permissions
{
public:
    ruled_permissions(std::shared_ptr<access_rules const> rules, std::string_view user, std::string_view client_id)
        : rules_{std::move(rules)}, user_{user}, client_id_{client_id}
    {
    }

    bool may_publish(std::string_view topic) const override
    {
        return !system_topic(topic) && first_that_fits(&access_rule::publish, topic, matches);
    }

    bool may_receive(std::string_view topic) const override
    {
        return first_that_fits(&access_rule::subscribe, topic, matches);
    }

    bool may_subscribe(std::string_view filter) const override
    {
        auto const shared = parse_shared(filter);
        auto const inner = shared ? shared->filter : filter;
        return !inner.empty() && first_that_fits(&access_rule::subscribe, inner, covers);
    }

    // Guarded names are never granted by a wildcard, so no set of rules grants every topic.
    bool receives_everything() const noexcept override { return false; }

private:
    using fits_function = bool (*)(std::string_view, std::string_view) noexcept;

    bool first_that_fits(bool access_rule::*action, std::string_view name, fits_function fits) const
    {
        bool const reserved = reserved_name(name);
        for (auto const& rule : rules_->rules()) {
            if (!(rule.*action) || !is_for_us(rule))
                continue;
            if (rule.allow && reserved && !reserved_name(rule.filter))
                continue;
            if (fits_rule(rule, name, fits))
                return rule.allow;
        }
        return false;
    }

    static bool reaches(std::string_view filter, std::string_view name, bool allow, fits_function fits)
    {
        // The wildcards of a deny rule reach topics that begin with '$', which those of MQTT do not: compare them one level lower.
        if (!allow && name.starts_with('$') && begins_with_wildcard(filter))
            return fits("x/" + std::string{filter}, "x/" + std::string{name});
        return fits(filter, name);
    }

    bool fits_rule(access_rule const& rule, std::string_view name, fits_function fits) const
    {
        return rule.has_percent ? reaches(substituted(rule.filter), name, rule.allow, fits)
                                : reaches(rule.filter, name, rule.allow, fits);
    }

    bool is_for_us(access_rule const& rule) const noexcept
    {
        if (rule.substitutes_user && user_.empty())
            return false;
        switch (rule.who) {
        case access_rule::audience::all: return true;
        case access_rule::audience::anonymous: return user_.empty();
        case access_rule::audience::any_user: return !user_.empty();
        case access_rule::audience::one_user: return user_ == rule.user;
        }
        return false;
    }

    std::string substituted(std::string_view filter) const
    {
        std::string out;
        for (std::size_t i = 0; i < filter.size(); ++i) {
            if (filter[i] != '%')
                out += filter[i];
            else if (auto const what = filter[++i]; what == '%')
                out += '%';
            else
                out += what == 'c' ? client_id_ : user_;
        }
        return out;
    }

    std::shared_ptr<access_rules const> rules_;
    std::string user_;
    std::string client_id_;
};

class open_permissions final : public permissions
{
public:
    bool may_publish(std::string_view topic) const override { return !system_topic(topic) && !guarded_name(topic); }
    bool may_receive(std::string_view topic) const override { return !guarded_name(topic); }
    bool may_subscribe(std::string_view filter) const override
    {
        auto const shared = parse_shared(filter);
        auto const inner = shared ? shared->filter : filter;
        return !inner.empty() && !guarded_name(inner);
    }
    bool receives_everything() const noexcept override { return false; }
};

class closed_permissions final : public permissions
{
public:
    bool may_publish(std::string_view) const override { return false; }
    bool may_receive(std::string_view) const override { return false; }
    bool may_subscribe(std::string_view) const override { return false; }
    bool receives_everything() const noexcept override { return false; }
};

}  // namespace

std::shared_ptr<access_rules const> access_rules::without_file() { return std::make_shared<access_rules>(); }

result<std::shared_ptr<permissions const>> access_rules::permissions_of(std::string_view user,
                                                                        std::string_view client_id) const
{
    static auto const open = std::make_shared<open_permissions const>();
    if (!from_file_)
        return std::shared_ptr<permissions const>{open};
    bool uses_client = false;
    for (auto const& rule : rules_) {
        bool const other = (rule.who == access_rule::audience::one_user && rule.user != user) ||
                           (rule.who == access_rule::audience::anonymous && !user.empty()) ||
                           (rule.who == access_rule::audience::any_user && user.empty()) ||
                           (rule.substitutes_user && user.empty());
        if (other)
            continue;
        if ((rule.substitutes_client && !usable_in_filter(client_id)) ||
            (rule.substitutes_user && !usable_in_filter(user)))
            return make_error_code(errc::not_authorized);
        uses_client |= rule.substitutes_client;
    }
    return std::shared_ptr<permissions const>{std::make_shared<ruled_permissions const>(
        shared_from_this(), user, uses_client ? client_id : std::string_view{})};
}

std::shared_ptr<permissions const> no_permissions()
{
    static auto const closed = std::make_shared<closed_permissions const>();
    return closed;
}

bool guarded_name(std::string_view topic) noexcept
{
    return topic.starts_with("private-") || topic.starts_with("presence-") || topic.starts_with("#server-to-user-");
}

bool covers(std::string_view outer, std::string_view inner) noexcept
{
    if (outer.empty() || inner.empty() || (inner.front() == '$' && begins_with_wildcard(outer)))
        return false;
    if (inner == "#")  // every topic has a first level, so "+/#" is as wide
        return outer == "#" || outer == "+/#";
    topic_levels wide{outer};
    topic_levels narrow{inner};
    while (true) {
        auto const level = wide.next();
        if (level == "#")
            return true;
        auto const wanted = narrow.next();
        if (wanted == "#" || (level != "+" && level != wanted))
            return false;
        if (narrow.ended)  // "a/#" also matches "a"
            return wide.ended || wide.rest == "#";
        if (wide.ended)
            return false;
    }
}

}  // namespace fulmar::broker
