// How fast something went over time: points for a plot.
//
// Limits:   point_max points; beyond, every second one is given up and the step doubles.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace fulmar::load {

class throughput
{
public:
    using point = std::pair<double, double>;  // seconds since the beginning, per second

    void begin(std::int64_t now_ns, std::uint64_t total) noexcept
    {
        start_ns_ = last_ns_ = now_ns;
        last_total_ = total;
        points_.clear();
    }
    // `total` is a count that only grows.
    void note(std::int64_t now_ns, std::uint64_t total)
    {
        if (now_ns - last_ns_ < step_ns_ || start_ns_ == 0)
            return;
        auto const seconds = static_cast<double>(now_ns - last_ns_) / 1e9;
        points_.emplace_back(static_cast<double>(now_ns - start_ns_) / 1e9,
                             static_cast<double>(total - last_total_) / seconds);
        last_ns_ = now_ns;
        last_total_ = total;
        if (points_.size() >= point_max)
            thin_out();
    }
    [[nodiscard]] std::vector<point> const& points() const noexcept { return points_; }

private:
    static constexpr std::size_t point_max = 1'200;

    void thin_out()
    {
        for (std::size_t i = 0; 2 * i + 1 < points_.size(); ++i) {
            auto const& [first, second] = std::pair{points_[2 * i], points_[2 * i + 1]};
            points_[i] = {second.first, (first.second + second.second) / 2};
        }
        points_.resize(points_.size() / 2);
        step_ns_ *= 2;
    }

    std::vector<point> points_;
    std::int64_t step_ns_ = 250'000'000;
    std::int64_t start_ns_ = 0;
    std::int64_t last_ns_ = 0;
    std::uint64_t last_total_ = 0;
};

}  // namespace fulmar::load
