// The rows of sessions, subscriptions, in-flight messages, groups and checkpoints, to and from Protobuf.
//
// Spec:     proto/storage.proto.
// Threads:  pure functions, any thread.
// Errors:   decoding gives nullopt for bytes that are not such a row or hold impossible values.
#pragma once

#include "broker/session_store.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fulmar::storage {

// The id is in the key, so it is not in the row.
[[nodiscard]] std::string encode_session(broker::session_record const& record);
[[nodiscard]] std::optional<broker::session_record> decode_session(broker::session_id id, std::string_view row);

[[nodiscard]] std::string encode_subscription(broker::subscription const& what);
[[nodiscard]] std::optional<broker::subscription> decode_subscription(std::string_view filter, std::string_view row);

[[nodiscard]] std::string encode_inflight(broker::inflight_record const& record);
[[nodiscard]] std::optional<broker::inflight_record> decode_inflight(broker::packet_id id, std::string_view row);

[[nodiscard]] std::string encode_group(std::string_view filter, broker::log_sequence cursor);
[[nodiscard]] std::optional<broker::recovered_group> decode_group(broker::filter_hash group, std::string_view row);

// Where the log stood at a moment: what retention by age and by bytes is decided with.
struct checkpoint
{
    broker::log_sequence sequence = 0;
    broker::wall_ms committed_at = 0;
    std::uint64_t record_bytes = 0;  // of all records ever logged up to here
};
[[nodiscard]] std::string encode_checkpoint(checkpoint const& at);
[[nodiscard]] std::optional<checkpoint> decode_checkpoint(broker::log_sequence sequence, std::string_view row);

// Messages of one filter with after < sequence <= upto, taken by retention before everybody had read them.
struct loss
{
    broker::log_sequence after = 0;
    broker::log_sequence upto = 0;
    std::uint64_t messages = 0;
};
[[nodiscard]] std::string encode_losses(std::vector<loss> const& losses);
[[nodiscard]] std::optional<std::vector<loss>> decode_losses(std::string_view row);

}  // namespace fulmar::storage
