#include "broker/node_pusher.hpp"

#include "broker/app_index.hpp"
#include "broker/development_app.hpp"
#include "broker/shard.hpp"
#include "broker/text_file.hpp"
#include "frontends/admin/metric_writer.hpp"
#include "frontends/net/client_list.hpp"
#include "frontends/pusher/api.hpp"
#include "frontends/pusher/development_page.hpp"
#include "frontends/pusher/frontend.hpp"
#include "frontends/pusher/home_sessions.hpp"
#include "frontends/pusher/http_fallback.hpp"
#include "frontends/pusher/webhooks.hpp"

#include <algorithm>

namespace fulmar {

namespace {

// A client that is told to come back does so at once: they are told one after the other, a thousand in a second, but all
// of them in this time.
constexpr std::chrono::milliseconds drain_window_max{5000};

constexpr std::size_t pusher_js_bytes_max = 4 * 1024 * 1024;

}  // namespace

struct pusher_services::parts
{
    parts(broker::node_context& on, broker::apps_in_force const& apps, broker::settings const& values)
        : node{on},
          hooks{on, apps},
          sockets{std::make_unique<pusher::frontend>(on, apps, hooks)},
          fallback{std::make_unique<pusher::http_fallback>(on, *sockets, values.pusher.http_sessions_max)},
          api{on, apps, sockets->channels()},
          in_force{apps}
    {
    }

