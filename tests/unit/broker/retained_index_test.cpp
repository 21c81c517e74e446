#include "broker/retained_index.hpp"

#include "broker/topic.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <random>
#include <set>
#include <thread>

namespace fulmar::broker {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

message_ptr retained(std::string_view topic, std::string_view payload, wall_ms expires_at = 0, app_id app = default_app)
{
    message_fields fields;
    fields.app = app;
    fields.topic = topic;
    fields.payload = payload;
    fields.retain = true;
    fields.expires_at = expires_at;
    return message::make(std::move(fields));
}

// The topics found by a whole scan in pages of `budget`, sorted.
std::vector<std::string> scanned(retained_index const& index, std::string_view filter, std::size_t budget = 1000,
                                 wall_ms now = 1, app_id app = default_app)
{
    std::vector<message_ptr> found;
    retained_index::scan_state state;
    while (!state.done)
        index.scan(app, filter, now, state, budget, found);
    std::vector<std::string> topics;
    for (auto const& m : found)
        topics.emplace_back(m->topic());
    std::sort(topics.begin(), topics.end());
    return topics;
}

void fill(retained_index& index, std::initializer_list<std::string_view> topics)
{
    for (auto const topic : topics)
        index.set(retained(topic, "x"));
}

TEST(retained_index, keeps_the_latest_message_of_a_topic)  // [MQTT-3.3.1-5]
{
    retained_index index;
    index.set(retained("a", "first"));
    index.set(retained("a", "second"));
    ASSERT_NE(index.get(default_app, "a"), nullptr);
    EXPECT_EQ(index.get(default_app, "a")->payload(), "second");
    EXPECT_EQ(index.get(default_app, "b"), nullptr);
    EXPECT_EQ(index.size(), 1U);
    EXPECT_EQ(index.bytes(), retained("a", "second")->footprint());
}

TEST(retained_index, an_empty_payload_removes_and_is_not_kept)  // [MQTT-3.3.1-6], [MQTT-3.3.1-7]
{
    retained_index index;
    index.set(retained("a", ""));
    EXPECT_EQ(index.size(), 0U);
    index.set(retained("a", "x"));
    index.set(retained("a", ""));
    EXPECT_EQ(index.get(default_app, "a"), nullptr);
    EXPECT_THAT(scanned(index, "#"), IsEmpty());
    EXPECT_EQ(index.size(), 0U);
    EXPECT_EQ(index.bytes(), 0U);
}

TEST(retained_index, apps_do_not_see_each_other)
{
    retained_index index;
    index.set(retained("a/b", "mine", 0, app_id{1}));
    index.set(retained("a/b", "yours", 0, app_id{2}));
    EXPECT_EQ(index.size(), 2U);
    EXPECT_EQ(index.get(app_id{1}, "a/b")->payload(), "mine");
    EXPECT_THAT(scanned(index, "a/+", 10, 1, app_id{1}), ElementsAre("a/b"));
    EXPECT_THAT(scanned(index, "#", 10, 1, app_id{3}), IsEmpty());
    index.set(retained("a/b", "", 0, app_id{1}));
    EXPECT_EQ(index.get(app_id{2}, "a/b")->payload(), "yours");
}

TEST(retained_index, scans_by_the_rules_of_topic_filters)  // §4.7.1
{
    retained_index index;
    fill(index, {"a", "a/b", "a/b/c", "a/c", "a!", "a!/b", "b", "/", "/b", "a//b", "ab/b", "$SYS/up", "$SYS", "z/b/c"});
    EXPECT_THAT(scanned(index, "a/b"), ElementsAre("a/b"));
    EXPECT_THAT(scanned(index, "a/+"), ElementsAre("a/b", "a/c"));
    EXPECT_THAT(scanned(index, "a/#"), ElementsAre("a", "a//b", "a/b", "a/b/c", "a/c"));
    EXPECT_THAT(scanned(index, "+/b"), ElementsAre("/b", "a!/b", "a/b", "ab/b"));
    EXPECT_THAT(scanned(index, "+"), ElementsAre("a", "a!", "b"));
    EXPECT_THAT(scanned(index, "+/+/c"), ElementsAre("a/b/c", "z/b/c"));
    EXPECT_THAT(scanned(index, "/+"), ElementsAre("/", "/b"));
    EXPECT_THAT(scanned(index, "+/b/#"), ElementsAre("/b", "a!/b", "a/b", "a/b/c", "ab/b", "z/b/c"));
    EXPECT_THAT(scanned(index, "a/+/b"), ElementsAre("a//b"));
    EXPECT_THAT(scanned(index, "q/#"), IsEmpty());
}

TEST(retained_index, wildcards_at_the_first_level_do_not_find_topics_that_begin_with_dollar)  // [MQTT-4.7.2-1]
{
    retained_index index;
    fill(index, {"$SYS/up", "$SYS", "$", "#a", "%", "a/$b", "!"});
    EXPECT_THAT(scanned(index, "#"), ElementsAre("!", "#a", "%", "a/$b"));
    EXPECT_THAT(scanned(index, "+/up"), IsEmpty());
    EXPECT_THAT(scanned(index, "+"), ElementsAre("!", "#a", "%"));
    EXPECT_THAT(scanned(index, "$SYS/#"), ElementsAre("$SYS", "$SYS/up"));
    EXPECT_THAT(scanned(index, "$SYS/+"), ElementsAre("$SYS/up"));
}

TEST(retained_index, a_page_looks_at_no_more_than_its_budget)
{
    retained_index index;
    for (int i = 0; i < 500; ++i)
        index.set(retained("t/" + std::to_string(i), "x"));
    retained_index::scan_state state;
    std::vector<message_ptr> found;
    int pages = 0;
    for (; !state.done; ++pages) {
        auto const before = found.size();
        index.scan(default_app, "#", 1, state, 7, found);
        ASSERT_LE(found.size() - before, 7U);
    }
    EXPECT_EQ(found.size(), 500U);
    EXPECT_GE(pages, 500 / 7);
    for (std::size_t budget : {1U, 2U, 499U, 500U, 501U})
        EXPECT_EQ(scanned(index, "t/+", budget).size(), 500U) << budget;
}

TEST(retained_index, a_narrow_scan_does_not_look_at_everything)
{
    retained_index index;
    for (int i = 0; i < 20'000; ++i)
        index.set(retained("site/" + std::to_string(i % 100) + "/device/" + std::to_string(i), "x"));
    index.set(retained("site/42/name", "x"));
    auto const pages = [&](std::string_view filter) {
        std::vector<message_ptr> found;
        retained_index::scan_state state;
        std::size_t count = 0;
        for (; !state.done; ++count)
            index.scan(default_app, filter, 1, state, 10, found);
        return count * 10;
    };
    EXPECT_LE(pages("site/42/+"), 100U);        // 16 stripes, a look or two in each
    EXPECT_LE(pages("site/+/name"), 6'000U);    // 100 sites in 16 stripes
    EXPECT_LE(pages("site/7/device/#"), 500U);  // 200 devices
    EXPECT_LE(pages("nowhere/+"), 50U);
}

TEST(retained_index, expired_messages_are_not_found)  // [MQTT-3.3.2-5]
{
    retained_index index;
    index.set(retained("a/1", "x", 100));
    index.set(retained("a/2", "x", 200));
    index.set(retained("a/3", "x"));
    EXPECT_THAT(scanned(index, "a/+", 10, 99), ElementsAre("a/1", "a/2", "a/3"));
    EXPECT_THAT(scanned(index, "a/+", 10, 100), ElementsAre("a/2", "a/3"));
    EXPECT_THAT(scanned(index, "a/1", 10, 100), IsEmpty());
}

TEST(retained_index, sweeping_removes_what_has_expired_and_nothing_else)
{
    retained_index index;
    for (wall_ms i = 1; i <= 100; ++i)
        index.set(retained("t/" + std::to_string(i), "x", i));
    index.set(retained("forever", "x"));
    index.set(retained("t/1", "renewed", 1000));
    index.set(retained("t/2", "now forever"));
    index.set(retained("t/3", ""));
    EXPECT_EQ(index.sweep_expired(0, 1000).size(), 0U);
    std::size_t removed = 0;
    for (int call = 0; call < 1000; ++call) {
        auto const some = index.sweep_expired(50, 3);
        ASSERT_LE(some.size(), 3U);
        for (auto const& m : some)
            EXPECT_TRUE(m->expired(50)) << m->topic();
        removed += some.size();
    }
    EXPECT_EQ(removed, 47U);
    EXPECT_EQ(index.size(), 53U);
    EXPECT_EQ(index.get(default_app, "t/1")->payload(), "renewed");
    EXPECT_EQ(index.sweep_expired(5000, 1000).size(), 51U);
    EXPECT_THAT(scanned(index, "#"), ElementsAre("forever", "t/2"));
    index.set(retained("forever", ""));
    index.set(retained("t/2", ""));
    EXPECT_EQ(index.bytes(), 0U);
}

TEST(retained_index, replacing_with_ever_new_deadlines_still_expires_the_last)
{
    retained_index index;
    for (wall_ms i = 0; i < 10'000; ++i)
        index.set(retained("t", "x", 1000 + i % 7));
    EXPECT_THAT(index.sweep_expired(999, 100), IsEmpty());
    std::size_t removed = 0;
    for (int call = 0; call < 300 && removed == 0; ++call)
        removed = index.sweep_expired(2000, 1).size();
    EXPECT_EQ(removed, 1U);
    EXPECT_EQ(index.size(), 0U);
}

std::string random_path(std::mt19937& random, bool filter)
{
    static constexpr char const* words[] = {"a", "b", "", "$", "ab", "a!", "$SYS", "\x01", "\xC3\xA9"};
    std::string path;
    auto const levels = 1 + random() % 4;
    for (unsigned i = 0; i < levels; ++i) {
        if (i > 0)
            path += '/';
        auto const choice = random() % 8;
        if (filter && choice == 0 && i + 1 == levels)
            path += '#';
        else if (filter && choice < 4)
            path += '+';
        else
            path += words[random() % std::size(words)];
    }
    return path.empty() ? "a" : path;
}

TEST(retained_index, agrees_with_the_plain_matcher_under_random_operations)
{
    for (std::uint32_t seed = 1; seed <= 4; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        std::mt19937 random{seed};
        retained_index index;
        std::map<std::string, std::string> model;
        for (int step = 0; step < 2000; ++step) {
            auto const topic = random_path(random, false);
            auto const payload = random() % 3 == 0 ? std::string{} : std::to_string(random());
            index.set(retained(topic, payload));
            if (payload.empty())
                model.erase(topic);
            else
                model[topic] = payload;
            ASSERT_EQ(index.size(), model.size());
            auto const filter = random_path(random, true);
            std::vector<std::string> expected;
            for (auto const& [known, unused] : model) {
                if (matches(filter, known))
                    expected.push_back(known);
            }
            ASSERT_EQ(scanned(index, filter, 1 + random() % 40), expected) << filter;
        }
        for (auto const& [topic, payload] : model)
            ASSERT_EQ(index.get(default_app, topic)->payload(), payload) << topic;
    }
}

TEST(retained_index, a_paged_scan_finds_every_lasting_topic_once_while_others_come_and_go)
{
    retained_index index;
    constexpr int lasting = 3000;
    for (int i = 0; i < lasting; ++i)
        index.set(retained("t/" + std::to_string(i) + "/lasting", "x"));
    std::atomic<bool> stop{false};
    std::vector<std::thread> writers;
    for (unsigned id = 0; id < 2; ++id) {
        writers.emplace_back([&, id] {
            std::mt19937 random{id};
            while (!stop.load()) {
                auto const n = std::to_string(random() % lasting);
                index.set(retained("t/" + n + "/fleeting", random() % 2 == 0 ? "" : "x", 1 + random() % 3));
                index.set(retained("t/" + n + "/lasting", "again"));
                (void)index.sweep_expired(2, 10);
            }
        });
    }
    for (int round = 0; round < 20; ++round) {
        auto const found = scanned(index, round % 2 == 0 ? "t/+/lasting" : "#", 50, 1);
        std::multiset<std::string> seen(found.begin(), found.end());
        for (int i = 0; i < lasting; ++i)
            EXPECT_EQ(seen.count("t/" + std::to_string(i) + "/lasting"), 1U) << i;
        for (auto const& topic : seen)
            ASSERT_EQ(seen.count(topic), 1U) << topic;
    }
    stop = true;
    for (auto& writer : writers)
        writer.join();
    for (int i = 0; i < lasting; ++i) {
        index.set(retained("t/" + std::to_string(i) + "/lasting", ""));
        index.set(retained("t/" + std::to_string(i) + "/fleeting", ""));
    }
    EXPECT_EQ(index.size(), 0U);
    EXPECT_EQ(index.bytes(), 0U);
}

}  // namespace
}  // namespace fulmar::broker
