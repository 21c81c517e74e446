// Which number each app has, for ever: the app_id under which its messages are stored.
//
// A small file in the data directory has one line per app that was ever configured, "<number> <configured id>". Numbers
// are given in the order in which apps first appear and never again to another one, so that neither removing an app nor
// changing the order in the configuration shows one app the messages of another. Number 0 is the app that MQTT clients
// use (default_app).
//
// Threads:  reads and writes files: the main thread, at start and at SIGHUP.
// Limits:   app_numbers_max numbers.
#pragma once

#include "broker/app.hpp"
#include "broker/errors.hpp"

#include <string>
#include <vector>

namespace fulmar::broker {

inline constexpr std::uint32_t app_numbers_max = 1'000'000;

// Gives every app of `apps` its id, and writes <data_dir>/apps when one of them is new (whole or not at all, synced).
// On failure nothing has changed and the answer says in one line what is wrong; empty: done.
[[nodiscard]] std::string number_apps(std::string const& data_dir, std::vector<app>& apps);

}  // namespace fulmar::broker
