// The keys of every column family: built and taken apart here and nowhere else.
//
// Spec:     docs/storage.md, "Keys". All integers are big endian, so that byte order is numeric order.
// Threads:  pure functions, any thread.
#pragma once

#include "broker/ids.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace fulmar::storage::key {

template <std::size_t Size>
struct fixed
{
    std::array<char, Size> bytes;
    [[nodiscard]] std::string_view view() const noexcept { return {bytes.data(), Size}; }
};

// log: partition u16, sequence u64
[[nodiscard]] fixed<10> log(broker::log_sequence sequence) noexcept;
[[nodiscard]] std::optional<broker::log_sequence> parse_log(std::string_view key) noexcept;

// index: filter hash u64, sequence u64
struct index_entry
{
    broker::filter_hash filter{};
    broker::log_sequence sequence = 0;
};
[[nodiscard]] fixed<16> index(broker::filter_hash filter, broker::log_sequence sequence) noexcept;
[[nodiscard]] std::optional<index_entry> parse_index(std::string_view key) noexcept;

// The value of an index entry: the size of the record, u32. Empty in rows of older versions.
[[nodiscard]] fixed<4> size(std::size_t record_bytes) noexcept;
[[nodiscard]] std::uint32_t parse_size(std::string_view value) noexcept;

// sessions, cursors: session id u64
[[nodiscard]] fixed<8> session(broker::session_id id) noexcept;
[[nodiscard]] std::optional<broker::session_id> parse_session(
    std::string_view key) noexcept;  // also a longer key's prefix

// subscriptions: session id u64, filter
[[nodiscard]] std::string subscription(broker::session_id id, std::string_view filter);
[[nodiscard]] std::string_view subscription_filter(std::string_view key) noexcept;

// inflight: session id u64, direction u8 (1 = from the client), packet identifier u16
struct inflight_entry
{
    broker::session_id session{};
    bool incoming = false;
    broker::packet_id packet = 0;
    friend bool operator==(inflight_entry const&, inflight_entry const&) = default;
};
[[nodiscard]] fixed<11> inflight(inflight_entry const& entry) noexcept;
[[nodiscard]] std::optional<inflight_entry> parse_inflight(std::string_view key) noexcept;

// retained: app u32, topic
[[nodiscard]] std::string retained(broker::app_id app, std::string_view topic);

// groups: filter hash u64
[[nodiscard]] fixed<8> group(broker::filter_hash group) noexcept;
[[nodiscard]] std::optional<broker::filter_hash> parse_group(std::string_view key) noexcept;

// outbox: id u64, as number(); its rows are their writer's
[[nodiscard]] std::optional<std::uint64_t> parse_outbox(std::string_view key) noexcept;

// meta: names
inline constexpr std::string_view schema_version = "schema_version";
inline constexpr std::string_view node_id = "node_id";
inline constexpr std::string_view low_water = "low_water";
inline constexpr std::string_view log_end = "log_end";                // written by repair: sequences go on after it
inline constexpr std::string_view checkpoint_prefix = "checkpoint/";  // + sequence u64
inline constexpr std::string_view lost_prefix = "lost/";              // + filter hash u64
[[nodiscard]] std::string checkpoint(broker::log_sequence sequence);
[[nodiscard]] std::string lost(broker::filter_hash filter);
[[nodiscard]] std::optional<std::uint64_t> parse_suffix(std::string_view key, std::string_view prefix) noexcept;

// The value of cursors and of low_water: u64.
[[nodiscard]] fixed<8> number(std::uint64_t value) noexcept;
[[nodiscard]] std::optional<std::uint64_t> parse_number(std::string_view value) noexcept;

// The first key behind everything that begins with `prefix`; empty if there is none.
[[nodiscard]] std::string after_prefix(std::string_view prefix);

}  // namespace fulmar::storage::key
