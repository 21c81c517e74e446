#include "broker/topic_tree.hpp"

#include "broker/topic.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>

namespace fulmar::broker {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

std::vector<std::uint32_t> matched(topic_tree const& tree, std::string_view topic)
{
    std::vector<std::uint32_t> out;
    tree.match(topic, out);
    std::sort(out.begin(), out.end());
    return out;
}

// A tree in which filter number i of `filters` has the value i.
topic_tree tree_of(std::initializer_list<std::string_view> filters)
{
    topic_tree tree;
    std::uint32_t value = 0;
    for (auto const filter : filters)
        tree.insert(filter, value++);
    return tree;
}

TEST(topic_tree, an_empty_tree_matches_nothing)
{
    topic_tree const tree;
    EXPECT_THAT(matched(tree, "a"), IsEmpty());
    EXPECT_EQ(tree.size(), 0U);
    EXPECT_EQ(tree.find("a/+"), std::nullopt);
    EXPECT_EQ(tree.find("a"), std::nullopt);
}

TEST(topic_tree, a_filter_without_wildcards_matches_only_the_equal_topic)  // [MQTT-4.7.3-4]
{
    auto const tree = tree_of({"a/b", "A/b", "a/b/", "/a/b"});
    EXPECT_THAT(matched(tree, "a/b"), ElementsAre(0U));
    EXPECT_THAT(matched(tree, "A/b"), ElementsAre(1U));
    EXPECT_THAT(matched(tree, "a/b/"), ElementsAre(2U));
    EXPECT_THAT(matched(tree, "/a/b"), ElementsAre(3U));
    EXPECT_THAT(matched(tree, "a"), IsEmpty());
    EXPECT_THAT(matched(tree, "a/b/c"), IsEmpty());
}

TEST(topic_tree, hash_matches_its_parent_and_everything_below)  // [MQTT-4.7.1-1]
{
    auto const tree = tree_of({"sport/tennis/#", "sport/#", "#"});
    EXPECT_THAT(matched(tree, "sport/tennis"), ElementsAre(0U, 1U, 2U));
    EXPECT_THAT(matched(tree, "sport/tennis/player1/ranking"), ElementsAre(0U, 1U, 2U));
    EXPECT_THAT(matched(tree, "sport"), ElementsAre(1U, 2U));
    EXPECT_THAT(matched(tree, "sports"), ElementsAre(2U));
    EXPECT_THAT(matched(tree, "/"), ElementsAre(2U));
}

TEST(topic_tree, plus_matches_exactly_one_level)  // [MQTT-4.7.1-2]
{
    auto const tree = tree_of({"sport/+", "+", "+/+", "/+", "sport/+/player1", "+/tennis/#"});
    EXPECT_THAT(matched(tree, "sport"), ElementsAre(1U));
    EXPECT_THAT(matched(tree, "sport/"), ElementsAre(0U, 2U));
    EXPECT_THAT(matched(tree, "/finance"), ElementsAre(2U, 3U));
    EXPECT_THAT(matched(tree, "sport/tennis"), ElementsAre(0U, 2U, 5U));
    EXPECT_THAT(matched(tree, "sport/tennis/player1"), ElementsAre(4U, 5U));
    EXPECT_THAT(matched(tree, "sport/tennis/player2"), ElementsAre(5U));
}

TEST(topic_tree, wildcards_at_the_first_level_do_not_match_topics_that_begin_with_dollar)  // [MQTT-4.7.2-1]
{
    auto const tree =
        tree_of({"#", "+/monitor/Clients", "$SYS/#", "$SYS/monitor/+", "+", "$SYS/+/Clients", "$internal"});
    EXPECT_THAT(matched(tree, "$SYS/monitor/Clients"), ElementsAre(2U, 3U, 5U));
    EXPECT_THAT(matched(tree, "$SYS"), ElementsAre(2U));
    EXPECT_THAT(matched(tree, "$internal"), ElementsAre(6U));
    EXPECT_THAT(matched(tree, "a/$SYS"), ElementsAre(0U));
}

TEST(topic_tree, empty_levels_are_levels)  // [MQTT-4.7.3-1], §4.7.1.1
{
    auto const tree = tree_of({"a//b", "a/+/b", "+//+", "/", "//", "/#", "a//#"});
    EXPECT_THAT(matched(tree, "a//b"), ElementsAre(0U, 1U, 2U, 6U));
    EXPECT_THAT(matched(tree, "/"), ElementsAre(3U, 5U));
    EXPECT_THAT(matched(tree, "//"), ElementsAre(2U, 4U, 5U));
    EXPECT_THAT(matched(tree, "a/"), ElementsAre(6U));
    EXPECT_THAT(matched(tree, "a/b"), IsEmpty());
}

TEST(topic_tree, inserting_again_replaces_the_value)
{
    topic_tree tree;
    for (auto const* filter : {"a/b", "a/+", "a/#", "#"}) {
        tree.insert(filter, 1);
        tree.insert(filter, 0xFFFFFFFF);
        EXPECT_EQ(tree.find(filter), 0xFFFFFFFFU) << filter;
    }
    EXPECT_EQ(tree.size(), 4U);
    EXPECT_THAT(matched(tree, "a/b"), ElementsAre(0xFFFFFFFFU, 0xFFFFFFFFU, 0xFFFFFFFFU, 0xFFFFFFFFU));
}

TEST(topic_tree, erase_forgets_exactly_one_filter)
{
    auto tree = tree_of({"a/b", "a/+", "a/#", "a/+/c", "a/b/#"});
    EXPECT_FALSE(tree.erase("a"));
    EXPECT_FALSE(tree.erase("a/+/d"));
    EXPECT_FALSE(tree.erase("+/b"));
    EXPECT_FALSE(tree.erase("#"));
    EXPECT_FALSE(tree.erase("a/+/c/#"));
    EXPECT_TRUE(tree.erase("a/+"));
    EXPECT_FALSE(tree.erase("a/+"));
    EXPECT_THAT(matched(tree, "a/b"), ElementsAre(0U, 2U, 4U));
    EXPECT_THAT(matched(tree, "a/x/c"), ElementsAre(2U, 3U));
    EXPECT_TRUE(tree.erase("a/#"));
    EXPECT_TRUE(tree.erase("a/b"));
    EXPECT_THAT(matched(tree, "a/b"), ElementsAre(4U));
    EXPECT_TRUE(tree.erase("a/+/c"));
    EXPECT_TRUE(tree.erase("a/b/#"));
    EXPECT_EQ(tree.size(), 0U);
    tree.insert("a/+", 7);
    EXPECT_THAT(matched(tree, "a/b"), ElementsAre(7U));
}

TEST(topic_tree, gives_its_memory_back_when_the_last_filter_goes)
{
    topic_tree tree;
    auto const empty = tree.memory_bytes();
    for (int i = 0; i < 1000; ++i) {
        tree.insert("exact/" + std::to_string(i), 0);
        tree.insert("wild/+/" + std::to_string(i), 0);
    }
    EXPECT_GT(tree.memory_bytes(), empty + 20'000);
    for (int i = 0; i < 1000; ++i) {
        EXPECT_TRUE(tree.erase("exact/" + std::to_string(i)));
        EXPECT_TRUE(tree.erase("wild/+/" + std::to_string(i)));
    }
    EXPECT_EQ(tree.memory_bytes(), empty);
}

TEST(topic_tree, erased_filters_leave_room_for_new_ones)
{
    topic_tree tree;
    tree.insert("stays", 0);
    auto const fill = [&](int round) {
        for (int i = 0; i < 2000; ++i) {
            tree.insert(std::to_string(100'000 + round * 2000 + i) + "/+/x", 1);
            tree.insert(std::to_string(100'000 + round * 2000 + i) + "/exact", 1);
        }
    };
    fill(0);
    auto const once = tree.memory_bytes();
    for (int round = 0; round < 10; ++round) {
        for (int i = 0; i < 2000; ++i) {
            ASSERT_TRUE(tree.erase(std::to_string(100'000 + round * 2000 + i) + "/+/x"));
            ASSERT_TRUE(tree.erase(std::to_string(100'000 + round * 2000 + i) + "/exact"));
        }
        fill(round + 1);
    }
    EXPECT_LE(tree.memory_bytes(), once + once / 4);
}

TEST(topic_tree, takes_as_many_levels_as_a_topic_may_have)
{
    std::string literal = "l";
    std::string pluses = "+";
    for (std::size_t i = 1; i < topic_levels_max; ++i) {
        literal += "/l";
        pluses += "/+";
    }
    topic_tree tree;
    tree.insert(literal, 0);
    tree.insert(pluses, 1);
    tree.insert(literal.substr(0, literal.size() - 1) + "#", 2);
    tree.insert(literal.substr(0, literal.size() - 1) + "+", 3);
    tree.insert("+/#", 4);
    EXPECT_THAT(matched(tree, literal), ElementsAre(0U, 1U, 2U, 3U, 4U));
    EXPECT_THAT(matched(tree, literal.substr(2)), ElementsAre(2U, 4U));
    EXPECT_THAT(matched(tree, literal.substr(4)), ElementsAre(4U));
    EXPECT_TRUE(tree.erase(pluses));
    EXPECT_THAT(matched(tree, literal), ElementsAre(0U, 2U, 3U, 4U));
}

TEST(topic_tree, takes_the_longest_topics)
{
    auto const longest = std::string(topic_bytes_max, 'x');
    auto const long_level = std::string(topic_bytes_max - 2, 'y');
    topic_tree tree;
    tree.insert(longest, 0);
    tree.insert(long_level + "/+", 1);
    EXPECT_THAT(matched(tree, longest), ElementsAre(0U));
    EXPECT_THAT(matched(tree, long_level + "/z"), ElementsAre(1U));
    EXPECT_TRUE(tree.erase(longest));
    EXPECT_TRUE(tree.erase(long_level + "/+"));
}

TEST(topic_tree, moves_with_its_filters)
{
    auto first = tree_of({"a/+"});
    topic_tree second;
    second = std::move(first);
    EXPECT_THAT(matched(second, "a/b"), ElementsAre(0U));
}

// Few levels from a small alphabet, so that filters and topics meet often.
std::string random_path(std::mt19937& random, bool filter)
{
    static constexpr char const* words[] = {"a", "b", "", "$", "ab", "sensor-with-a-long-name", "$SYS", "0"};
    std::string path;
    auto const levels = 1 + random() % 5;
    for (unsigned i = 0; i < levels; ++i) {
        if (i > 0)
            path += '/';
        auto const choice = random() % 10;
        if (filter && choice == 0 && i + 1 == levels)
            path += '#';
        else if (filter && choice < 4)
            path += '+';
        else
            path += words[random() % std::size(words)];
    }
    return path.empty() ? "a" : path;
}

TEST(topic_tree, agrees_with_the_plain_matcher_under_random_operations)
{
    for (std::uint32_t seed = 1; seed <= 8; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        std::mt19937 random{seed};
        topic_tree tree;
        std::map<std::string, std::uint32_t> model;
        for (int step = 0; step < 2000; ++step) {
            auto const filter = random_path(random, true);
            if (random() % 3 != 0) {
                auto const value = static_cast<std::uint32_t>(random());
                tree.insert(filter, value);
                model[filter] = value;
            } else {
                ASSERT_EQ(tree.erase(filter), model.erase(filter) == 1) << filter;
            }
            ASSERT_EQ(tree.size(), model.size());
            auto const sought = random_path(random, true);
            auto const known = model.find(sought);
            ASSERT_EQ(tree.find(sought), known == model.end() ? std::nullopt : std::optional{known->second}) << sought;
            auto const topic = random_path(random, false);
            std::vector<std::uint32_t> expected;
            for (auto const& [known_filter, value] : model) {
                if (matches(known_filter, topic))
                    expected.push_back(value);
            }
            std::sort(expected.begin(), expected.end());
            ASSERT_EQ(matched(tree, topic), expected) << topic;
        }
        while (!model.empty()) {
            ASSERT_TRUE(tree.erase(model.begin()->first));
            model.erase(model.begin());
        }
        ASSERT_EQ(tree.size(), 0U);
    }
}

}  // namespace
}  // namespace fulmar::broker
