// How far the database had come, noted beside it: so that a start notices when its end is missing although every file that is
// there looks sound (a cut manifest, a deleted write-ahead log).
//
// Owner:    maintenance writes it about once a second, database and inspection compare.
// Threads:  one writer at a time.
// Errors:   none: without the file, or with a torn one, nothing is compared.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace fulmar::storage {

struct noted_position
{
    std::uint64_t sequence = 0;  // RocksDB's own: counts every row written
    bool synced = false;         // everything up to there had been synced when it was noted
};

[[nodiscard]] std::optional<noted_position> read_position(std::filesystem::path const& folder);
void write_position(std::filesystem::path const& folder, noted_position const& at);
void forget_position(std::filesystem::path const& folder);

}  // namespace fulmar::storage
