// Finds where to begin reading the history of one filter: a starting_point, made a position of the log.
//
// Limits of the rule (max_messages, max_bytes) are applied when one topic is asked for. With wildcards the newest
// messages are looked for in windows that grow, because a rule's stream also holds what the filter does not match.
//
// Owner:    itself, while the store reads; gives up when `still_wanted` says no.
// Threads:  shard-owned.
// Limits:   starting_point::count positions and one page of the log; window_max messages are looked at.
// Cost:     none for a position without limits of a rule; one read otherwise, with wildcards a few.
#pragma once

#include "broker/authenticator.hpp"
#include "broker/session_store.hpp"
#include "broker/starting_point.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace fulmar::broker {

class shard;

struct history_question
{
    app_id app = default_app;
    std::string filter;
    starting_point begin;
    std::vector<queue_filter> sources;  // history_rules::append_sources: not empty
    std::shared_ptr<permissions const> allowed;
};

struct history_place
{
    error_code error;        // the log cannot be read now
    log_sequence after = 0;  // everything asked for lies after this
    bool gap = false;        // something that was asked for is no longer there
};

// `done` runs on `home`, at once if nothing has to be read.
void find_history_place(shard& home, history_question question, std::function<void(history_place const&)> done);

}  // namespace fulmar::broker
