#include "broker/doctor.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include <stdlib.h>
#include <unistd.h>

namespace fulmar::broker {
namespace {

machine_facts sound_machine()
{
    machine_facts facts;
    facts.descriptors_hard = 1'048'576;
    facts.descriptors_system = 2'000'000;
    facts.local_ports = {32'768, 60'999};
    facts.somaxconn = 4'096;
    facts.memory_bytes = std::uint64_t{16} << 30;
    facts.tcp_memory_bytes = std::uint64_t{2} << 30;
    facts.sync_ms = {0.8, 0.9, 4.0};
    facts.file_system = "ext4";
    facts.disk_free_bytes = std::uint64_t{100} << 30;
    facts.clock_source = "tsc";
    facts.clock_synchronised = true;
    facts.overcommit = 0;
    facts.huge_pages = "madvise";
    facts.processors = 4;
    return facts;
}

finding of(machine_facts const& facts, settings const& configured, std::string const& check)
{
    for (auto const& each : check_machine(facts, configured)) {
        if (each.check == check)
            return each;
    }
    ADD_FAILURE() << "there is no check " << check;
    return {};
}

bool says(std::string const& text, char const* part) { return text.find(part) != std::string::npos; }

TEST(doctor, a_sound_machine_needs_nothing)
{
    auto const findings = check_machine(sound_machine(), {});
    EXPECT_EQ(findings.size(), 12U);
    for (auto const& each : findings) {
        EXPECT_EQ(each.status, finding_status::ok) << each.check << ": " << each.found;
        EXPECT_EQ(each.remedy, "") << each.check;
        EXPECT_NE(each.found, "") << each.check;
    }
    EXPECT_TRUE(fit_to_run(findings));
}

TEST(doctor, what_cannot_be_told_is_said_and_fails_nothing_but_the_disk)
{
    for (auto const& each : check_machine({}, {})) {
        auto const disk = each.check == "data disk" || each.check == "sync latency";
        auto const tracking = each.check == "connection tracking";  // not there: nothing is tracked
        EXPECT_EQ(each.status, disk       ? finding_status::problem
                               : tracking ? finding_status::ok
                                          : finding_status::unknown)
            << each.check;
    }
}

TEST(doctor, fewer_descriptors_than_connections_max_is_a_problem_with_the_number_to_set)
{
    auto facts = sound_machine();
    facts.descriptors_hard = 20'000;
    settings configured;
    configured.limits.connections_max = 20'000;
    auto const found = of(facts, configured, "file descriptors");
    EXPECT_EQ(found.status, finding_status::problem);
    EXPECT_TRUE(says(found.remedy, "LimitNOFILE=20512")) << found.remedy;
    configured.limits.connections_max = 19'488;  // the rest is for other files
    EXPECT_EQ(of(facts, configured, "file descriptors").status, finding_status::ok);
    facts.descriptors_hard = 1'048'576;
    facts.descriptors_system = 5'000;
    EXPECT_TRUE(says(of(facts, configured, "file descriptors").remedy, "fs.file-max=20000"));
}

TEST(doctor, few_descriptors_without_a_configured_limit_is_a_warning)
{
    auto facts = sound_machine();
    facts.descriptors_hard = 1'024;
    EXPECT_EQ(of(facts, {}, "file descriptors").status, finding_status::warning);
    facts.descriptors_hard = ~std::uint64_t{0};
    facts.descriptors_system = std::nullopt;
    EXPECT_EQ(of(facts, {}, "file descriptors").status, finding_status::ok);
    EXPECT_TRUE(says(of(facts, {}, "file descriptors").found, "more than 10000000"));
}

TEST(doctor, a_listening_port_that_outgoing_connections_may_take_is_a_warning_unless_it_is_reserved)
{
    auto facts = sound_machine();
    settings configured;
    configured.listeners.http.port = 40'000;
    auto const found = of(facts, configured, "port range");
    EXPECT_EQ(found.status, finding_status::warning);
    EXPECT_TRUE(says(found.found, "port 40000 of listeners.http"));
    facts.reserved_ports = {{39'999, 40'001}};
    EXPECT_EQ(of(facts, configured, "port range").status, finding_status::ok);
    facts.reserved_ports.clear();
    configured.listeners.http.enabled = false;
    EXPECT_EQ(of(facts, configured, "port range").status, finding_status::ok);
    facts.local_ports = {50'000, 55'000};
    EXPECT_EQ(of(facts, configured, "port range").status, finding_status::warning);
}

TEST(doctor, a_short_listen_queue_is_a_warning)
{
    auto facts = sound_machine();
    facts.somaxconn = 128;
    auto const found = of(facts, {}, "listen backlog");
    EXPECT_EQ(found.status, finding_status::warning);
    EXPECT_EQ(found.remedy, "sysctl -w net.core.somaxconn=4096");
}

TEST(doctor, connections_and_buffers_that_do_not_fit_into_memory_are_a_problem)
{
    auto facts = sound_machine();
    settings configured;
    configured.limits.connections_max = 3'000'000;  // 17 GB
    EXPECT_EQ(of(facts, configured, "memory").status, finding_status::problem);
    configured.limits.connections_max = 1'000'000;  // 6 GB
    EXPECT_EQ(of(facts, configured, "memory").status, finding_status::ok);
    configured.limits.retained_bytes_max = std::size_t{12} << 30;
    EXPECT_EQ(of(facts, configured, "memory").status, finding_status::warning);
    configured.limits.connections_max = ~std::size_t{0};
    EXPECT_EQ(of(facts, configured, "memory").status, finding_status::problem);
}

TEST(doctor, mailboxes_count_for_every_pair_of_shards)
{
    auto facts = sound_machine();
    settings configured;
    configured.node.shards = 4;  // 12 mailboxes
    configured.limits.mailbox_bytes = std::size_t{1} << 30;
    EXPECT_NE(of(facts, configured, "memory").status, finding_status::problem);
    configured.limits.mailbox_bytes = std::size_t{2} << 30;
    EXPECT_EQ(of(facts, configured, "memory").status, finding_status::problem);
}

TEST(doctor, socket_memory_and_tracked_connections_must_suffice_for_connections_max)
{
    auto facts = sound_machine();
    settings configured;
    configured.limits.connections_max = 1'000'000;
    EXPECT_EQ(of(facts, configured, "socket memory").status, finding_status::problem);
    EXPECT_TRUE(says(of(facts, configured, "socket memory").remedy, "net.ipv4.tcp_mem="));
    facts.tracked_connections = 65'536;
    EXPECT_EQ(of(facts, {}, "connection tracking").status, finding_status::ok);
    EXPECT_EQ(of(facts, configured, "connection tracking").status, finding_status::warning);
    EXPECT_TRUE(says(of(facts, configured, "connection tracking").remedy, "nf_conntrack_max=2000000"));
}

TEST(doctor, a_disk_that_is_full_volatile_or_remote_is_pointed_out)
{
    auto facts = sound_machine();
    facts.disk_free_bytes = 1'000'000;
    EXPECT_EQ(of(facts, {}, "data disk").status, finding_status::problem);
    facts = sound_machine();
    facts.file_system = "tmpfs";
    EXPECT_EQ(of(facts, {}, "data disk").status, finding_status::warning);
    settings configured;
    configured.storage.durability = durability::os;
    EXPECT_EQ(of(facts, configured, "data disk").status, finding_status::ok);
    facts.file_system = "nfs";
    EXPECT_EQ(of(facts, {}, "data disk").status, finding_status::warning);
}

TEST(doctor, a_slow_sync_is_a_warning_only_where_acknowledgements_wait_for_it)
{
    auto facts = sound_machine();
    facts.sync_ms = {30, 40, 50};
    EXPECT_EQ(of(facts, {}, "sync latency").status, finding_status::warning);
    EXPECT_TRUE(says(of(facts, {}, "sync latency").found, "40.00 ms, at worst 50.00 ms (of 3)"));
    settings configured;
    configured.storage.durability = durability::os;
    EXPECT_EQ(of(facts, configured, "sync latency").status, finding_status::ok);
    facts.sync_ms = {0.001, 0.001, 0.002};
    EXPECT_EQ(of(facts, {}, "sync latency").status, finding_status::warning);
    facts.sync_ms.clear();
    facts.sync_problem = "read-only";
    auto const found = of(facts, {}, "sync latency");
    EXPECT_EQ(found.status, finding_status::problem);
    EXPECT_EQ(found.found, "read-only");
}

TEST(doctor, clock_overcommit_huge_pages_and_shards_are_looked_at)
{
    auto facts = sound_machine();
    facts.clock_synchronised = false;
    EXPECT_EQ(of(facts, {}, "clock").status, finding_status::warning);
    facts.clock_source = "hpet";
    EXPECT_TRUE(says(of(facts, {}, "clock").found, "slow to read"));
    facts.clock_source = "kvm-clock";
    facts.clock_synchronised = std::nullopt;
    EXPECT_EQ(of(facts, {}, "clock").status, finding_status::ok);
    facts.overcommit = 2;
    EXPECT_EQ(of(facts, {}, "overcommit").status, finding_status::warning);
    facts.huge_pages = "always";
    EXPECT_EQ(of(facts, {}, "transparent huge pages").status, finding_status::warning);
    settings configured;
    configured.node.shards = 8;
    EXPECT_EQ(of(facts, configured, "shards").status, finding_status::warning);
}

TEST(doctor, warnings_alone_leave_a_machine_fit)
{
    EXPECT_TRUE(fit_to_run({{"a", finding_status::warning, "", ""}, {"b", finding_status::unknown, "", ""}}));
    EXPECT_FALSE(fit_to_run({{"a", finding_status::ok, "", ""}, {"b", finding_status::problem, "", ""}}));
}

TEST(doctor, findings_are_shown_as_a_table_and_as_json)
{
    std::vector<finding> const findings{{"one", finding_status::ok, "fine", ""},
                                        {"another", finding_status::problem, "a \"word\"", "set\nit"}};
    EXPECT_EQ(doctor_table({findings[0]}), "ok       one  fine\n\n0 problems, 0 warnings\n");
    EXPECT_TRUE(says(doctor_table(findings), "problem  another  a \"word\"\n"));
    EXPECT_EQ(doctor_json(findings),
              R"({"fit":false,"checks":[{"check":"one","status":"ok","found":"fine","remedy":""},)"
              R"({"check":"another","status":"problem","found":"a \"word\"","remedy":"set\u000ait"}]})"
              "\n");
}