    broker::node_context& node;
    pusher::webhooks hooks;
    std::unique_ptr<pusher::frontend> sockets;
    std::unique_ptr<pusher::http_fallback> fallback;
    pusher::http_api api;
    broker::apps_in_force const& in_force;
};

broker::app_snapshot number_configured_apps(broker::settings const& from, std::string& problem)
{
    auto apps = from.apps;
    if (apps.empty()) {
        // Its number is that of the first app to be configured: nobody else's messages can be there yet.
        auto made = broker::development_app(from.node.data_dir);
        if (!made) {
            problem = from.node.data_dir + "/development-app.toml cannot be used: " + made.error().message() +
                      "; configure [[apps]], or delete the file to get another app";
            return nullptr;
        }
        apps.push_back(std::move(*made));
    } else if (problem = broker::number_apps(from.node.data_dir, apps); !problem.empty()) {
        return nullptr;
    }
    return std::make_shared<broker::app_registry>(std::move(apps));
}

pusher_services::pusher_services(broker::node_context& node, broker::apps_in_force const& apps,
                                 broker::settings const& values)
    : parts_{std::make_unique<parts>(node, apps, values)}
{
}

pusher_services::~pusher_services() = default;

void pusher_services::restore(broker::put_outbox_op&& row)
{
    parts_->hooks.restore(std::move(row), [this](broker::app_id app, std::string_view channel) {
        return parts_->sockets->channels().home_of(app, channel);
    });
}

void pusher_services::restore(broker::recovered_session&& stored)
{
    parts_->sockets->channels().restore(std::move(stored));
}

bool pusher_services::owns(broker::session_record const& record) const { return pusher::is_session_record(record); }

void pusher_services::add_clients(net::client_list& to)
{
    to.add_source([this](broker::shard& here, net::client_visitor& visitor) {
        if (parts_->fallback)
            parts_->fallback->at(here).visit_clients(visitor);
    });
}

void pusher_services::add_routes(net::http_router& routes)
{
    parts_->api.add_routes(routes);
    pusher::add_websocket_routes(routes, *parts_->sockets);
    parts_->fallback->add_routes(routes);
}

std::string pusher_services::add_page(net::http_router& routes, broker::settings const& values)
{
    if (!values.apps.empty())
        return {};
    std::string library;
    if (auto const& path = values.development.pusher_js; !path.empty()) {
        auto read = broker::read_text_file(path, pusher_js_bytes_max);
        if (!read)
            return "development.pusher_js: " + path + " cannot be read: " + read.error().message();
        library = std::move(*read);
    }
    pusher::add_development_page(routes, parts_->in_force.current()->apps().front().keys.front().key,
                                 std::move(library));
    return {};
}

void pusher_services::start() { parts_->hooks.start(); }

std::chrono::milliseconds pusher_services::drain_window() const
{
    auto const open = parts_->sockets->total(&pusher::pusher_metrics::connections);
    return std::min(drain_window_max, std::chrono::milliseconds{open});
}

std::size_t pusher_services::open_connections() const
{
    return parts_->sockets->total(&pusher::pusher_metrics::connections);
}

void pusher_services::drain(broker::shard& here, std::chrono::milliseconds window)
{
    parts_->sockets->drain(here, window);
}

broker::presence_directory& pusher_services::presence() noexcept { return parts_->sockets->channels(); }

void pusher_services::stop() { parts_->hooks.stop(); }

void pusher_services::release()
{
    parts_->hooks.stop();
    parts_->fallback.reset();
    parts_->sockets.reset();
}

namespace {

struct api_row
{
    char const* answer;
    broker::counter pusher::api_metrics::*what;
};
constexpr api_row refusals[] = {
    {"bad_request", &pusher::api_metrics::bad_request}, {"unauthorized", &pusher::api_metrics::unauthorized},
    {"forbidden", &pusher::api_metrics::forbidden},     {"not_found", &pusher::api_metrics::not_found},
    {"too_large", &pusher::api_metrics::too_large},     {"unavailable", &pusher::api_metrics::unavailable},
};

struct connection_row
{
    char const* name;
    char const* help;
    broker::counter pusher::pusher_metrics::*what;
    bool gauge;
};
constexpr connection_row connection_rows[] = {
    {"fulmar_pusher_connections", "Pusher connections open now", &pusher::pusher_metrics::connections, true},
    {"fulmar_pusher_connections_total", "Pusher connections established", &pusher::pusher_metrics::connections_total,
     false},
    {"fulmar_pusher_connections_refused_total", "Pusher connections closed before they were established",
     &pusher::pusher_metrics::connections_refused, false},
    {"fulmar_pusher_subscriptions", "Subscriptions of Pusher connections now", &pusher::pusher_metrics::subscriptions,
     true},
    {"fulmar_pusher_subscriptions_refused_total", "Subscriptions refused: signature, name or limit",
     &pusher::pusher_metrics::subscriptions_refused, false},
    {"fulmar_pusher_signins_total", "Users signed in", &pusher::pusher_metrics::signins, false},
    {"fulmar_pusher_signins_refused_total", "Sign-ins refused", &pusher::pusher_metrics::signins_refused, false},
    {"fulmar_pusher_client_events_total", "Client events published", &pusher::pusher_metrics::client_events, false},
    {"fulmar_pusher_client_events_refused_total", "Client events refused: rules or rate",
     &pusher::pusher_metrics::client_events_refused, false},
    {"fulmar_pusher_commands_refused_total", "Messages of clients that could not be understood",
     &pusher::pusher_metrics::commands_refused, false},
    {"fulmar_pusher_inactive_closed_total", "Connections closed with 4201", &pusher::pusher_metrics::inactive_closed,
     false},
    {"fulmar_pusher_unauthorized_closed_total", "Connections closed because nobody signed in in time",
     &pusher::pusher_metrics::unauthorized_closed, false},
    {"fulmar_pusher_terminated_total", "Connections closed by terminate_connections",
     &pusher::pusher_metrics::terminated, false},
    {"fulmar_pusher_sessions", "Durable sessions of Pusher connections, connected or away",
     &pusher::pusher_metrics::sessions, true},
    {"fulmar_pusher_sessions_refused_total", "Connections without the session they asked for: the app has too many",
     &pusher::pusher_metrics::sessions_refused, false},
    {"fulmar_pusher_sessions_taken_over_total", "Sessions that another connection took over",
     &pusher::pusher_metrics::sessions_taken_over, false},
    {"fulmar_pusher_sessions_expired_total", "Sessions whose connection did not come back in time",
     &pusher::pusher_metrics::sessions_expired, false},
    {"fulmar_pusher_session_gaps_total", "Channels of which a session could not get everything that it missed",
     &pusher::pusher_metrics::session_gaps, false},
    {"fulmar_pusher_events_replayed_total", "Events read from the log for sessions",
     &pusher::pusher_metrics::events_replayed, false},
    {"fulmar_pusher_cached_dropped_total", "Last events of cache channels forgotten because of the limits",
     &pusher::pusher_metrics::cached_dropped, false},
    {"fulmar_pusher_http_sessions", "Pusher connections over HTTP open now", &pusher::pusher_metrics::http_sessions,
     true},
    {"fulmar_pusher_http_sessions_total", "Pusher connections over HTTP begun",
     &pusher::pusher_metrics::http_sessions_total, false},
    {"fulmar_pusher_http_sessions_expired_total",
     "Pusher connections over HTTP whose client did not come back for more",
     &pusher::pusher_metrics::http_sessions_expired, false},
};

void write_api(pusher::http_api const& api, admin::metric_writer& out)
{
    auto const number = [&](broker::counter pusher::api_metrics::*what) {
        return static_cast<double>(api.total(what));
    };
    using pusher::api_metrics;
    out.counter("fulmar_pusher_triggers_total", "Triggers answered with success", number(&api_metrics::triggers));
    out.counter("fulmar_pusher_events_total", "Events published by triggers, one per channel",
                number(&api_metrics::events));
    out.counter("fulmar_pusher_queries_total", "Other requests answered with success", number(&api_metrics::queries));
    for (auto const& row : refusals)
        out.counter("fulmar_pusher_requests_refused_total", "Requests to the Pusher HTTP API refused", number(row.what),
                    {{"answer", row.answer}});
    out.counter("fulmar_pusher_requests_delayed_total", "Requests that waited for shards or store",
                number(&api_metrics::delayed));
    out.gauge("fulmar_pusher_requests_in_flight", "Requests that wait for their answers",
              number(&api_metrics::in_flight));
}

void write_webhooks(pusher::webhook_metrics const& hooks, admin::metric_writer& out)
{
    auto const help = "Webhook events by what became of them";
    auto const count = [&](char const* outcome, pusher::webhook_metrics::number const& value) {
        out.counter("fulmar_webhook_events_total", help, static_cast<double>(value.load(std::memory_order_relaxed)),
                    {{"outcome", outcome}});
    };
    count("delivered", hooks.delivered);
    count("expired", hooks.expired);
    count("overflowed", hooks.overflowed);
    count("unconfigured", hooks.unconfigured);
    count("cancelled", hooks.cancelled);
    out.counter("fulmar_webhook_retries_total", "Webhook events that failed and are tried again",
                static_cast<double>(hooks.retried.load(std::memory_order_relaxed)));
    out.gauge("fulmar_webhook_pending", "Webhook events that wait to be delivered",
              static_cast<double>(hooks.pending.load(std::memory_order_relaxed)));
}

}  // namespace

void pusher_services::write_metrics(admin::metric_writer& out) const
{
    for (auto const& row : connection_rows) {
        auto const sum = static_cast<double>(parts_->sockets->total(row.what));
        if (row.gauge)
            out.gauge(row.name, row.help, sum);
        else
            out.counter(row.name, row.help, sum);
    }
    auto const requests = "Requests of Pusher connections over HTTP: to receive, and to say something";
    auto const sum = [&](broker::counter pusher::pusher_metrics::*what) {
        return static_cast<double>(parts_->sockets->total(what));
    };
    out.counter("fulmar_pusher_http_requests_total", requests, sum(&pusher::pusher_metrics::http_receives),
                {{"what", "receive"}});
    out.counter("fulmar_pusher_http_requests_total", requests, sum(&pusher::pusher_metrics::http_sends),
                {{"what", "send"}});
    write_api(parts_->api, out);
    write_webhooks(parts_->hooks.metrics(), out);
}

}  // namespace fulmar
