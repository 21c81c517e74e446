// A page of one topic's history, forwards from a place or a time, or backwards from the newest: what REST and gRPC answer.
//
// Threads:  shard-owned: `done` runs on `here`, later or at once.
// Limits:   history_messages_max messages and about twice bytes_max bytes of payload per page.
// Cost:     as many pages of the log as it takes to find `limit` messages that the rule still lets anybody read.
#pragma once

#include "broker/clock.hpp"
#include "broker/session_store.hpp"

#include <functional>
#include <string>
#include <vector>

namespace fulmar::broker {

class shard;

inline constexpr std::size_t history_messages_default = 100;
inline constexpr std::size_t history_messages_max = 1'000;
inline constexpr std::size_t history_bytes_max = 8 * 1024 * 1024;

struct history_question
{
    app_id app = default_app;
    std::string topic;  // a valid name that the reader may read
    std::size_t limit = history_messages_default;
    bool reverse = false;
    log_sequence after = 0;
    log_sequence upto = log_end;
    wall_ms not_before = 0;
    std::size_t bytes_max = history_bytes_max;  // of the page's payloads, once this is reached nothing more is read
};

struct history_page
{
    bool kept = true;  // false: the topic keeps no history
    error_code error;  // the log cannot be read
    std::vector<logged_message> messages;
    bool gap = false;  // something of what was asked for is lost
    bool more = false;
    log_sequence next = 0;  // where to go on if there is more
};

void read_history(shard& here, history_question asked, std::function<void(history_page&&)> done);

}  // namespace fulmar::broker
