#include "broker/doctor.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace fulmar::broker {

namespace {

using status = finding_status;

std::string bytes_text(std::uint64_t bytes)
{
    static constexpr std::array<char const*, 5> units{"B", "KiB", "MiB", "GiB", "TiB"};
    auto value = static_cast<double>(bytes);
    std::size_t unit = 0;
    for (; value >= 1024 && unit + 1 < units.size(); ++unit)
        value /= 1024;
    char text[40];
    std::snprintf(text, sizeof text, unit == 0 || value >= 100 ? "%.0f %s" : "%.1f %s", value, units[unit]);
    return text;
}

std::string text(std::uint64_t value) { return std::to_string(value); }

// A number that no product with it overflows.
std::uint64_t wanted_connections(settings const& configured)
{
    return std::min(std::uint64_t{configured.limits.connections_max}, std::uint64_t{1'000'000'000'000});
}

finding not_known(char const* check, char const* what)
{
    return {check, status::unknown, std::string{what} + " cannot be told here", ""};
}

finding check_descriptors(machine_facts const& facts, settings const& configured)
{
    constexpr auto name = "file descriptors";
    if (!facts.descriptors_hard)
        return not_known(name, "the limit");
    auto const most = std::min(*facts.descriptors_hard, facts.descriptors_system.value_or(*facts.descriptors_hard));
    auto const usable = most > other_descriptors ? most - other_descriptors : 0;
    auto const wanted = wanted_connections(configured);
    constexpr std::uint64_t plenty = 10'000'000;
    auto found = "enough for " + (usable > plenty ? "more than " + text(plenty) : text(usable)) + " connections";
    if (wanted > usable) {
        found += "; limits.connections_max is " + text(wanted);
        auto const needed = text(wanted + other_descriptors);
        auto const by_system = facts.descriptors_system && *facts.descriptors_system < wanted + other_descriptors;
        return {name, status::problem, found,
                by_system ? "sysctl -w fs.file-max=" + needed + ", and LimitNOFILE=" + needed + " for the service"
                          : "LimitNOFILE=" + needed + " for the service (ulimit -Hn " + needed + " in a shell)"};
    }
    if (wanted == 0 && usable < 10'000)
        return {name, status::warning, found + ", which is all that will be accepted",
                "LimitNOFILE=1048576 for the service (ulimit -Hn in a shell)"};
    return {name, status::ok, found, ""};
}

std::vector<std::pair<char const*, std::uint16_t>> listening_ports(settings const& configured)
{
    std::vector<std::pair<char const*, std::uint16_t>> ports;
    auto const& l = configured.listeners;
    for (auto const& [name, listener] : {std::pair{"mqtt", &l.mqtt},
                                         {"mqtts", &l.mqtts},
                                         {"http", &l.http},
                                         {"https", &l.https},
                                         {"admin", &l.admin}}) {
        if (listener->enabled && listener->port != 0)
            ports.emplace_back(name, listener->port);
    }
    return ports;
}

// A port of the range may be taken by any outgoing connection before the broker starts.
finding check_ports(machine_facts const& facts, settings const& configured)
{
    constexpr auto name = "port range";
    if (!facts.local_ports)
        return not_known(name, "the range of local ports");
    auto const [low, high] = *facts.local_ports;
    auto const found = "outgoing connections use " + text(low) + " to " + text(high);
    for (auto const& [listener, port] : listening_ports(configured)) {
        auto const within = [p = std::uint64_t{port}](auto const& range) {
            return p >= range.first && p <= range.second;
        };
        if (within(*facts.local_ports) &&
            std::none_of(facts.reserved_ports.begin(), facts.reserved_ports.end(), within))
            return {name, status::warning, found + ", and may take port " + text(port) + " of listeners." + listener,
                    "sysctl -w net.ipv4.ip_local_reserved_ports=" + text(port) + ", or another port"};
    }
    if (high < low || high - low < 20'000)
        return {name, status::warning, found + ": few for proxies and webhooks, which need one each",
                "sysctl -w net.ipv4.ip_local_port_range='10240 65535'"};
    return {name, status::ok, found, ""};
}

finding check_backlog(machine_facts const& facts)
{
    constexpr auto name = "listen backlog";
    if (!facts.somaxconn)
        return not_known(name, "net.core.somaxconn");
    auto const found = "net.core.somaxconn is " + text(*facts.somaxconn);
    if (*facts.somaxconn >= static_cast<std::uint64_t>(listen_backlog))
        return {name, status::ok, found, ""};
    return {name, status::warning, found + ": when all clients come back at once, some wait for a second try",
            "sysctl -w net.core.somaxconn=" + std::to_string(listen_backlog)};
}

std::uint64_t shards_of(machine_facts const& facts, settings const& configured)
{
    return configured.node.shards != 0 ? configured.node.shards
                                       : std::max<std::uint64_t>(1, facts.processors.value_or(1));
}

// What the limits allow to be held beside retained messages.
std::uint64_t bounded_memory(machine_facts const& facts, settings const& configured)
{
    auto const shards = shards_of(facts, configured);
    auto const mailboxes = shards * (shards - 1);  // from each to each other
    return mailboxes * configured.limits.mailbox_bytes + configured.limits.store_pending_bytes +
           configured.storage.block_cache_bytes + configured.storage.write_buffer_bytes +
           configured.storage.message_cache_bytes;
}

finding check_memory(machine_facts const& facts, settings const& configured)
{
    constexpr auto name = "memory";
    if (!facts.memory_bytes)
        return not_known(name, "the size of the memory");
    auto const memory = *facts.memory_bytes;
    auto const buffers = bounded_memory(facts, configured);
    constexpr auto each = idle_connection_bytes + idle_socket_bytes;
    auto const wanted = wanted_connections(configured);
    auto const needed = buffers + wanted * each;
    if (needed > memory / 10 * 8)
        return {name, status::problem,
                bytes_text(memory) + "; buffers, caches and " + text(wanted) + " idle connections may need " +
                    bytes_text(needed),
                "lower limits.connections_max, limits.*_bytes or storage.*_bytes, or use a larger machine"};
    auto const fits = (memory / 10 * 8 - buffers) / each;
    auto const found = bytes_text(memory) + ", enough for " + text(fits) + " idle connections of " + bytes_text(each);
    auto const retained = std::uint64_t{configured.limits.retained_bytes_max};
    if (needed + retained > memory)
        return {name, status::warning,
                found + "; retained messages alone may need " + bytes_text(retained) + " (limits.retained_bytes_max)",
                "limits.retained_bytes_max = \"" + text((memory - needed) / 2 >> 20) + "MiB\""};
    return {name, status::ok, found, ""};
}

finding check_tcp_memory(machine_facts const& facts, settings const& configured)
{
    constexpr auto name = "socket memory";
    if (!facts.tcp_memory_bytes)
        return not_known(name, "net.ipv4.tcp_mem");
    auto const needed = wanted_connections(configured) * idle_socket_bytes;
    auto const found = "all sockets together may use " + bytes_text(*facts.tcp_memory_bytes);
    if (needed <= *facts.tcp_memory_bytes)
        return {name, status::ok, found, ""};
    auto const pages = text(needed / 4096 + 1);
    return {name, status::problem, found + "; limits.connections_max needs " + bytes_text(needed),
            "sysctl -w net.ipv4.tcp_mem='" + pages + " " + pages + " " + text(needed / 4096 * 2) + "'"};
}

finding check_tracking(machine_facts const& facts, settings const& configured)
{
    constexpr auto name = "connection tracking";
    if (!facts.tracked_connections)
        return {name, status::ok, "no connections are tracked", ""};
    auto const found = "the firewall tracks at most " + text(*facts.tracked_connections) + " connections";
    auto const wanted = std::max<std::uint64_t>(wanted_connections(configured), 50'000);
    if (*facts.tracked_connections >= wanted)
        return {name, status::ok, found, ""};
    return {name, status::warning, found + " and drops what comes beyond",
            "sysctl -w net.netfilter.nf_conntrack_max=" + text(2 * wanted)};
}

finding check_disk(machine_facts const& facts, settings const& configured)
{
    constexpr auto name = "data disk";
    if (!facts.disk_free_bytes)
        return {name, status::problem, "'" + configured.node.data_dir + "' cannot be looked at",
                "another node.data_dir"};
    auto const& kind = facts.file_system;
    auto const found = bytes_text(*facts.disk_free_bytes) + " free" + (kind.empty() ? "" : " on " + kind);
    if (*facts.disk_free_bytes < configured.storage.min_free_bytes)
        return {name, status::problem, found + "; below storage.min_free_bytes durable messages are refused",
                "make room, or another node.data_dir"};
    if ((kind == "tmpfs" || kind == "ramfs") && configured.storage.durability == durability::fsync)
        return {name, status::warning, found + ", which forgets everything when the machine stops",
                "a node.data_dir on a disk, or storage.durability = \"os\" if that is meant"};
    if (kind == "nfs" || kind == "cifs" || kind == "fuse")
        return {name, status::warning, found + ": a sync there is slow, and may promise what it does not keep",
                "a node.data_dir on a local disk"};
    return {name, status::ok, found, ""};
}

finding check_sync(machine_facts const& facts, settings const& configured)
{
    constexpr auto name = "sync latency";
    if (facts.sync_ms.empty())
        return {name, status::problem, facts.sync_problem.empty() ? "nothing could be written" : facts.sync_problem,
                "let the broker's user write to node.data_dir"};
    auto sorted = facts.sync_ms;
    std::sort(sorted.begin(), sorted.end());
    auto const median = sorted[sorted.size() / 2];
    char found[160];
    std::snprintf(found, sizeof found, "a synced append takes %.2f ms, at worst %.2f ms (of %zu)", median,
                  sorted.back(), sorted.size());
    if (configured.storage.durability == durability::os)
        return {name, status::ok, std::string{found} + "; nothing waits for it with storage.durability = \"os\"", ""};
    if (median > 20)
        return {name, status::warning,
                std::string{found} + ", and every acknowledgement of a stored message waits for one",
                "a disk that syncs faster (with a capacitor-backed cache), or storage.durability = \"os\""};
    if (median < 0.01)
        return {name, status::warning, std::string{found} + ", which is faster than disks are: does it reach one?",
                "look for a write cache without a battery, or a virtual disk that ignores flushes"};
    return {name, status::ok, found, ""};
}

finding check_clock(machine_facts const& facts)
{
    constexpr auto name = "clock";
    auto const& source = facts.clock_source;
    auto found = source.empty() ? std::string{"source unknown"} : "source " + source;
    if (source == "hpet" || source == "acpi_pm" || source == "jiffies")
        return {name, status::warning, found + ", which is slow to read, and it is read for every batch of events",
                "boot with clocksource=tsc if the machine's is stable, or use the hypervisor's clock"};
    if (!facts.clock_synchronised)
        return source.empty() ? not_known(name, "source and synchronisation") : finding{name, status::ok, found, ""};
    if (!*facts.clock_synchronised)
        return {name, status::warning, found + ", not synchronised: tokens, signatures and expiry are judged by it",
                "run chrony or systemd-timesyncd"};
    return {name, status::ok, found + ", synchronised", ""};
}

finding check_overcommit(machine_facts const& facts)
{
    constexpr auto name = "overcommit";
    if (!facts.overcommit)
        return not_known(name, "vm.overcommit_memory");
    if (*facts.overcommit == 2)
        return {name, status::warning, "vm.overcommit_memory is 2: memory may be refused while there is some",
                "sysctl -w vm.overcommit_memory=0"};
    return {name, status::ok, "vm.overcommit_memory is " + text(*facts.overcommit), ""};
}

finding check_huge_pages(machine_facts const& facts)
{
    constexpr auto name = "transparent huge pages";
    if (facts.huge_pages.empty())
        return not_known(name, "their setting");
    if (facts.huge_pages == "always")
        return {name, status::warning, "always: what was freed stays in use in part, and latency has peaks",
                "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled"};
    return {name, status::ok, facts.huge_pages, ""};
}

finding check_shards(machine_facts const& facts, settings const& configured)
{
    constexpr auto name = "shards";
    if (!facts.processors)
        return not_known(name, "the number of processors");
    auto const shards = shards_of(facts, configured);
    auto const found = text(shards) + " on " + text(*facts.processors) + " processors";
    if (shards > *facts.processors)
        return {name, status::warning, found + ": they take turns, which delays all of them", "node.shards = 0"};
    return {name, status::ok, found, ""};
}

}  // namespace

std::vector<finding> check_machine(machine_facts const& facts, settings const& configured)
{
    return {check_descriptors(facts, configured),
            check_ports(facts, configured),
            check_backlog(facts),
            check_memory(facts, configured),
            check_tcp_memory(facts, configured),
            check_tracking(facts, configured),
            check_disk(facts, configured),
            check_sync(facts, configured),
            check_clock(facts),
            check_overcommit(facts),
            check_huge_pages(facts),
            check_shards(facts, configured)};
}

bool fit_to_run(std::vector<finding> const& findings) noexcept
{
    return std::none_of(findings.begin(), findings.end(), [](auto const& f) { return f.status == status::problem; });
}

}  // namespace fulmar::broker
