#include "frontends/admin/resource_usage.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace fulmar::admin {

namespace {

[[nodiscard]] double seconds(timeval const& t) noexcept
{
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
}

[[nodiscard]] std::uint64_t resident_bytes()
{
    std::ifstream statm{"/proc/self/statm"};
    std::uint64_t total = 0;
    std::uint64_t resident = 0;
    statm >> total >> resident;
    return statm ? resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) : 0;
}

[[nodiscard]] std::uint64_t open_descriptors()
{
    std::error_code error;
    std::uint64_t count = 0;
    for (std::filesystem::directory_iterator at{"/proc/self/fd", error}, end; !error && at != end; at.increment(error))
        ++count;
    return count;
}

}  // namespace

resource_usage current_usage()
{
    resource_usage usage;
    usage.resident_bytes = resident_bytes();
    usage.open_descriptors = open_descriptors();
    if (rusage spent{}; ::getrusage(RUSAGE_SELF, &spent) == 0)
        usage.cpu_seconds = seconds(spent.ru_utime) + seconds(spent.ru_stime);
    if (rlimit descriptors{}; ::getrlimit(RLIMIT_NOFILE, &descriptors) == 0)
        usage.descriptors_max = descriptors.rlim_cur;
    return usage;
}

}  // namespace fulmar::admin
