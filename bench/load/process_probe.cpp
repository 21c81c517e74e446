#include "bench/load/process_probe.hpp"

#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>
#include <fstream>
#include <sstream>

namespace fulmar::load {

namespace {

std::string proc_path(pid_t pid, char const* file) { return "/proc/" + std::to_string(pid) + "/" + file; }

// utime and stime are the 14th and 15th field; the second, the name, may contain anything but ends with the last ')'.
bool read_cpu(pid_t pid, double& seconds)
{
    std::ifstream in{proc_path(pid, "stat")};
    std::string line;
    if (!std::getline(in, line) || line.rfind(')') == line.npos)
        return false;
    std::istringstream rest{line.substr(line.rfind(')') + 1)};
    std::string skipped;
    for (int field = 3; field < 14; ++field)
        rest >> skipped;
    double user = 0;
    double system = 0;
    rest >> user >> system;
    seconds = (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
    return !rest.fail();
}

void read_memory(pid_t pid, process_usage& usage)
{
    std::ifstream in{proc_path(pid, "smaps_rollup")};
    std::string word;
    std::uint64_t kib = 0;
    while (in >> word) {
        if (word == "Rss:" && in >> kib)
            usage.resident_bytes = kib * 1024;
        else if (word == "Anonymous:" && in >> kib)
            usage.anonymous_bytes = kib * 1024;
    }
}

}  // namespace

process_usage usage_of(pid_t pid, bool with_memory)
{
    process_usage usage;
    if (pid <= 0)
        return usage;
    usage.known = read_cpu(pid, usage.cpu_s);
    if (usage.known && with_memory)
        read_memory(pid, usage);
    return usage;
}

double own_cpu_s() noexcept
{
    rusage used{};
    getrusage(RUSAGE_SELF, &used);
    auto const seconds = [](timeval t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
    return seconds(used.ru_utime) + seconds(used.ru_stime);
}

std::uint64_t listen_overflows()
{
    std::ifstream in{"/proc/net/netstat"};
    std::string names;
    std::string values;
    while (std::getline(in, names) && std::getline(in, values)) {
        std::istringstream name_words{names};
        std::istringstream value_words{values};
        std::string name;
        std::string value;
        while (name_words >> name && value_words >> value) {
            if (name == "ListenOverflows")
                return std::stoull(value);
        }
    }
    return 0;
}

bool pin_to(int processor) noexcept
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<std::size_t>(processor), &set);
    return sched_setaffinity(0, sizeof set, &set) == 0;
}

std::size_t raise_descriptor_limit() noexcept
{
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    getrlimit(RLIMIT_NOFILE, &limit);
    return static_cast<std::size_t>(limit.rlim_cur);
}

}  // namespace fulmar::load
