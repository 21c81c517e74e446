// The [[history]] part of a configuration: reading, checking and showing it.
//
// A rule has a filter and may have app, max_age, max_messages and max_bytes.
//
// Threads:  pure functions, any thread.
// Limits:   history_rules_max rules.
#pragma once

#include "broker/config.hpp"
#include "broker/config_file.hpp"

#include <string>

namespace fulmar::broker {

// Puts the rules of the file into `c`; what is wrong is appended to its problems, with places.
void read_history(file_entries const& read, configuration& c);

// Rules that name no app, that say the same twice, or that outlive the log.
void check_history(configuration& c);

[[nodiscard]] std::string show_history(configuration const& c);

}  // namespace fulmar::broker
