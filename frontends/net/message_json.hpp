// How SSE and REST write a message, its place in the log, and times.
//
// An event id is opaque to clients. It is "<partition>.<sequence>" of a message; a client that sends it back gets what
// follows. It grants nothing: what is read is judged by the reader's own rights.
//
// Threads:  pure functions.
#pragma once

#include "broker/clock.hpp"
#include "broker/ids.hpp"
#include "broker/message.hpp"
#include "broker/starting_point.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace fulmar::net {

[[nodiscard]] std::string cursor_text(broker::log_sequence sequence);
// Nothing for what this broker never gave out.
[[nodiscard]] std::optional<broker::log_sequence> parse_cursor(std::string_view text) noexcept;

// {"id":…,"topic":…,"event":…,"data":…,"encoding":"base64","time":…} on one line; id and event if there are any, encoding
// if the payload is not UTF-8.
void append_message_json(std::string& out, broker::message const& m, broker::log_sequence sequence);

// "10m" (ago), "2026-01-31T12:00:00Z" or seconds since 1970: milliseconds since 1970.
[[nodiscard]] std::optional<broker::wall_ms> parse_time(std::string_view text, broker::wall_ms now);

// A position ("0.17"), "earliest" or "all", "latest", or a time. Nothing for anything else.
[[nodiscard]] std::optional<broker::starting_point> parse_since(std::string_view text, broker::wall_ms now);

}  // namespace fulmar::net
