// Asks an operator for a password: on a terminal without echo, else one line of standard input.
//
// Threads:  blocks, so command-line tools only.
// Limits:   1024 bytes.
#pragma once

#include "broker/errors.hpp"

#include <string>

namespace fulmar::auth {

// On a terminal the password is asked for twice. Fails with errc::bad_credentials if the two differ or nothing was
// entered, and with errc::message_too_large over the limit.
[[nodiscard]] broker::result<std::string> ask_password(std::string const& prompt);

}  // namespace fulmar::auth
