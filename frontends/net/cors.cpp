#include "frontends/net/cors.hpp"

#include "frontends/net/http_rules.hpp"

#include <algorithm>

namespace fulmar::net {

namespace {

[[nodiscard]] bool listed(std::vector<std::string> const& allowed, std::string_view name) noexcept
{
    return std::find(allowed.begin(), allowed.end(), name) != allowed.end();
}

}  // namespace

std::string_view host_of_origin(std::string_view origin) noexcept
{
    for (std::string_view const scheme : {"http://", "https://"})
        if (origin.starts_with(scheme))
            return host_name(origin.substr(scheme.size()));
    return {};
}

bool loopback_host(std::string_view host) noexcept
{
    return same_token(host, "localhost") || host == "127.0.0.1" || host == "[::1]";
}

bool origin_allowed(http_request const& request, std::vector<std::string> const& allowed)
{
    auto const lines = request.count("Origin");
    if (lines == 0)
        return true;
    auto const origin = request.header("Origin");
    if (lines > 1)
        return false;
    if (!allowed.empty())
        return listed(allowed, "*") || listed(allowed, origin);
    auto const host = host_of_origin(origin);
    return !host.empty() && (same_token(host, host_name(request.header("Host"))) || loopback_host(host));
}

void add_cors(http_request const& request, std::vector<std::string> const& allowed, http_response& response)
{
    response.headers.push_back({"Vary", "Origin"});
    if (request.count("Origin") == 0 || !origin_allowed(request, allowed))
        return;
    // An answer for any origin is one without credentials.
    auto const any = listed(allowed, "*");
    response.headers.push_back({"Access-Control-Allow-Origin", any ? "*" : std::string{request.header("Origin")}});
    if (!any)
        response.headers.push_back({"Access-Control-Allow-Credentials", "true"});
    response.headers.push_back({"Access-Control-Expose-Headers", "Location, Retry-After, WWW-Authenticate"});
}

http_response preflight(http_request const& request, std::vector<std::string> const& allowed, std::string_view methods)
{
    http_response answer{204, {}, {{"Allow", std::string{methods}}}, {}};
    add_cors(request, allowed, answer);
    if (request.count("Access-Control-Request-Method") == 0 || !origin_allowed(request, allowed))
        return answer;
    answer.headers.push_back({"Access-Control-Allow-Methods", std::string{methods}});
    answer.headers.push_back(
        {"Access-Control-Allow-Headers", "Authorization, Content-Type, Idempotency-Key, Last-Event-ID, Cache-Control"});
    answer.headers.push_back({"Access-Control-Max-Age", "600"});
    return answer;
}

}  // namespace fulmar::net
