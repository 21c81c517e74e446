// Events as the JSON text that Pusher clients read.
//
// `data` of published events is a JSON string that holds exactly what was published (clients decode twice); that of
// pusher:error, pusher:subscription_error and of client events is the value itself.
//
// Spec:     pusher-websockets-protocol, "Double encoding", "System events".
// Threads:  pure functions.
// Cost:     one pass over the text; nothing is allocated but the result.
#pragma once

#include "broker/message.hpp"
#include "broker/subscriber.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace fulmar::pusher {

// Appends `text` as a JSON string with its quotes. Expects valid UTF-8.
void append_json_string(std::string& out, std::string_view text);

// {"event":..,"channel":..,"data":..}: a message without event name is event "message"; a payload that is no UTF-8 is
// base64 with "encoding":"base64"; client events on presence channels have "user_id".
void append_event(std::string& out, broker::message const& m);

// The user property that names the sender of a client event on a presence channel.
inline constexpr std::string_view user_id_property = "user_id";
// Content type of a client event whose data is a JSON value other than a string.
inline constexpr std::string_view json_content_type = "application/json";

// One complete text WebSocket frame, appended.
void append_text_frame(std::vector<char>& out, std::string_view text);

// Events as pre-encoded WebSocket frames, the same bytes for every receiver.
class event_variant final : public broker::wire_variant
{
public:
    void encode(broker::message const& m, bool retain_flag, broker::wall_ms now, std::vector<char>& out) const override;
};

// --- what the broker itself says --------------------------------------------------------------------------------
[[nodiscard]] std::string connection_established(std::string_view socket_id, unsigned activity_timeout_s);
// `code` 0: null.
[[nodiscard]] std::string error_event(std::string_view text, unsigned code = 0);
[[nodiscard]] std::string subscription_error(std::string_view channel, std::string_view type, std::string_view text,
                                             unsigned status);
// `payload` is the text that becomes the JSON string `data`.
[[nodiscard]] std::string channel_event_text(std::string_view event, std::string_view channel,
                                             std::string_view payload);
[[nodiscard]] std::string cache_miss(std::string_view channel);
[[nodiscard]] std::string signin_success(std::string_view user_data);
// Both lists may be empty.
[[nodiscard]] std::string watchlist_events(std::vector<std::string> const& online,
                                           std::vector<std::string> const& offline);
inline constexpr std::string_view pong_event = R"({"event":"pusher:pong","data":{}})";
inline constexpr std::string_view ping_event = R"({"event":"pusher:ping","data":{}})";

}  // namespace fulmar::pusher
