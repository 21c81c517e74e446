// Whether settings that are each valid make sense together: listeners, credentials, TLS, files that must exist.
//
// Threads:  reads files, so not for shards.
#pragma once

#include "broker/config.hpp"

namespace fulmar::broker {

// Appends what is wrong to `c.problems` and what is doubtful to `c.warnings`.
void check_configuration(configuration& c);

// "10.0.0.0/8", "::1", "192.168.1.7".
[[nodiscard]] bool valid_network(std::string const& text) noexcept;

}  // namespace fulmar::broker
