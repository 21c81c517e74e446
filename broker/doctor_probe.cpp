#include "broker/doctor.hpp"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/resource.h>
#include <sys/statfs.h>
#include <sys/timex.h>
#include <unistd.h>

namespace fulmar::broker {

namespace {

constexpr int sync_count = 15;
constexpr std::size_t sync_bytes = 512;

std::string first_line(std::string const& path)
{
    std::ifstream in{path};
    std::string line;
    std::getline(in, line);
    return line;
}

std::vector<std::uint64_t> numbers(std::string const& path)
{
    std::istringstream in{first_line(path)};
    std::vector<std::uint64_t> all;
    for (std::uint64_t value = 0; in >> value;)
        all.push_back(value);
    return all;
}

std::optional<std::uint64_t> number(std::string const& path)
{
    auto const all = numbers(path);
    return all.empty() ? std::nullopt : std::optional{all.front()};
}

// "1883,8000-8100"
std::vector<std::pair<std::uint64_t, std::uint64_t>> port_ranges(std::string const& path)
{
    std::istringstream in{first_line(path)};
    std::vector<std::pair<std::uint64_t, std::uint64_t>> all;
    for (std::string part; std::getline(in, part, ',');) {
        std::istringstream range{part};
        std::uint64_t low = 0;
        if (!(range >> low))
            continue;
        std::uint64_t high = low;
        if (range.get() == '-')
            range >> high;
        all.emplace_back(low, high);
    }
    return all;
}

std::optional<std::uint64_t> memory_of(std::string const& root)
{
    std::ifstream in{root + "/proc/meminfo"};
    std::optional<std::uint64_t> bytes;
    for (std::string name; !bytes && in >> name;) {
        std::uint64_t kib = 0;
        if (name == "MemTotal:" && in >> kib)
            bytes = kib * 1024;
    }
    auto const group = number(root + "/sys/fs/cgroup/memory.max");  // "max" is no number
    return bytes && group ? std::min(*bytes, *group) : bytes;
}

// "always [madvise] never"
std::string chosen(std::string const& line)
{
    auto const open = line.find('[');
    auto const close = line.find(']', open == line.npos ? 0 : open);
    return open == line.npos || close == line.npos ? "" : line.substr(open + 1, close - open - 1);
}

std::string file_system_name(long magic)
{
    switch (static_cast<unsigned long>(magic)) {
    case EXT4_SUPER_MAGIC: return "ext4";
    case XFS_SUPER_MAGIC: return "xfs";
    case BTRFS_SUPER_MAGIC: return "btrfs";
    case TMPFS_MAGIC: return "tmpfs";
    case RAMFS_MAGIC: return "ramfs";
    case OVERLAYFS_SUPER_MAGIC: return "overlay";
    case NFS_SUPER_MAGIC: return "nfs";
    case 0xFF534D42UL: return "cifs";
    case 0x65735546UL: return "fuse";
    case 0x2FC12FC1UL: return "zfs";
    default: return "";
    }
}

// The directory itself, or the first above it that exists: it may not have been created yet.
std::filesystem::path existing(std::string const& directory)
{
    std::error_code ignored;
    auto path = std::filesystem::absolute(directory, ignored);
    while (!path.empty() && path != path.root_path() && !std::filesystem::is_directory(path, ignored))
        path = path.parent_path();
    return path;
}

// A file that nobody sees and that is gone when it is closed.
int open_unnamed(std::filesystem::path const& directory)
{
    auto const fd = ::open(directory.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    if (fd >= 0 || errno == EACCES || errno == EROFS)
        return fd;
    auto name = (directory / ".fulmar-doctor-XXXXXX").string();  // where unnamed files are not known
    auto const named = ::mkostemp(name.data(), O_CLOEXEC);
    if (named >= 0)
        ::unlink(name.c_str());
    return named;
}

void probe_disk(std::string const& directory, machine_facts& facts)
{
    auto const path = existing(directory);
    struct statfs found = {};
    if (::statfs(path.c_str(), &found) == 0) {
        facts.disk_free_bytes = std::uint64_t{found.f_bavail} * static_cast<std::uint64_t>(found.f_bsize);
        facts.file_system = file_system_name(static_cast<long>(found.f_type));
    }
    auto const fd = open_unnamed(path);
    if (fd < 0) {
        facts.sync_problem = "'" + path.string() + "' cannot be written to: " + std::strerror(errno);
        return;
    }
    std::string const record(sync_bytes, 'x');
    for (int i = 0; i < sync_count; ++i) {
        auto const begin = std::chrono::steady_clock::now();
        if (::write(fd, record.data(), record.size()) != static_cast<ssize_t>(record.size()) || ::fdatasync(fd) != 0) {
            facts.sync_problem = "a record cannot be synced in '" + path.string() + "': " + std::strerror(errno);
            facts.sync_ms.clear();
            break;
        }
        facts.sync_ms.push_back(
            std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count());
    }
    ::close(fd);
}

}  // namespace

machine_facts probe_machine(settings const& configured, std::string const& root)
{
    machine_facts facts;
    auto const sysctl = root + "/proc/sys/";
    if (rlimit limit{}; ::getrlimit(RLIMIT_NOFILE, &limit) == 0)
        facts.descriptors_hard = limit.rlim_max;
    facts.descriptors_system = number(sysctl + "fs/file-max");
    if (auto const range = numbers(sysctl + "net/ipv4/ip_local_port_range"); range.size() == 2)
        facts.local_ports = {range[0], range[1]};
    facts.reserved_ports = port_ranges(sysctl + "net/ipv4/ip_local_reserved_ports");
    facts.somaxconn = number(sysctl + "net/core/somaxconn");
    facts.memory_bytes = memory_of(root);
    if (auto const pages = numbers(sysctl + "net/ipv4/tcp_mem"); pages.size() == 3)
        facts.tcp_memory_bytes = pages[2] * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    facts.tracked_connections = number(sysctl + "net/netfilter/nf_conntrack_max");
    probe_disk(configured.node.data_dir, facts);
    facts.clock_source = first_line(root + "/sys/devices/system/clocksource/clocksource0/current_clocksource");
    if (timex clock{}; ::adjtimex(&clock) >= 0)
        facts.clock_synchronised = (clock.status & STA_UNSYNC) == 0;
    facts.overcommit = number(sysctl + "vm/overcommit_memory");
    facts.huge_pages = chosen(first_line(root + "/sys/kernel/mm/transparent_hugepage/enabled"));
    if (auto const processors = std::thread::hardware_concurrency(); processors != 0)
        facts.processors = processors;
    return facts;
}

}  // namespace fulmar::broker
