#include "bench/load/report.hpp"

#include <gtest/gtest.h>

namespace fulmar::load {
namespace {

report measured()
{
    report out{"fanout"};
    out.text("protocol", "mqtt <&>");
    out.number("delivered", 1234567, "/s");
    histogram latency;
    for (int i = 1; i <= 20'000; ++i)
        latency.record(i * 1'000);
    out.latency("delivery", latency);
    throughput rate;
    rate.begin(1, 0);
    for (int i = 1; i <= 8; ++i)
        rate.note(1 + std::int64_t{i} * 250'000'000, static_cast<std::uint64_t>(i) * 1'000);
    out.over_time("deliveries", rate);
    return out;
}

TEST(report, json_has_every_percentile_to_p99_99)
{
    auto const json = measured().json();
    for (auto const* const name : {"p50_us", "p90_us", "p99_us", "p99.9_us", "p99.99_us", "max_us"})
        EXPECT_NE(json.find(std::string{"\"delivery_"} + name + "\": "), std::string::npos) << name;
    EXPECT_NE(json.find("\"delivered_per_s\": 1234567"), std::string::npos);
}

TEST(report, the_table_has_one_line_of_percentiles_for_each_latency_and_says_what_was_proven)
{
    auto out = measured();
    out.faults({});
    auto const table = out.table();
    EXPECT_NE(table.find("p99.99"), std::string::npos);
    EXPECT_NE(table.find("20.00 ms"), std::string::npos);
    EXPECT_NE(table.find("Every delivery was checked"), std::string::npos);
    EXPECT_EQ(table.find("delivery p50"), std::string::npos);
    EXPECT_FALSE(out.failed());
}

TEST(report, a_fault_fails_the_run_in_every_form)
{
    auto out = measured();
    order_faults faults;
    faults.duplicates = 1;
    out.faults(faults);
    EXPECT_TRUE(out.failed());
    EXPECT_NE(out.table().find("FAILED"), std::string::npos);
    EXPECT_NE(out.html().find("FAILED"), std::string::npos);
    EXPECT_NE(out.json().find("\"failed\": "), std::string::npos);
}

TEST(report, a_generator_that_used_a_whole_processor_is_pointed_out)
{
    auto out = measured();
    EXPECT_EQ(out.table().find("bottleneck"), std::string::npos);
    out.number("generator_cpu", 97, "%");
    EXPECT_NE(out.table().find("bottleneck"), std::string::npos);
}

TEST(report, the_page_is_complete_in_itself_and_escapes_what_it_shows)
{
    auto const page = measured().html();
    EXPECT_TRUE(page.starts_with("<!doctype html>"));
    EXPECT_TRUE(page.ends_with("</html>\n"));
    EXPECT_EQ(page.find("http"), std::string::npos);
    EXPECT_EQ(page.find("<script"), std::string::npos);
    EXPECT_NE(page.find("mqtt &lt;&amp;&gt;"), std::string::npos);
    EXPECT_NE(page.find("Latency by percentile"), std::string::npos);
    EXPECT_NE(page.find("Throughput over time"), std::string::npos);
    EXPECT_EQ(page.find("nan"), std::string::npos);
}

TEST(throughput, is_the_difference_over_the_time_between_points)
{
    throughput rate;
    rate.begin(1'000, 50);
    rate.note(100'001'000, 60);  // too soon
    rate.note(500'001'000, 150);
    rate.note(1'000'001'000, 150);
    ASSERT_EQ(rate.points().size(), 2U);
    EXPECT_DOUBLE_EQ(rate.points()[0].first, 0.5);
    EXPECT_DOUBLE_EQ(rate.points()[0].second, 200);
    EXPECT_DOUBLE_EQ(rate.points()[1].second, 0);
}

TEST(throughput, a_long_run_keeps_a_bounded_number_of_points_and_its_average)
{
    throughput rate;
    rate.begin(1, 0);
    for (std::int64_t i = 1; i <= 20'000; ++i)
        rate.note(1 + i * 250'000'000, static_cast<std::uint64_t>(i) * 25);
    ASSERT_LT(rate.points().size(), 1'200U);
    ASSERT_GT(rate.points().size(), 500U);
    for (auto const& [at, per_s] : rate.points())
        EXPECT_NEAR(per_s, 100, 1e-6);
    EXPECT_GT(rate.points().back().first, 4'900);
}

TEST(svg, a_plot_without_points_is_still_a_plot)
{
    auto const drawn = svg({"Nothing", "x", "y", {{"none", {}}}, {}, false});
    EXPECT_TRUE(drawn.starts_with("<svg"));
    EXPECT_EQ(drawn.find("nan"), std::string::npos);
}

}  // namespace
}  // namespace fulmar::load
