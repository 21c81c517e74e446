// fulmar token: makes tokens, and explains them.
//
// Threads:  the main thread. Reads key files; talks to nobody.
// Limits:   auth::token_bytes_max, auth::key_file_bytes_max.
#pragma once

#include "broker/clock.hpp"
#include "broker/settings.hpp"
#include "frontends/cli/failure.hpp"
#include "frontends/cli/output.hpp"

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace fulmar::cli {

// Where keys come from: flags, else the [jwt] section of the configuration.
struct key_arguments
{
    std::string algorithm;
    std::string key_file;
    std::string jwks_file;
    broker::jwt_settings configured;
};

struct mint_arguments
{
    key_arguments keys;
    std::string subject;
    std::vector<std::string> publish;
    std::vector<std::string> subscribe;
    std::chrono::milliseconds ttl = std::chrono::hours{1};
    std::string app;
    std::string key_id;
    bool admin = false;
};

[[nodiscard]] attempt<exit_code> mint_token(mint_arguments const& arguments, broker::wall_ms now, output& out);

// exit_code::success only if a broker that is configured so would accept it.
[[nodiscard]] attempt<exit_code> explain_token(std::string_view token, key_arguments const& keys, broker::wall_ms now,
                                               output& out);

}  // namespace fulmar::cli
