// Which broker a client command talks to, and with what credentials.
//
// Flags come before the environment (FULMAR_URL, FULMAR_KEY, FULMAR_SECRET, FULMAR_TOKEN, FULMAR_CACERT). Without any
// credentials, and only towards this machine, those of the development app in the data directory are used.
//
// Threads:  pure but for reading that file.
#pragma once

#include "broker/web_address.hpp"
#include "frontends/cli/failure.hpp"

#include <functional>
#include <string>
#include <string_view>

namespace fulmar::cli {

inline constexpr std::string_view default_url = "http://127.0.0.1:8080";
inline constexpr std::string_view default_admin_url = "http://127.0.0.1:9090";

struct client_arguments
{
    std::string url;
    std::string key;
    std::string secret;
    std::string token;
    std::string cacert;
    std::string data_dir = "fulmar-data";
};

struct target
{
    broker::web_address address;
    std::string url;            // as it is shown
    std::string base;           // path that comes before every call's, without a slash at its end
    std::string authorization;  // header field; empty: none
    std::string identity;       // whose credentials these are, in words, without anything secret
    std::string cacert;         // empty: the system's
};

using environment = std::function<std::string(char const* name)>;  // empty: not set

[[nodiscard]] attempt<target> find_target(client_arguments const& arguments, environment const& variables);
// Only the address: of the admin listener.
[[nodiscard]] attempt<target> address_of(std::string url);

// For a path with slashes in it, and for a value in a query.
[[nodiscard]] std::string encoded_path(std::string_view text);
[[nodiscard]] std::string encoded_value(std::string_view text);

}  // namespace fulmar::cli
