// What a Pusher client says, decoded from its JSON text.
//
// Spec:     pusher-websockets-protocol, "Client -> Pusher Channels events".
// Threads:  pure functions.
// Limits:   json_depth_max levels; the length of the text is bounded by the WebSocket. Names, sizes and permissions are for
//           the caller to check.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fulmar::pusher {

enum class command_kind : std::uint8_t { ping, pong, subscribe, unsubscribe, signin, client_event, unknown };

struct client_command
{
    command_kind kind = command_kind::unknown;
    std::string event;
    std::string channel;
    std::string auth;                         // "": none
    std::optional<std::string> channel_data;  // exactly what was signed
    std::string user_data;                    // exactly what was signed
    std::string_view raw_data;                // client events: the JSON of `data`, a view into the text; empty: none
    std::optional<std::string> data_string;   // client events: its content, if it is a string
};

// Returns what is wrong with the text, or an empty view. `text` must outlive `out`.
[[nodiscard]] std::string_view decode(std::string_view text, client_command& out);

// Who joins a presence channel, as its channel_data says.
struct member_identity
{
    std::string user_id;    // as text, also of a number
    std::string id_json;    // as it was written
    std::string info_json;  // empty: none
};
[[nodiscard]] std::optional<member_identity> decode_channel_data(std::string_view text);

// Who signs in, as user_data says.
struct user_identity
{
    std::string id;
    std::string info_json;  // empty: none
    std::vector<std::string> watchlist;
    bool watchlist_cut = false;  // there were more than `watchlist_max`
};
[[nodiscard]] std::optional<user_identity> decode_user_data(std::string_view text, std::size_t watchlist_max);

}  // namespace fulmar::pusher