class probe_test : public testing::Test
{
protected:
    void SetUp() override
    {
        auto pattern = (std::filesystem::temp_directory_path() / "fulmar-doctor-XXXXXX").string();
        root_ = ::mkdtemp(pattern.data());
    }
    void TearDown() override { std::filesystem::remove_all(root_); }
    void write(std::string const& path, std::string const& text)
    {
        std::filesystem::create_directories((root_ + path).substr(0, (root_ + path).rfind('/')));
        std::ofstream{root_ + path} << text;
    }
    std::string root_;
};

TEST_F(probe_test, reads_what_the_kernel_says)
{
    write("/proc/sys/net/ipv4/ip_local_port_range", "1024\t2048\n");
    write("/proc/sys/net/ipv4/ip_local_reserved_ports", "1883,8000-8100\n");
    write("/proc/sys/net/core/somaxconn", "77\n");
    write("/proc/sys/net/ipv4/tcp_mem", "1\t2\t3\n");
    write("/proc/sys/fs/file-max", "9223372036854775807\n");
    write("/proc/sys/vm/overcommit_memory", "2\n");
    write("/proc/meminfo", "MemTotal:       1000 kB\nMemFree:         500 kB\n");
    write("/sys/fs/cgroup/memory.max", "512000\n");
    write("/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
    write("/sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet\n");
    settings configured;
    configured.node.data_dir = root_ + "/not/there/yet";
    auto const facts = probe_machine(configured, root_);
    using range = std::pair<std::uint64_t, std::uint64_t>;
    EXPECT_EQ(facts.local_ports, (range{1'024, 2'048}));
    EXPECT_EQ(facts.reserved_ports, (std::vector<range>{{1'883, 1'883}, {8'000, 8'100}}));
    EXPECT_EQ(facts.somaxconn, 77U);
    EXPECT_EQ(facts.tcp_memory_bytes, 3 * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)));
    EXPECT_EQ(facts.descriptors_system, 9'223'372'036'854'775'807U);
    EXPECT_EQ(facts.overcommit, 2U);
    EXPECT_EQ(facts.memory_bytes, 512'000U);
    EXPECT_EQ(facts.huge_pages, "madvise");
    EXPECT_EQ(facts.clock_source, "hpet");
    EXPECT_FALSE(facts.tracked_connections);
    EXPECT_EQ(facts.sync_ms.size(), 15U);
    EXPECT_GT(facts.disk_free_bytes, 0U);
}

TEST_F(probe_test, a_machine_that_shows_nothing_is_no_error_and_nothing_is_left_behind)
{
    settings configured;
    configured.node.data_dir = root_;
    auto const facts = probe_machine(configured, root_);
    EXPECT_FALSE(facts.somaxconn);
    EXPECT_FALSE(facts.memory_bytes);
    EXPECT_EQ(facts.huge_pages, "");
    EXPECT_FALSE(facts.sync_ms.empty());
    EXPECT_TRUE(std::filesystem::is_empty(root_));
}

TEST_F(probe_test, a_control_group_without_a_limit_leaves_the_machines_memory)
{
    write("/proc/meminfo", "MemTotal:       1000 kB\n");
    write("/sys/fs/cgroup/memory.max", "max\n");
    settings configured;
    configured.node.data_dir = root_;
    EXPECT_EQ(probe_machine(configured, root_).memory_bytes, 1'024'000U);
}

}  // namespace
}  // namespace fulmar::broker
