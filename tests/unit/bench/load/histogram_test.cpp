#include "bench/load/histogram.hpp"

#include <gtest/gtest.h>

namespace fulmar::load {
namespace {

TEST(histogram, an_empty_one_has_no_percentiles)
{
    histogram const h;
    EXPECT_EQ(h.percentile_ns(50), 0U);
    EXPECT_EQ(h.max_ns(), 0U);
}

TEST(histogram, keeps_every_value_within_two_percent)
{
    for (std::int64_t value = 1; value < 4'000'000'000'000; value = value * 17 / 13 + 1) {
        histogram h;
        h.record(value);
        h.record(value * 2);  // so that the maximum does not stand in for the bucket
        auto const kept = static_cast<double>(h.percentile_ns(50));
        EXPECT_GE(kept, static_cast<double>(value)) << value;
        EXPECT_LE(kept, static_cast<double>(value) * 1.02 + 1) << value;
    }
}

TEST(histogram, percentiles_count_values)
{
    histogram h;
    for (int i = 0; i < 9'900; ++i)
        h.record(10);
    for (int i = 0; i < 99; ++i)
        h.record(20);
    h.record(63);
    EXPECT_EQ(h.percentile_ns(50), 10U);
    EXPECT_EQ(h.percentile_ns(99), 10U);
    EXPECT_EQ(h.percentile_ns(99.5), 20U);
    EXPECT_EQ(h.percentile_ns(99.99), 20U);
    EXPECT_EQ(h.percentile_ns(100), 63U);
    EXPECT_EQ(h.total(), 10'000U);
}

TEST(histogram, takes_values_beyond_its_range)
{
    histogram h;
    h.record(-5);
    EXPECT_EQ(h.percentile_ns(100), 0U);
    h.record(INT64_MAX);
    EXPECT_EQ(h.max_ns(), static_cast<std::uint64_t>(INT64_MAX));
}

}  // namespace
}  // namespace fulmar::load
