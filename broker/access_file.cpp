// Reading access rules: the text format described in access.hpp.
#include "broker/access.hpp"

#include "broker/text_file.hpp"
#include "broker/topic.hpp"

#include <algorithm>

namespace fulmar::broker {
namespace {

// Splits a line into words; a word may stand in double quotes. Returns what is wrong, or an empty text.
std::string_view split(std::string_view line, std::vector<std::string>& words)
{
    while (true) {
        line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
        if (line.empty())
            return {};
        bool const quoted = line.front() == '"';
        if (!quoted && line.front() == '#' && words.size() != 2)
            return {};  // a comment; as the third word it is the filter "#"
        auto const begin = quoted ? 1U : 0U;
        auto const end = quoted ? line.find('"', 1) : std::min(line.find_first_of(" \t"), line.size());
        if (end == std::string_view::npos)
            return "a double quote is not closed";
        words.emplace_back(line.substr(begin, end - begin));
        line.remove_prefix(end + begin);
        if (quoted && !line.empty() && line.front() != ' ' && line.front() != '\t')
            return "a blank is missing after a double quote";
    }
}

std::string_view read_filter(std::string const& filter, access_rule& rule)
{
    std::string sample;
    for (std::size_t i = 0; i < filter.size(); ++i) {
        if (filter[i] != '%') {
            sample += filter[i];
            continue;
        }
        auto const next = i + 1 < filter.size() ? filter[++i] : '\0';
        if (next != 'c' && next != 'u' && next != '%')
            return "after '%' stands c (client id), u (user name) or another '%'";
        rule.substitutes_client |= next == 'c';
        rule.substitutes_user |= next == 'u';
        rule.has_percent = true;
        sample += 'x';
    }
    if (parse_shared(filter))
        return "a rule names the filter inside a shared subscription, without $share/group/";
    if (guarded_name(filter) && filter.front() == '#')  // a name of Pusher that is no valid topic of MQTT
        sample.front() = 'x';
    if (!valid_topic_filter(sample))
        return "the filter is not valid: '#' stands last and alone in its level, '+' alone in its level";
    rule.filter = filter;
    return {};
}

std::string_view read_audience(std::vector<std::string> const& words, access_rule& rule)
{
    using audience = access_rule::audience;
    if (words.size() == 3)
        return {};
    if (words[3] != "for" || words.size() == 4)
        return "after the filter stands: for all, for anonymous, for authenticated or for user NAME";
    bool const user = words[4] == "user";
    if (words.size() != (user ? 6U : 5U))
        return user ? "after 'for user' stands one name; put a name with blanks in double quotes"
                    : "there is text after the rule";
    if (user) {
        rule.who = audience::one_user;
        rule.user = words[5];
        return rule.user.empty() ? "the user name is empty; for clients without one write: for anonymous" : "";
    }
    rule.who = words[4] == "anonymous"       ? audience::anonymous
               : words[4] == "authenticated" ? audience::any_user
                                             : audience::all;
    return rule.who == audience::all && words[4] != "all" ? "a rule is for all, anonymous, authenticated or user NAME"
                                                          : "";
}

std::string_view read_rule(std::vector<std::string> const& words, access_rule& rule)
{
    if (words[0] != "allow" && words[0] != "deny")
        return "a rule begins with allow or deny";
    rule.allow = words[0] == "allow";
    if (words.size() < 3)
        return "a rule is: allow|deny publish|subscribe|all FILTER";
    if (words[1] != "publish" && words[1] != "subscribe" && words[1] != "all")
        return "the second word is publish, subscribe or all";
    rule.publish = words[1] != "subscribe";
    rule.subscribe = words[1] != "publish";
    auto const wrong = read_filter(words[2], rule);
    return wrong.empty() ? read_audience(words, rule) : wrong;
}

}  // namespace

std::shared_ptr<access_rules const> access_rules::parse(std::string_view text, std::string const& name,
                                                        std::string& problem)
{
    auto const read = std::make_shared<access_rules>();
    read->from_file_ = true;
    for (std::size_t number = 1; !text.empty(); ++number) {
        auto const end = std::min(text.find('\n'), text.size());
        auto line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (line.ends_with('\r'))
            line.remove_suffix(1);
        std::vector<std::string> words;
        access_rule rule;
        auto wrong = valid_utf8(line) ? split(line, words) : "the line is not UTF-8";
        if (wrong.empty() && words.empty())
            continue;
        if (wrong.empty())
            wrong = read_rule(words, rule);
        if (wrong.empty() && read->rules_.size() == acl_rules_max)
            wrong = "there are more than 10000 rules";
        if (!wrong.empty()) {
            problem = name + ":" + std::to_string(number) + ": " + std::string{wrong};
            return nullptr;
        }
        read->rules_.push_back(std::move(rule));
    }
    return read;
}

std::shared_ptr<access_rules const> access_rules::load(std::string const& path, std::string& problem)
{
    auto const text = read_text_file(path, acl_bytes_max);
    if (!text) {
        problem = path + (text.error() == errc::message_too_large ? ": is larger than 4 MiB"
                                                                  : ": cannot be read: " + text.error().message());
        return nullptr;
    }
    return parse(*text, path, problem);
}

}  // namespace fulmar::broker
