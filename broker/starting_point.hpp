// Where the reading of a topic's history begins; the same for every protocol.
//
// Threads:  a value.
#pragma once

#include "broker/clock.hpp"
#include "broker/ids.hpp"

#include <cstddef>

namespace fulmar::broker {

// A client may ask for so many of the newest messages.
inline constexpr std::size_t history_newest_max = 1'000;

struct starting_point
{
    enum class kind : std::uint8_t {
        now,
        cursor,    // after `sequence`, which the client has seen
        earliest,  // with the oldest message there is
        time,      // with what was published at `time` or later
        newest,    // with the newest `count` messages
    };
    kind what = kind::now;
    log_sequence sequence = 0;
    wall_ms time = 0;
    std::size_t count = 0;
};

// Where one topic of a durable reader begins: what follows `logged` is in the log whether or not the topic keeps a history; of
// its history it gets what follows `history`.
struct topic_begin
{
    log_sequence logged = 0;
    log_sequence history = 0;
};

}  // namespace fulmar::broker
