// Topic matching: broker::matches and broker::topic_tree against the definition written down as plainly as possible.
//
// Input: lines; the first is a topic name, the others are topic filters.
#include "broker/topic.hpp"
#include "broker/topic_tree.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace fulmar::broker;

void require(bool holds)
{
    if (!holds)
        std::abort();
}

std::vector<std::string_view> split(std::string_view text, char at)
{
    std::vector<std::string_view> parts;
    for (;;) {
        auto const next = text.find(at);
        parts.push_back(text.substr(0, next));
        if (next == std::string_view::npos)
            return parts;
        text.remove_prefix(next + 1);
    }
}

// MQTT 5.0 §4.7: levels one by one; '+' is any one level, '#' is the parent and everything below.
bool naive_match(std::string_view filter, std::string_view topic)
{
    if (topic.front() == '$' && (filter.front() == '+' || filter.front() == '#'))
        return false;
    auto const wanted = split(filter, '/');
    auto const levels = split(topic, '/');
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        if (wanted[i] == "#")
            return true;
        if (i == levels.size() || (wanted[i] != "+" && wanted[i] != levels[i]))
            return false;
    }
    return wanted.size() == levels.size();
}

// A filter is valid if every level is free of wildcards, or is '+', or is '#' and the last.
bool naive_valid_filter(std::string_view filter)
{
    auto const levels = split(filter, '/');
    for (std::size_t i = 0; i < levels.size(); ++i) {
        bool const plain =
            levels[i].find('+') == std::string_view::npos && levels[i].find('#') == std::string_view::npos;
        if (!plain && levels[i] != "+" && !(levels[i] == "#" && i + 1 == levels.size()))
            return false;
    }
    return !filter.empty() && filter.size() <= topic_bytes_max && levels.size() <= topic_levels_max;
}

using filters = std::map<std::string, std::uint32_t, std::less<>>;

void compare(topic_tree const& tree, filters const& all, std::string_view topic)
{
    std::vector<std::uint32_t> expected;
    for (auto const& [filter, value] : all) {
        bool const match = naive_match(filter, topic);
        require(match == matches(filter, topic));
        require(tree.find(filter) == value);
        if (match)
            expected.push_back(value);
    }
    std::vector<std::uint32_t> got;
    tree.match(topic, got);
    std::sort(expected.begin(), expected.end());
    std::sort(got.begin(), got.end());
    require(expected == got);
    require(tree.size() == all.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* bytes, std::size_t size)
{
    auto const lines = split({reinterpret_cast<char const*>(bytes), size}, '\n');
    auto const topic = lines.front();
    if (!valid_topic_name(topic) || !valid_utf8(topic))
        return 0;
    topic_tree tree;
    filters all;
    std::uint32_t value = 0;
    for (std::size_t i = 1; i < lines.size(); ++i) {
        require(valid_topic_filter(lines[i]) == naive_valid_filter(lines[i]));
        if (!valid_topic_filter(lines[i]) || !valid_utf8(lines[i]))
            continue;
        (void)parse_shared(lines[i]);
        tree.insert(lines[i], ++value);
        all.insert_or_assign(std::string{lines[i]}, value);
    }
    compare(tree, all, topic);
    // Half of them go, in an order that is not that of their arrival; then the rest.
    while (!all.empty()) {
        auto const keep = all.size() / 2;
        while (all.size() > keep) {
            require(tree.erase(all.begin()->first));
            require(!tree.erase(all.begin()->first));
            all.erase(all.begin());
        }
        compare(tree, all, topic);
    }
    return 0;
}
