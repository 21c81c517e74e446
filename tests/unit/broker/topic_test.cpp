#include "broker/topic.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace fulmar::broker {
namespace {

std::vector<std::string> split(std::string const& text)
{
    std::vector<std::string> levels{""};
    for (char const c : text) {
        if (c == '/')
            levels.emplace_back();
        else
            levels.back() += c;
    }
    return levels;
}

// The definition of §4.7 written down as plainly as possible.
bool naive_matches(std::vector<std::string> const& filter, std::vector<std::string> const& topic, std::size_t at = 0)
{
    if (at < filter.size() && filter[at] == "#")
        return true;
    if (at == filter.size() || at == topic.size())
        return at == filter.size() && at == topic.size();
    return (filter[at] == "+" || filter[at] == topic[at]) && naive_matches(filter, topic, at + 1);
}

std::string levels(std::size_t count) { return std::string(count - 1, '/'); }

TEST(topic, utf8_text_is_accepted)
{
    for (auto const* const text :
         {"", "plain", "exactly8", "a longer text of ascii only", "ü", "日本語", "😀", "12345678ü", "1234567ü8",
          "\x01\x7F", "\xEF\xBF\xBF", "\xF4\x8F\xBF\xBF", "\xEE\x80\x80"})
        EXPECT_TRUE(valid_utf8(text)) << text;
}

TEST(topic, ill_formed_utf8_is_refused_at_every_alignment)  // [MQTT-1.5.4-1, -2]
{
    std::vector<std::string> const bad{std::string(1, '\0'),
                                       "\x80",
                                       "\xC0\x80",
                                       "\xC1\xBF",
                                       "\xC3",
                                       "\xC3(",
                                       "\xE0\x9F\xBF",
                                       "\xED\xA0\x80",
                                       "\xED\xBF\xBF",
                                       "\xE2\x82",
                                       "\xF0\x8F\xBF\xBF",
                                       "\xF4\x90\x80\x80",
                                       "\xF5\x80\x80\x80",
                                       "\xF0\x9F\x98",
                                       "\xFE",
                                       "\xFF"};
    for (auto const& piece : bad) {
        for (std::size_t before = 0; before < 20; ++before) {
            EXPECT_FALSE(valid_utf8(std::string(before, 'x') + piece));
            EXPECT_FALSE(valid_utf8(std::string(before, 'x') + piece + "tail that is long enough"));
        }
    }
}

TEST(topic, every_code_point_is_judged_as_unicode_says)
{
    auto const encode = [](std::uint32_t c) {
        std::string out;
        auto const put = [&](std::uint32_t byte) { out += static_cast<char>(byte); };
        if (c < 0x80) {
            put(c);
        } else if (c < 0x800) {
            put(0xC0U | (c >> 6U)), put(0x80U | (c & 0x3FU));
        } else if (c < 0x10000) {
            put(0xE0U | (c >> 12U)), put(0x80U | ((c >> 6U) & 0x3FU)), put(0x80U | (c & 0x3FU));
        } else {
            put(0xF0U | (c >> 18U)), put(0x80U | ((c >> 12U) & 0x3FU)), put(0x80U | ((c >> 6U) & 0x3FU));
            put(0x80U | (c & 0x3FU));
        }
        return out;
    };
    for (std::uint32_t c = 0; c < 0x120000; ++c) {
        bool const valid = c != 0 && c < 0x110000 && (c < 0xD800 || c > 0xDFFF);
        ASSERT_EQ(valid_utf8(encode(c)), valid) << c;
    }
}

TEST(topic, names_have_no_wildcards_and_are_not_empty)  // [MQTT-4.7.0-1, 4.7.3-1]
{
    for (auto const* const name : {"a", "/", "//", "a/b", "$SYS/x", " ", "a b/ü"})
        EXPECT_TRUE(valid_topic_name(name)) << name;
    for (auto const* const name : {"", "#", "+", "a/#", "a+b"})
        EXPECT_FALSE(valid_topic_name(name)) << name;
}

TEST(topic, a_wildcard_is_found_at_every_place_of_names_of_every_length)  // [MQTT-4.7.1-1]
{
    for (std::size_t length = 1; length <= 40; ++length) {
        for (std::size_t at = 0; at < length; ++at) {
            // Beside those that differ from a wildcard in one bit, and a slash.
            for (char const other : {'a', '"', '*', '\xA3', '\xAB', '/'}) {
                std::string name(length, other);
                EXPECT_TRUE(valid_topic_name(name)) << name;
                for (char const wildcard : {'+', '#'}) {
                    name[at] = wildcard;
                    EXPECT_FALSE(valid_topic_name(name)) << name;
                    EXPECT_TRUE(has_wildcard(name)) << name;
                }
            }
        }
    }
}

TEST(topic, a_bad_byte_is_found_at_every_place_of_texts_of_every_length)  // [MQTT-1.5.4-1, -2]
{
    for (std::size_t length = 1; length <= 40; ++length) {
        for (std::size_t at = 0; at < length; ++at) {
            for (char const bad : {'\0', '\x80', '\xC3', '\xFF'}) {
                std::string text(length, 'a');
                EXPECT_TRUE(valid_utf8(text));
                text[at] = bad;
                EXPECT_FALSE(valid_utf8(text)) << length << " bytes, at " << at;
            }
        }
    }
}

TEST(topic, item_090_names_and_filters_are_limited_in_bytes_and_levels)  // [MQTT-4.7.3-3]
{
    EXPECT_TRUE(valid_topic_name(std::string(topic_bytes_max, 'x')));
    EXPECT_FALSE(valid_topic_name(std::string(topic_bytes_max + 1, 'x')));
    EXPECT_TRUE(valid_topic_name(levels(topic_levels_max)));
    EXPECT_FALSE(valid_topic_name(levels(topic_levels_max + 1)));
    EXPECT_TRUE(valid_topic_filter(levels(topic_levels_max)));
    EXPECT_FALSE(valid_topic_filter(levels(topic_levels_max + 1)));
    EXPECT_FALSE(valid_topic_filter(std::string(topic_bytes_max + 1, 'x')));
}

TEST(topic, item_086_wildcards_stand_alone_and_hash_last)  // [MQTT-4.7.1-1, -2]
{
    for (auto const* const filter : {"#", "+", "a/#", "+/#", "a/+/b", "+/+", "/+", "+/", "a", "/", "$SYS/#"})
        EXPECT_TRUE(valid_topic_filter(filter)) << filter;
    for (auto const* const filter : {"", "a/#/b", "a#", "a/b+", "+a", "#/", "##", "++", "a/+b/c", "#a", "+#"})
        EXPECT_FALSE(valid_topic_filter(filter)) << filter;
}

TEST(topic, item_087_hash_matches_the_parent_and_plus_an_empty_level)
{
    EXPECT_TRUE(matches("sport/#", "sport"));
    EXPECT_TRUE(matches("sport/#", "sport/"));
    EXPECT_TRUE(matches("sport/#", "sport/tennis/player1"));
    EXPECT_FALSE(matches("sport/#", "sports"));
    EXPECT_TRUE(matches("sport/+", "sport/"));
    EXPECT_FALSE(matches("sport/+", "sport"));
    EXPECT_FALSE(matches("sport/+", "sport/tennis/player1"));
    EXPECT_TRUE(matches("+/+", "/finance"));
    EXPECT_TRUE(matches("/+", "/finance"));
    EXPECT_FALSE(matches("+", "/finance"));
    EXPECT_TRUE(matches("+/+/+", "//"));
    EXPECT_TRUE(matches("/", "/"));
    EXPECT_FALSE(matches("/", "//"));
    EXPECT_TRUE(matches("#", "/"));
}

TEST(topic, item_088_leading_wildcards_do_not_match_dollar_topics)  // [MQTT-4.7.2-1]
{
    EXPECT_FALSE(matches("#", "$SYS/broker"));
    EXPECT_FALSE(matches("+/broker", "$SYS/broker"));
    EXPECT_TRUE(matches("$SYS/#", "$SYS/broker"));
    EXPECT_TRUE(matches("$SYS/+", "$SYS/broker"));
    EXPECT_TRUE(matches("a/+", "a/$SYS"));
}

TEST(topic, item_089_nothing_is_normalised)  // [MQTT-4.7.3-4]
{
    EXPECT_FALSE(matches("ACCOUNTS", "Accounts"));
    EXPECT_FALSE(matches("a/", "a"));
    EXPECT_FALSE(matches("\xC3\xA4", "a\xCC\x88")) << "composed and decomposed a-umlaut";
    EXPECT_FALSE(
        matches("\xEF\xBB\xBF"
                "a",
                "a"))
        << "item 9: a byte order mark counts";
}

TEST(topic, matching_agrees_with_the_plain_definition)
{
    std::mt19937 random{20240607};
    std::vector<std::string> const filter_levels{"", "a", "b", "+", "$x"};
    std::vector<std::string> const topic_levels{"", "a", "b", "$x"};
    auto const build = [&](std::vector<std::string> const& from) {
        std::string out{from[random() % from.size()]};
        for (auto more = random() % 5; more > 0; --more)
            out += "/" + from[random() % from.size()];
        return out;
    };
    int matched = 0;
    for (int i = 0; i < 50'000; ++i) {
        auto filter = build(filter_levels);
        if (random() % 3 == 0)
            filter = random() % 8 == 0 ? "#" : filter + "/#";
        auto const topic = build(topic_levels);
        if (topic.empty() || filter.empty())
            continue;
        bool const hidden = topic[0] == '$' && (filter[0] == '+' || filter[0] == '#');
        bool const expected = !hidden && naive_matches(split(filter), split(topic));
        ASSERT_EQ(matches(filter, topic), expected) << filter << " ~ " << topic;
        matched += expected ? 1 : 0;
    }
    EXPECT_GT(matched, 1'000);
}

TEST(topic, item_097_shared_filters_are_taken_apart_or_found_malformed)  // [MQTT-4.8.2-1, -2]
{
    auto const good = parse_shared("$share/group/a/+/#");
    ASSERT_TRUE(good);
    EXPECT_EQ(good->group, "group");
    EXPECT_EQ(good->filter, "a/+/#");
    EXPECT_EQ(parse_shared("$share/g//")->filter, "/");
    for (auto const* const bad : {"$share/", "$share//x", "$share/g", "$share/g/", "$share/g+/x", "$share/#/x"}) {
        auto const parsed = parse_shared(bad);
        ASSERT_TRUE(parsed) << bad;
        EXPECT_TRUE(parsed->filter.empty()) << bad;
    }
    for (auto const* const other : {"a", "$share", "$shared/g/a", "$SHARE/g/a", "x/$share/g/a", ""})
        EXPECT_FALSE(parse_shared(other)) << other;
}

TEST(topic, stable_hash_never_changes_because_it_names_stored_rows)
{
    EXPECT_EQ(stable_hash(""), 0xEFD01F60BA992926ULL);
    EXPECT_EQ(stable_hash("a/b/c"), stable_hash("a/b/c", 0));
    EXPECT_NE(stable_hash("a/b/c", 1), stable_hash("a/b/c", 2));
    EXPECT_NE(stable_hash("ab"), stable_hash("ba"));
}

}  // namespace
}  // namespace fulmar::broker
