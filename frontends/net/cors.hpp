// Which web pages may use an HTTP endpoint, and what a browser is told about it.
//
// Who sends no Origin is no web page. An allow-list is compared as a whole; without one, pages of the host that the client
// connects to and of this machine are allowed.
//
// Spec:     RFC 6454 §7 (Origin), WHATWG Fetch §3.2 (CORS protocol).
// Threads:  pure functions.
#pragma once

#include "frontends/net/http_message.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace fulmar::net {

// False: a web page asks that is not allowed to. `allowed` holds origins, or "*": any.
[[nodiscard]] bool origin_allowed(http_request const& request, std::vector<std::string> const& allowed);

// "https://example.org:8443" -> "example.org"; empty for anything that is not a web origin.
[[nodiscard]] std::string_view host_of_origin(std::string_view origin) noexcept;

// "localhost", 127.0.0.1 or [::1], as host_name gives it.
[[nodiscard]] bool loopback_host(std::string_view host) noexcept;

// Adds what lets an allowed page read the answer; Vary for all.
void add_cors(http_request const& request, std::vector<std::string> const& allowed, http_response& response);

// The answer to OPTIONS. `methods`: "GET, HEAD, POST".
[[nodiscard]] http_response preflight(http_request const& request, std::vector<std::string> const& allowed,
                                      std::string_view methods);

}  // namespace fulmar::net
