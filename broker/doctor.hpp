// `fulmar doctor`: is this machine set up for what the configuration promises, and if not, what is to be set?
//
// Owner:    main. Checks are pure functions of facts and settings; doctor_probe.cpp finds the facts.
// Threads:  any.
// Cost:     probe_machine writes and syncs a few small records in the data directory, in a file without a name.
#pragma once

#include "broker/settings.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace fulmar::broker {

// What an idle connection with one subscription costs: `fulmar bench idle` measures the first; the second is what the
// kernel keeps for a TCP socket.
inline constexpr std::uint64_t idle_connection_bytes = 1'100;
inline constexpr std::uint64_t idle_socket_bytes = 4'700;
// Descriptors beside those of connections: listeners, the store's files, logs.
inline constexpr std::uint64_t other_descriptors = 512;
inline constexpr int listen_backlog = 4'096;  // as the listeners ask for

// What was found. What could not be told is empty, and its check says so.
struct machine_facts
{
    std::optional<std::uint64_t> descriptors_hard;                       // ulimit -Hn
    std::optional<std::uint64_t> descriptors_system;                     // fs.file-max
    std::optional<std::pair<std::uint64_t, std::uint64_t>> local_ports;  // net.ipv4.ip_local_port_range
    std::vector<std::pair<std::uint64_t, std::uint64_t>> reserved_ports;
    std::optional<std::uint64_t> somaxconn;
    std::optional<std::uint64_t> memory_bytes;         // of the machine, or of the control group if that is less
    std::optional<std::uint64_t> tcp_memory_bytes;     // net.ipv4.tcp_mem, the last of the three
    std::optional<std::uint64_t> tracked_connections;  // net.netfilter.nf_conntrack_max; empty where nothing is tracked
    std::vector<double> sync_ms;                       // of synced appends in the data directory
    std::string sync_problem;                          // why there are none
    std::string file_system;                           // "ext4", "tmpfs", ...
    std::optional<std::uint64_t> disk_free_bytes;
    std::string clock_source;
    std::optional<bool> clock_synchronised;
    std::optional<std::uint64_t> overcommit;  // vm.overcommit_memory
    std::string huge_pages;                   // "always", "madvise" or "never"
    std::optional<std::uint64_t> processors;
};

enum class finding_status : std::uint8_t { ok, warning, problem, unknown };

struct finding
{
    std::string check;
    finding_status status = finding_status::ok;
    std::string found;
    std::string remedy;  // what to set; empty when there is nothing to do
};

// In the order in which they are shown.
[[nodiscard]] std::vector<finding> check_machine(machine_facts const& facts, settings const& configured);

// False: something has to change before the configuration can be kept (a problem; warnings do not count).
[[nodiscard]] bool fit_to_run(std::vector<finding> const& findings) noexcept;

[[nodiscard]] std::string doctor_table(std::vector<finding> const& findings);
[[nodiscard]] std::string doctor_json(std::vector<finding> const& findings);

// Looks at this machine. `root` is put before /proc and /sys.
[[nodiscard]] machine_facts probe_machine(settings const& configured, std::string const& root = {});

}  // namespace fulmar::broker
