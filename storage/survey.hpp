// One pass over every row of an open database: counts, checksums, and what refers to what.
//
// Owner:    inspection.
// Threads:  the caller's.
#pragma once

#include "storage/inspection.hpp"

#include <rocksdb/db.h>

#include <array>
#include <functional>

namespace fulmar::storage {

struct surveyed_database
{
    rocksdb::DB& db;
    std::vector<rocksdb::ColumnFamilyHandle*> columns;  // by storage::column
};

// Fills in `report`. `on_damaged` is called for every row that does not decode and every index entry without a record
// (not for what cannot be read at all).
// False: a part could not be read, so files are damaged, not only rows.
bool survey(surveyed_database const& database, store_report& report,
            std::function<void(rocksdb::ColumnFamilyHandle*, rocksdb::Slice)> const& on_damaged);

}  // namespace fulmar::storage
