// Reads back everything but the log when the broker starts: one pass over each column, merged by session.
//
// Owner:    called by rocks_store before the shards start.
// Threads:  the caller's.
// Errors:   throws std::runtime_error with one line of advice for anything that cannot be read.
// Cost:     sequential; about a microsecond per row.
#pragma once

#include "storage/committer.hpp"
#include "storage/losses.hpp"

namespace fulmar::storage {

// Checkpoints and losses: needed before the first commit.
void recover_bookkeeping(store_parts const& parts, losses& lost);

// Calls `sink`, fills the cursor table, and erases rows whose session has gone.
void recover_rows(store_parts const& parts, broker::recovery_sink const& sink);

}  // namespace fulmar::storage
