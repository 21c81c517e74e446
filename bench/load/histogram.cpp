#include "bench/load/histogram.hpp"

#include <algorithm>
#include <cmath>

namespace fulmar::load {

std::uint64_t histogram::upper_bound_of(std::size_t index) noexcept
{
    if (index < sub_count)
        return index;
    auto const shift = index / sub_count - 1;
    return ((index % sub_count + sub_count + 1) << shift) - 1;
}

std::uint64_t histogram::percentile_ns(double percent) const noexcept
{
    if (total_ == 0)
        return 0;
    auto const wanted = std::max<std::uint64_t>(
        1, static_cast<std::uint64_t>(std::ceil(static_cast<double>(total_) * percent / 100.0)));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
        seen += counts_[i];
        if (seen >= wanted)
            return std::min(upper_bound_of(i), max_);
    }
    return max_;
}

}  // namespace fulmar::load
