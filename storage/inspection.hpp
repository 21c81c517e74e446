// `fulmar store check` and `fulmar store repair`: reads everything that is stored and says what is wrong with it; keeps
// what is sound and says exactly what was lost.
//
// Owner:    called by main.cpp with the broker stopped; the store's lock is held meanwhile.
// Threads:  the caller's.
// Limits:   two bits of memory per log position; problems_max problems are told one by one, the others counted.
// Errors:   a store that cannot be opened at all is a problem of the report, not an exception.
#pragma once

#include "broker/ids.hpp"
#include "storage/settings.hpp"

#include <cstdint>
#include <filesystem>
#include <iosfwd>
#include <string>
#include <vector>

namespace fulmar::storage {

struct store_report
{
    static constexpr std::size_t problems_max = 100;

    std::uint64_t records = 0;
    std::uint64_t record_bytes = 0;
    std::uint64_t index_entries = 0;
    std::uint64_t sessions = 0;
    std::uint64_t subscriptions = 0;
    std::uint64_t cursors = 0;
    std::uint64_t inflight = 0;
    std::uint64_t groups = 0;
    std::uint64_t outbox = 0;  // things to tell to somebody outside (webhooks)
    std::uint64_t retained = 0;
    broker::log_sequence low_water = 0;
    broker::log_sequence last = 0;
    broker::log_sequence furthest = 0;  // what any session has read

    std::uint64_t damaged_rows = 0;     // do not decode, or fail their checksum
    std::uint64_t missing_records = 0;  // the index names them, the log does not have them
    std::uint64_t remains = 0;          // rows of sessions that were erased: harmless, removed at the next start
    std::uint64_t problem_count = 0;
    std::vector<std::string> problems;  // one line each; the first problems_max
    std::vector<std::string> repairs;   // what repair did
    bool opened = false;

    [[nodiscard]] bool sound() const noexcept { return opened && problem_count == 0; }
    void problem(std::string line);
};

// `path`: the store's folder, or the data folder that has it as "store".
[[nodiscard]] store_report check(std::filesystem::path const& path);
// The report is of the state after the repair; `repairs` says what was done and lost.
[[nodiscard]] store_report repair(std::filesystem::path const& path);

void print(store_report const& report, std::ostream& out);

// The commands: print the report; true if the store is sound (now).
bool check_store(std::filesystem::path const& path, std::ostream& out);
bool repair_store(std::filesystem::path const& path, std::ostream& out);

}  // namespace fulmar::storage
