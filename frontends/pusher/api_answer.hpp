// Answers of the HTTP API.
//
// Spec:     Pusher Channels HTTP API: JSON bodies; errors say in words what was wrong.
// Threads:  pure functions.
#pragma once

#include "frontends/net/http_message.hpp"
#include "frontends/pusher/channel_directory.hpp"
#include "frontends/pusher/trigger.hpp"

#include <string>
#include <string_view>

namespace fulmar::pusher {

[[nodiscard]] net::http_response json_answer(std::string body, unsigned status = 200);
// {"error":"..."}; 403 for an exhausted allowance and 503 say when to try again.
[[nodiscard]] net::http_response error_answer(unsigned status, std::string_view why, unsigned retry_after_s = 0);

// {"user_count":42,"subscription_count":51}: what was asked for and applies to this kind of channel.
void append_attributes(std::string& out, channel_state const& channel, channel_attributes const& wanted);

}  // namespace fulmar::pusher
