#include "frontends/pusher/api.hpp"

#include "frontends/pusher/api_request.hpp"
#include "frontends/pusher/request_signature.hpp"

#include <algorithm>

namespace fulmar::pusher {

namespace {

using handling = void (*)(api_request_ptr const&);

constexpr std::size_t body_bytes_least = 1024 * 1024;
constexpr std::size_t body_bytes_most = 64 * 1024 * 1024;

// Everything that is the same for all endpoints: app, signature, allowance. Then the handler's own part.
void handle(http_api& api, net::http_request&& message, net::http_responder responder, handling next)
{
    auto& here = api.at(*message.home);
    auto apps = here.apps();
    auto const refuse = [&](unsigned status, std::string_view why, unsigned retry_after_s = 0) {
        responder.send(counted_error(here.metrics(), status, why, retry_after_s));
    };
    auto const* const app = apps->find_by_id(message.capture("id"));
    if (app == nullptr)
        return refuse(404, "there is no app with this id");
    auto verdict =
        verify_signature(*app, {message.method, message.target, message.path, message.body}, here.home().wall());
    if (!verdict.refusal.empty())
        return refuse(401, verdict.refusal);
    if (!app->enabled)
        return refuse(403, "this app is disabled");
    if (app->limits.api_requests_per_second != 0 && !api.within_rate(*app, here.home().now()))
        return refuse(403,
                      "over quota: this app may make " + std::to_string(app->limits.api_requests_per_second) +
                          " requests per second",
                      1);
    if (!here.begin(*app))
        return refuse(503, "too many requests of this app wait for their answers", 1);
    auto const request = std::make_shared<api_request>(api, here, apps, *app, std::move(message), std::move(responder));
    request->parameters = std::move(verdict.parameters);
    next(request);
}

broker::counter api_metrics::*counter_of(unsigned status) noexcept
{
    switch (status) {
    case 401: return &api_metrics::unauthorized;
    case 403: return &api_metrics::forbidden;
    case 404: return &api_metrics::not_found;
    case 413: return &api_metrics::too_large;
    case 503: return &api_metrics::unavailable;
    default: return &api_metrics::bad_request;
    }
}

}  // namespace

std::size_t api_body_bytes_max(broker::app_registry const& apps) noexcept
{
    auto most = body_bytes_least;
    for (auto const& app : apps.apps()) {
        auto const event = app.limits.encrypted_event_bytes() * 2 + 4096;  // escapes of JSON, names
        most = std::max({most, event * app.limits.events_per_batch,
                         event + std::size_t{app.limits.channels_per_trigger} * (app.limits.channel_name_bytes + 4)});
    }
    return std::min(most, body_bytes_most);
}

net::http_response counted_error(api_metrics& metrics, unsigned status, std::string_view why, unsigned retry_after_s)
{
    (metrics.*counter_of(status)).add();
    return error_answer(status, why, retry_after_s);
}

api_request::api_request(http_api& api, api_shard& here, broker::app_snapshot apps, broker::app const& app,
                         net::http_request&& request, net::http_responder responder)
    : api_{api},
      here_{here},
      apps_{std::move(apps)},
      app_{app},
      request_{std::move(request)},
      responder_{std::move(responder)}
{
}

api_request::~api_request() { here_.end(app_.id); }

void api_request::succeed(std::string body, broker::counter api_metrics::*counted, unsigned status)
{
    (here_.metrics().*counted).add();
    responder_.send(json_answer(std::move(body), status));
}

void api_request::refuse(unsigned status, std::string_view why, unsigned retry_after_s)
{
    responder_.send(counted_error(here_.metrics(), status, why, retry_after_s));
}

http_api::http_api(broker::node_context& node, broker::apps_in_force const& apps, channel_directory& channels)
    : apps_{apps}, channels_{channels}
{
    for (auto const& shard : node.shards)
        shards_.push_back(std::make_unique<api_shard>(*shard, apps));
}

http_api::~http_api() = default;

api_shard& http_api::at(broker::shard const& here) noexcept { return *shards_[here.id()]; }

std::uint64_t http_api::total(broker::counter api_metrics::*which) const noexcept
{
    std::uint64_t sum = 0;
    for (auto const& shard : shards_)
        sum += (std::as_const(*shard).metrics().*which).get();
    return sum;
}

bool http_api::within_rate(broker::app const& app, broker::steady_time now)
{
    auto const limit = static_cast<double>(app.limits.api_requests_per_second);
    std::lock_guard const lock{rate_mutex_};
    auto const [found, fresh] = allowances_.try_emplace(static_cast<std::uint32_t>(app.id), allowance{limit, now});
    auto& mine = found->second;
    auto const passed = std::chrono::duration<double>(now - mine.filled_at).count();
    mine.left = fresh ? limit : std::min(limit, mine.left + std::max(0.0, passed) * limit);
    mine.filled_at = now;
    if (mine.left < 1)
        return false;
    mine.left -= 1;
    return true;
}

void http_api::add_routes(net::http_router& routes)
{
    auto const body_bytes_max = api_body_bytes_max(*apps_.current());
    auto const on = [&](std::string_view method, std::string_view path, handling next, std::size_t body) {
        routes.on(
            method, path,
            [this, next](net::http_request&& request, net::http_responder responder) {
                handle(*this, std::move(request), std::move(responder), next);
            },
            body);
    };
    on("POST", "/apps/{id}/events", post_event, body_bytes_max);
    on("POST", "/apps/{id}/batch_events", post_batch, body_bytes_max);
    on("GET", "/apps/{id}/channels", get_channels, 0);
    on("GET", "/apps/{id}/channels/{channel}", get_channel, 0);
    on("GET", "/apps/{id}/channels/{channel}/users", get_users, 0);
    on("POST", "/apps/{id}/users/{user}/terminate_connections", post_termination, 4096);
    on("POST", "/apps/{id}/channels/{channel}/events", post_event_deprecated, body_bytes_max);
    on("GET", "/apps/{id}/channels/{channel}/stats", get_stats_deprecated, 0);
}

}  // namespace fulmar::pusher
