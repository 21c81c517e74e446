// Looks through the write-ahead log before the database opens it, for what RocksDB would pass over in silence: batches
// behind a damaged part. (A file that is cut cleanly, or missing, cannot be told from one that was finished and deleted:
// wal_files.hpp sees to it that losing power leaves none such.)
//
// A torn end is what a crash leaves, and was never acknowledged. Whole batches behind a hole were: they are told, and
// refused or set aside, never replayed over the hole.
//
// Spec:     RocksDB "Write Ahead Log File Format" (blocks of 32 KiB, records with a masked CRC-32C).
// Owner:    database and inspection, before opening.
// Threads:  the caller's.
// Limits:   one block in memory.
// Cost:     reads the log once: store_settings::wal_bytes_max at most, tens of milliseconds.
#pragma once

#include <rocksdb/env.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace fulmar::storage {

struct wal_finding
{
    std::uint64_t batches = 0;             // whole and in sequence
    std::uint64_t torn_bytes = 0;          // unfinished, at the end
    std::uint64_t batches_after_hole = 0;  // whole, but something before them is damaged
    std::string where;                     // of the hole: file and offset
    std::vector<std::string> after_hole;   // files that begin behind the hole

    [[nodiscard]] bool sound() const noexcept { return batches_after_hole == 0; }
};

[[nodiscard]] wal_finding scan_wal(rocksdb::Env& env, std::filesystem::path const& folder);

// Moves the files behind the hole into the folder "lost", so that they are not replayed.
void set_aside(rocksdb::Env& env, std::filesystem::path const& folder, std::vector<std::string> const& files);

}  // namespace fulmar::storage
