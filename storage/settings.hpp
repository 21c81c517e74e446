// Everything about the store that an operator can choose. broker/config fills it in; docs/storage.md explains it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>

namespace fulmar::storage {

enum class durability : std::uint8_t {
    fsync,  // acknowledged means: survives power loss
    os,     // acknowledged means: survives the death of the process, not of the machine
};

struct store_settings
{
    std::filesystem::path path;  // a folder of our own, created with mode 0700
    storage::durability durability = storage::durability::fsync;
    std::uint64_t retention_age_s = 7 * 24 * 3600;            // 0: no limit. Older messages go, read or not
    std::uint64_t retention_bytes = std::uint64_t{10} << 30;  // 0: no limit. Of records; files lag a little behind
    std::optional<std::uint64_t> history_ms;  // the log is held at least so long, read or not; 0: until retention
    std::size_t block_cache_bytes = std::size_t{32} << 20;
    std::size_t write_buffer_bytes = std::size_t{64} << 20;  // all memtables together
    std::size_t message_cache_bytes = std::size_t{32} << 20;
    std::uint64_t wal_bytes_max = std::uint64_t{64} << 20;   // bounds the time of a restart
    std::uint64_t min_free_bytes = std::uint64_t{64} << 20;  // on a small disk 5 % of it, if that is less
    unsigned readers = 1;                                    // threads that read queues back
    std::uint32_t maintenance_interval_ms = 1'000;           // 0: only when durable_store::maintain is called
};

}  // namespace fulmar::storage
