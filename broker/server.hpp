// The composition root: builds, starts, drains and stops everything.
//
// Threads:  serve runs on the main thread until a signal ends it; it starts one thread per shard.
#pragma once

#include "broker/settings.hpp"

namespace fulmar {

// What the process ends with; listed by `fulmar --help`.
enum class exit_code : int {
    success = 0,
    failure = 1,        // something that no other code describes
    usage = 2,          // the command line
    configuration = 3,  // a setting, or a file that a setting names
    listen = 4,         // an address or port cannot be used
    store = 5,          // the database cannot be opened, or is damaged
};

// Serves until SIGTERM or SIGINT. Returns an exit_code.
int serve(broker::settings const& settings);

}  // namespace fulmar
