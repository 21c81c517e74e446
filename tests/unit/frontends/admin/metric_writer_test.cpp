#include "frontends/admin/metric_writer.hpp"

#include <gtest/gtest.h>
#include <array>

namespace fulmar::admin {
namespace {

TEST(metric_writer, help_and_type_are_written_once_per_name)
{
    metric_writer out;
    out.counter("a_total", "All a.", 1, {{"k", "x"}});
    out.counter("a_total", "", 2, {{"k", "y"}});
    out.gauge("b", "Some b.", 0.5);
    EXPECT_EQ(out.take(),
              "# HELP a_total All a.\n# TYPE a_total counter\na_total{k=\"x\"} 1\na_total{k=\"y\"} 2\n"
              "# HELP b Some b.\n# TYPE b gauge\nb 0.5\n");
}

TEST(metric_writer, label_values_and_help_texts_are_escaped)
{
    metric_writer out;
    out.gauge("a", "one\\two\nthree \"four\"", 1, {{"k", "q\" b\\ n\n"}, {"l", ""}});
    EXPECT_EQ(out.take(), "# HELP a one\\\\two\\nthree \"four\"\n# TYPE a gauge\na{k=\"q\\\" b\\\\ n\\n\",l=\"\"} 1\n");
}

TEST(metric_writer, whole_numbers_are_written_without_exponent)
{
    metric_writer out;
    out.gauge("a", "", 123456789012.0);
    out.gauge("b", "", -3);
    out.gauge("c", "", 1e300 * 1e10);
    auto const text = out.take();
    EXPECT_NE(text.find("\na 123456789012\n"), std::string::npos);
    EXPECT_NE(text.find("\nb -3\n"), std::string::npos);
    EXPECT_NE(text.find("\nc +Inf\n"), std::string::npos);
}

TEST(metric_writer, histograms_are_cumulative_and_end_with_infinity)
{
    metric_writer out;
    std::array<double, 2> const bounds{0.1, 1};
    std::array<std::uint64_t, 3> const counts{2, 3, 4};
    out.histogram("h", "Times.", {bounds, counts, 12.5}, {{"k", "v"}});
    EXPECT_EQ(out.take(),
              "# HELP h Times.\n# TYPE h histogram\nh_bucket{k=\"v\",le=\"0.1\"} 2\nh_bucket{k=\"v\",le=\"1\"} 5\n"
              "h_bucket{k=\"v\",le=\"+Inf\"} 9\nh_sum{k=\"v\"} 12.5\nh_count{k=\"v\"} 9\n");
}

}  // namespace
}  // namespace fulmar::admin
