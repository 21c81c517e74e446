// The client commands of `fulmar`: pub, sub, history, top, token.
//
// Owner:    main; `result` outlives the parsing.
// Threads:  the main thread.
#pragma once

#include <functional>
#include <string>

#include <CLI/CLI.hpp>

namespace fulmar::broker {
struct jwt_settings;
}

namespace fulmar::cli {

// Reads the [jwt] settings of a configuration file (empty: the environment's), complaining itself; false: it is not usable.
using jwt_reader = std::function<bool(std::string const& file, broker::jwt_settings& out)>;

// Adds the commands to `app`; what one of them ends with is put into `result`.
void add_commands(CLI::App& app, jwt_reader read_jwt, int& result);

}  // namespace fulmar::cli
