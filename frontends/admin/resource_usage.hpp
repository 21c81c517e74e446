// What the operating system says this program uses now.
//
// Threads:  any.
// Cost:     a few small reads from /proc.
#pragma once

#include <cstdint>

namespace fulmar::admin {

struct resource_usage
{
    std::uint64_t resident_bytes = 0;
    double cpu_seconds = 0;  // user and system, since the start
    std::uint64_t open_descriptors = 0;
    std::uint64_t descriptors_max = 0;
};

[[nodiscard]] resource_usage current_usage();

}  // namespace fulmar::admin
