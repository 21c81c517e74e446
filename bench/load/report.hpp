// The result of one run: named figures in order, printed as a table for people or as one JSON object.
#pragma once

#include "bench/load/histogram.hpp"
#include "bench/load/order_check.hpp"

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

    void latency(std::string_view name, histogram const& values);  // p50 to p99.99 and the maximum
    void faults(order_faults const& faults);

    // Says that the run did not prove what it should; exit status 1.
    void fail(std::string_view why);
    [[nodiscard]] bool failed() const noexcept { return failed_; }

    [[nodiscard]] std::string table() const;
    [[nodiscard]] std::string json() const;

private:
    struct figure
    {
        std::string name;
        std::string value;  // as it appears in JSON
        std::string shown;
        std::string label;
    };
    std::vector<figure> figures_;
    bool failed_ = false;
};

}  // namespace fulmar::load
