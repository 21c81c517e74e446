// Memory for messages: blocks are kept for the next message instead of going back to the allocator one by one.
//
// A message is often built on one shard and dropped on another. Each thread therefore keeps free blocks of its own, and
// trades them with the others in batches through a depot.
//
// Owner:    nobody: one per process, because a message may be dropped anywhere.
// Threads:  any; one short lock per batch.
// Limits:   pool_block_max bytes per block (larger ones come from the allocator), two batches of 32 KiB per size and thread,
//           depot_bytes_max in the depot; what is beyond goes back to the allocator.
// Cost:     take and give are a few instructions. Under a sanitizer everything goes to the allocator.
#pragma once

#include <cstddef>

namespace fulmar::broker {

inline constexpr std::size_t pool_block_max = 1024;
inline constexpr std::size_t depot_bytes_max = 8 * 1024 * 1024;

[[nodiscard]] void* take_message_block(std::size_t bytes);
void give_message_block(void* block, std::size_t bytes) noexcept;  // `bytes` as they were taken

}  // namespace fulmar::broker
