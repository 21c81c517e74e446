// The environment in which the database runs: the real one (or a test's), with two promises for write-ahead log files.
//
//   Order     Nothing is written to a log file before everything in the one before it, and its name, has been synced. Else a
//             loss of power could cut the end off a log file and keep all of the next one; that RocksDB replays without
//             complaint, since a file that was cut cleanly looks like one that ended there.
//   Creation  While one is in use, a new log file that cannot be created fails when it is first written, like any write.
//             RocksDB (up to 8.0 at least) otherwise forgets to let go of column families, and asserts about them when it
//             closes: on a full disk that would be an abort instead of a broker that waits for space.
//
// Spec:     docs/storage.md, "Durability".
// Owner:    database. The one underneath and this outlive the rocksdb::DB.
// Threads:  any; one lock, taken when a log file begins and when it is closed.
// Errors:   as of any write: the first append to a log file returns what syncing the one before it returned.
// Cost:     durability::os: a sync per log file, in the thread that writes. durability::fsync: that of its folder only.
#pragma once

#include <rocksdb/env.h>

#include <memory>

namespace fulmar::storage {

[[nodiscard]] std::unique_ptr<rocksdb::Env> order_wal_files(rocksdb::Env& underneath);

}  // namespace fulmar::storage
