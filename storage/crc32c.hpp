// CRC-32C (Castagnoli), the checksum of stored records and of RocksDB's write-ahead log.
//
// Spec:     RFC 3720 appendix B.4.
// Threads:  pure, any thread.
// Cost:     about 8 bytes per cycle where the processor has the instruction (SSE 4.2), else a table look-up per byte.
#pragma once

#include <cstdint>
#include <string_view>

namespace fulmar::storage {

// Continues `crc` (0 to begin) over `bytes`.
[[nodiscard]] std::uint32_t crc32c(std::string_view bytes, std::uint32_t crc = 0) noexcept;

}  // namespace fulmar::storage
