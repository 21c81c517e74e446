#include "frontends/cli/top.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fulmar::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

TEST(metrics_page, samples_are_found_by_name_and_label)
{
    auto const page = metrics_page::parse(
        "# HELP a text\n# TYPE a gauge\na{x=\"1\",y=\"q\\\"\\n\"} 2\na{x=\"2\"} 3.5 1700000000\n"
        "b 1e3\r\nb_bucket{le=\"+Inf\"} +Inf\n");
    EXPECT_TRUE(page.has("a"));
    EXPECT_FALSE(page.has("c"));
    EXPECT_EQ(page.sum("a"), 5.5);
    EXPECT_EQ(page.largest("a"), 3.5);
    EXPECT_EQ(page.sum("b"), 1000);
    EXPECT_THAT(page.by("a", "x"), ElementsAre(Pair("1", 2), Pair("2", 3.5)));
    EXPECT_THAT(page.by("a", "y"), ElementsAre(Pair("q\"\n", 2)));
}

TEST(metrics_page, lines_that_are_none_are_passed_over)
{
    auto const page = metrics_page::parse("\n a 1\na\na{\na{x\na{x=1} 2\na{x=\"1} 2\na x\na{} 4");
    EXPECT_EQ(page.sum("a"), 4);
    EXPECT_THAT(page.by("a", "x"), IsEmpty());
}

TEST(top, rates_are_what_grew_in_a_second)
{
    auto const before = metrics_page::parse(
        "fulmar_messages_received_total{qos=\"0\"} 10\n"
        "fulmar_messages_received_total{qos=\"1\"} 20\n"
        "fulmar_messages_dropped_total{reason=\"expired\"} 1\n"
        "fulmar_messages_dropped_total{reason=\"retention\"} 7\n"
        "fulmar_store_commit_seconds_bucket{le=\"0.001\"} 5\n"
        "fulmar_store_commit_seconds_bucket{le=\"0.002\"} 5\n"
        "fulmar_store_commit_seconds_bucket{le=\"+Inf\"} 5\n"
        "fulmar_store_commit_seconds_sum 1\nfulmar_store_commit_seconds_count 5\n");
    auto const now = metrics_page::parse(
        "fulmar_messages_received_total{qos=\"0\"} 30\n"
        "fulmar_messages_received_total{qos=\"1\"} 40\n"
        "fulmar_messages_dropped_total{reason=\"expired\"} 5\n"
        "fulmar_messages_dropped_total{reason=\"retention\"} 7\n"
        "fulmar_connections{transport=\"tcp\"} 3\n"
        "fulmar_store_state{state=\"healthy\"} 1\nfulmar_store_state{state=\"full\"} 0\n"
        "fulmar_store_commit_seconds_bucket{le=\"0.001\"} 6\n"
        "fulmar_store_commit_seconds_bucket{le=\"0.002\"} 15\n"
        "fulmar_store_commit_seconds_bucket{le=\"+Inf\"} 15\n"
        "fulmar_store_commit_seconds_sum 1.02\nfulmar_store_commit_seconds_count 15\n"
        "fulmar_loop_lag_seconds{shard=\"0\"} 0.001\n"
        "fulmar_loop_lag_seconds{shard=\"1\"} 0.004\n");
    auto const a = activity_between(before, now, 2);
    EXPECT_EQ(a.messages_in_per_s, 20);
    EXPECT_THAT(a.dropped_per_s, ElementsAre(Pair("expired", 2)));
    EXPECT_EQ(a.dropped_total, 12);
    EXPECT_THAT(a.connections, ElementsAre(Pair("tcp", 3)));
    EXPECT_EQ(a.store_state, "healthy");
    EXPECT_NEAR(a.commit_mean_ms, 2, 1e-6);
    EXPECT_NEAR(a.commit_p99_ms, 2, 1e-6);
    EXPECT_EQ(a.loop_lag_ms, 4);
    auto const object = json_of(a);
    EXPECT_EQ(object.at("messages_in_per_s"), 20);
    EXPECT_EQ(object.at("connections"), boost::json::parse(R"({"tcp":3})"));
}

TEST(top, a_broker_that_was_restarted_counts_from_zero)
{
    auto const before = metrics_page::parse("fulmar_received_bytes_total 1000\n");
    auto const now = metrics_page::parse("fulmar_received_bytes_total 50\n");
    EXPECT_EQ(activity_between(before, now, 1).bytes_in_per_s, 50);
}

TEST(top, the_screen_says_what_is_dropped_and_how_long_commits_take)
{
    activity a;
    a.dropped_per_s = {{"outbox_full", 3}};
    a.dropped_total = 1234;
    a.commits_per_s = 100;
    a.commit_mean_ms = 1.25;
    a.store_state = "healthy\x1b[2J";
    auto const text = screen_of(a, output{output_format::text});
    EXPECT_THAT(text, HasSubstr("outbox_full 3/s now, 1.2 k since the start"));
    EXPECT_THAT(text, HasSubstr("100/s, mean 1.2 ms"));
    EXPECT_THAT(text, HasSubstr("healthy\\x1b[2J"));
}

}  // namespace
}  // namespace fulmar::cli
