// One event on its way to one webhook, as it is kept in the store until it was delivered or given up.
//
// Spec:     Pusher Channels, "Webhooks".
// Threads:  plain values, pure functions.
// Limits:   a stored row that does not decode is dropped, with a log line.
#pragma once

#include "broker/clock.hpp"
#include "broker/ids.hpp"
#include "frontends/pusher/channel_events.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fulmar::pusher {

struct webhook_item
{
    std::uint64_t id = 0;       // of its row in the store
    broker::shard_id home = 0;  // the shard through which that row is erased
    broker::app_id app = broker::default_app;
    std::string url;  // must still be configured when it is sent
    broker::wall_ms happened_at = 0;
    std::string event;        // JSON: {"name":"channel_occupied","channel":"x"}
    std::string delayed_key;  // not empty: of a channel_vacated or member_removed that may still be taken back
};

[[nodiscard]] std::string encode_row(webhook_item const& item);
[[nodiscard]] std::optional<webhook_item> decode_row(std::uint64_t id, std::string_view row);

// The element of "events" that says what happened.
[[nodiscard]] std::string event_text(channel_event const& what);

// {"time_ms":..,"events":[..]}
[[nodiscard]] std::string webhook_body(broker::wall_ms time, std::vector<webhook_item> const& items);

// What a departure and the return that takes it back have in common: kind, channel and user. Empty for other kinds.
[[nodiscard]] std::string departure_key(channel_event const& what);
[[nodiscard]] std::string return_key(channel_event const& what);

}  // namespace fulmar::pusher
