// What a client asks of /sse: topics, where to begin, in which form.
//
//   GET   ?topic=a/b&topic=c/%23 &since=<id|earliest|latest|10m|2026-01-31T12:00:00Z> &history=10 &format=raw|json|ndjson &session=NAME
//   POST  {"topics": [...], "since": ..., "history": ..., "format": ..., "session": ...}
//   Last-Event-ID: <id>   before ?last_event_id= and since
//
// Threads:  pure functions.
// Limits:   topics_max topics; history_events_max events of history; session_name_max characters; the body is bounded by
//           the route.
#pragma once

#include "broker/clock.hpp"
#include "broker/starting_point.hpp"
#include "frontends/net/http_message.hpp"
#include "frontends/sse/event.hpp"

#include <optional>
#include <string>
#include <vector>

namespace fulmar::sse {

using broker::starting_point;
inline constexpr std::size_t history_events_max = broker::history_newest_max;
inline constexpr std::size_t session_name_max = 64;

struct stream_request
{
    std::vector<std::string> topics;  // valid filters, each once
    starting_point begin;
    event_format format = event_format::raw;
    std::string ticket;
    std::string session;          // of letters, digits, '-' and '_'; empty: none
    bool came_back = false;       // `begin` is where the client itself says that it has got to
    bool was_taken_over = false;  // and its session was given to another reader there
};

// The id that a stream ends with when another reader takes over its session. EventSource comes back with it by itself, and is
// told to stop then.
[[nodiscard]] std::string taken_over_id(broker::log_sequence position);

struct read_request
{
    std::optional<stream_request> wanted;
    std::string problem;  // why not
};

[[nodiscard]] read_request read_stream_request(net::http_request const& from, std::size_t topics_max,
                                               broker::wall_ms now);

}  // namespace fulmar::sse
