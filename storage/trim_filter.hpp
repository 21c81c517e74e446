// Compaction filters that leave out what lies at or before the low water when RocksDB writes a file.
//
// Trimming so needs no tombstones: log files wholly below are deleted (maintenance), the rest is dropped here, index
// entries always here. Files written by a flush are filtered too, so what was read soon never reaches one.
//
// Threads:  called from RocksDB's background threads.
#pragma once

#include "storage/database.hpp"

#include <rocksdb/compaction_filter.h>

namespace fulmar::storage {

[[nodiscard]] std::shared_ptr<rocksdb::CompactionFilterFactory> make_log_trim_filter(shared_low_water low_water);
[[nodiscard]] std::shared_ptr<rocksdb::CompactionFilterFactory> make_index_trim_filter(shared_low_water low_water);

}  // namespace fulmar::storage
