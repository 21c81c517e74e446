// What RocksDB has to say, as lines of our log instead of a file beside the data: that file would be on the very disk
// that is full when there is most to say (Debian's RocksDB 7.8 aborts then), and nobody looks there.
//
// Owner:    shared by the database's options.
// Threads:  any; RocksDB calls it from its own.
// Limits:   errors and warnings only, engine_lines_per_second of each, cut at engine_line_bytes_max.
#pragma once

#include <rocksdb/env.h>

#include <memory>

namespace fulmar::storage {

inline constexpr std::uint32_t engine_lines_per_second = 5;
inline constexpr std::size_t engine_line_bytes_max = 1024;

[[nodiscard]] std::shared_ptr<rocksdb::Logger> make_engine_log();

}  // namespace fulmar::storage
