// The composition root: builds, starts, drains and stops everything.
//
// Threads:  serve runs on the main thread until a signal ends it; it starts one thread per shard.
#pragma once

#include "broker/exit_code.hpp"
#include "broker/settings.hpp"

namespace fulmar {

// Serves until SIGTERM or SIGINT. Returns an exit_code.
int serve(broker::settings const& settings);

}  // namespace fulmar
