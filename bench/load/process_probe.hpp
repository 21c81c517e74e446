// What a process has used so far, from /proc: processor time with all its threads, and memory.
#pragma once

#include <sys/types.h>
#include <cstdint>
#include <string>

namespace fulmar::load {

struct process_usage
{
    double cpu_s = 0;  // utime + stime, all threads
    std::uint64_t anonymous_bytes = 0;
    std::uint64_t resident_bytes = 0;
    bool known = false;
};

// pid 0 or a process that does not exist gives known = false. Processor time has the resolution of a clock tick (10 ms).
[[nodiscard]] process_usage usage_of(pid_t pid, bool with_memory = false);

[[nodiscard]] double own_cpu_s() noexcept;

// Connections the kernel refused or delayed because a listen queue was full, since boot.
[[nodiscard]] std::uint64_t listen_overflows();

// Pins this process to one processor; false when that fails.
[[nodiscard]] bool pin_to(int processor) noexcept;

// Raises the soft limit of file descriptors to the hard one and returns it.
[[nodiscard]] std::size_t raise_descriptor_limit() noexcept;

}  // namespace fulmar::load
