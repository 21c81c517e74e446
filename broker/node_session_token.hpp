// fulmar session-token: prints what a client shows to use a durable session. Part of the composition root.
#pragma once

#include "broker/settings.hpp"

#include <string>

namespace fulmar {

struct session_token_request
{
    std::string app;  // configured id; empty: the only one, or the development app
    std::string id;   // empty: a random one
};

// Prints the wsPath with the signed id. Otherwise says in one line why not.
[[nodiscard]] std::string print_session_token(broker::settings const& from, session_token_request const& wanted);

}  // namespace fulmar
