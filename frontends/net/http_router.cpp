#include "frontends/net/http_router.hpp"

#include <algorithm>

namespace fulmar::net {

namespace {

[[nodiscard]] std::vector<std::string_view> split(std::string_view path)
{
    std::vector<std::string_view> segments;
    segments.reserve(static_cast<std::size_t>(std::count(path.begin(), path.end(), '/')));
    for (std::size_t at = 1; at <= path.size();) {
        auto const slash = std::min(path.find('/', at), path.size());
        segments.push_back(path.substr(at, slash - at));
        at = slash + 1;
    }
    return segments;
}

[[nodiscard]] bool captures(std::string_view segment) noexcept
{
    return segment.size() > 2 && segment.front() == '{' && segment.back() == '}';
}

[[nodiscard]] bool captures_rest(std::string_view segment) noexcept { return segment.ends_with("*}"); }

// How many segments match literally, or nullopt if the path does not match at all.
[[nodiscard]] std::optional<std::size_t> match(http_route const& route, std::vector<std::string_view> const& path)
{
    auto const& segments = route.segments;
    auto const open_end = !segments.empty() && captures_rest(segments.back());
    if (open_end ? segments.size() > path.size() : segments.size() != path.size())
        return std::nullopt;
    std::size_t literal = 0;
    for (std::size_t i = 0; i < segments.size(); ++i) {
        if (route.segments[i] == path[i])
            ++literal;
        else if (!captures(route.segments[i]) || path[i].empty())
            return std::nullopt;
    }
    return literal;
}

void capture(http_route const& route, std::vector<std::string_view> const& path, std::vector<http_field>& out)
{
    for (std::size_t i = 0; i < route.segments.size(); ++i) {
        auto const& pattern = route.segments[i];
        if (!captures(pattern) || (pattern == path[i] && !captures_rest(pattern)))
            continue;
        if (!captures_rest(pattern)) {
            out.push_back({pattern.substr(1, pattern.size() - 2), std::string{path[i]}});
            continue;
        }
        auto rest = std::string{path[i]};
        for (auto next = i + 1; next < path.size(); ++next)
            rest.append("/").append(path[next]);
        out.push_back({pattern.substr(1, pattern.size() - 3), std::move(rest)});
    }
}

[[nodiscard]] bool accepts(http_route const& route, std::string_view method) noexcept
{
    return route.method.empty() || route.method == method || (method == "HEAD" && route.method == "GET");
}

// The methods of all routes with that path, as Allow lists them.
[[nodiscard]] std::string allowed_methods(std::vector<std::unique_ptr<http_route>> const& routes,
                                          std::vector<std::string_view> const& path)
{
    std::string allowed;
    for (auto const& route : routes) {
        if (!match(*route, path))
            continue;
        auto const listed = route->method.empty() ? std::string{"GET"} : route->method;
        if (allowed.find(listed) == std::string::npos)
            allowed += (allowed.empty() ? "" : ", ") + listed + (listed == "GET" ? ", HEAD" : "");
    }
    return allowed;
}

}  // namespace

http_route& http_router::add(std::string_view method, std::string_view pattern)
{
    auto& route = *routes_.emplace_back(std::make_unique<http_route>());
    route.method = method;
    for (auto const segment : split(pattern))
        route.segments.emplace_back(segment);
    return route;
}

void http_router::get(std::string_view pattern, http_handler handler)
{
    add("GET", pattern).handler = std::move(handler);
}

void http_router::post(std::string_view pattern, http_handler handler, std::size_t body_bytes_max)
{
    auto& route = add("POST", pattern);
    route.handler = std::move(handler);
    route.body_bytes_max = body_bytes_max;
}

void http_router::on(std::string_view method, std::string_view pattern, http_async_handler handler,
                     std::size_t body_bytes_max)
{
    auto& route = add(method, pattern);
    route.async_handler = std::move(handler);
    route.body_bytes_max = body_bytes_max;
}

void http_router::upgrade(std::string_view pattern, websocket_route route)
{
    add("GET", pattern).websocket = std::make_unique<websocket_route>(std::move(route));
}

http_router::found http_router::find(std::string_view method, std::string_view path, bool upgrading) const
{
    found best;
    auto const segments = split(path);
    std::size_t best_score = 0;
    for (auto const& route : routes_) {
        auto const literal = accepts(*route, method) ? match(*route, segments) : std::nullopt;
        if (!literal)
            continue;
        // Among equals, a WebSocket route is for those who ask for one.
        auto const score = 1 + 2 * *literal + (upgrading == (route->websocket != nullptr) ? 1U : 0U);
        if (score > best_score) {
            best_score = score;
            best.route = route.get();
        }
    }
    if (best.route != nullptr)
        capture(*best.route, segments, best.captures);
    else
        best.allowed = allowed_methods(routes_, segments);
    return best;
}

}  // namespace fulmar::net
