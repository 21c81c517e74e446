// The app of a broker without configured apps: generated once, kept in the data directory, printed at start.
//
// Threads:  reads and writes files; called by main before the shards start.
#pragma once

#include "broker/errors.hpp"
#include "broker/settings.hpp"

#include <string>

namespace fulmar::broker {

// The app in <data_dir>/development-app.toml; created with a random key and secret, readable by its owner only (0600),
// if it is not there. Fails with the system's error; with errc::bad_credentials if the file is not what was written.
[[nodiscard]] result<app> development_app(std::string const& data_dir);

}  // namespace fulmar::broker
