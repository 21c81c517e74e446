// The result of one run: named figures in order, printed as a table for people, as one JSON object, or as a page with
// plots.
#pragma once

#include "bench/load/histogram.hpp"
#include "bench/load/order_check.hpp"
#include "bench/load/svg_plot.hpp"
#include "bench/load/throughput.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fulmar::load {

class report
{
public:
    explicit report(std::string scenario);

    void text(std::string_view name, std::string_view value);
    void count(std::string_view name, std::uint64_t value);
    void number(std::string_view name, double value, std::string_view unit);  // the unit ends the JSON name: value_us

    void latency(std::string_view name, histogram const& values);     // p50 to p99.99 and the maximum; and a plot
    void over_time(std::string_view name, throughput const& values);  // a plot
    void faults(order_faults const& faults);

    // Says that the run did not prove what it should; exit status 1.
    void fail(std::string_view why);
    [[nodiscard]] bool failed() const noexcept { return failed_; }

    [[nodiscard]] std::string table() const;
    [[nodiscard]] std::string json() const;
    [[nodiscard]] std::string html() const;  // complete: no script, no style and no font from elsewhere

private:
    struct figure
    {
        std::string name;
        std::string value;  // as it appears in JSON
        std::string shown;
        std::string label;
        bool in_latency_table = false;
    };
    static constexpr std::size_t points = 6;  // p50, p90, p99, p99.9, p99.99, max
    struct latency_row
    {
        std::string name;
        std::array<double, points> us{};
        std::uint64_t values = 0;
    };
    [[nodiscard]] std::string latency_table() const;
    [[nodiscard]] std::string latency_html() const;
    [[nodiscard]] std::string verdict() const;

    std::vector<figure> figures_;
    std::vector<latency_row> latencies_;
    std::vector<plot_line> percentiles_;
    std::vector<plot_line> rates_;
    std::string why_failed_;
    double generator_cpu_percent_ = 0;
    bool proven_ = false;  // every delivery was checked
    bool failed_ = false;
};

}  // namespace fulmar::load
