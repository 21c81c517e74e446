#include "broker/node_http.hpp"

#include "broker/node_token_keys.hpp"
#include "broker/session_table.hpp"
#include "broker/shard.hpp"
#include "frontends/admin/metric_writer.hpp"
#include "frontends/admin/node_totals.hpp"
#include "frontends/auth/token_authenticator.hpp"
#include "frontends/net/http_access.hpp"
#include "frontends/rest/rest_frontend.hpp"
#include "frontends/sse/sse_frontend.hpp"

#include <boost/asio/steady_timer.hpp>

namespace fulmar {

using namespace std::chrono_literals;

namespace {

constexpr auto expiry_period = 1s;

[[nodiscard]] net::http_access_options access_options_of(broker::settings const& s)
{
    return {s.http.allowed_origins, broker::effective_anonymous(s) != broker::anonymous_policy::everybody};
}

[[nodiscard]] sse::sse_options sse_options_of(broker::settings const& s)
{
    sse::sse_options made;
    made.topics_max = s.http.topics_per_stream;
    made.keep_alive = s.http.keep_alive;
    made.session_expiry_s = static_cast<std::uint32_t>(s.http.session_expiry / 1s);
    return made;
}

[[nodiscard]] rest::rest_options rest_options_of(broker::settings const& s)
{
    rest::rest_options made;
    made.event_bytes_max = s.http.event_bytes_max;
    made.idempotency_window = s.http.idempotency_window;
    made.retain_available = s.mqtt.retain_available;
    return made;
}

}  // namespace

struct http_services::parts
{
    parts(broker::node_context& on, broker::apps_in_force const& apps, broker::authenticator& users,
          broker::presence_directory& presence, net::client_list const& clients, broker::settings const& values)
        : node{on},
          tokens{users, values.jwt, on.clock,
                 [&apps](std::string_view id) -> std::optional<broker::app_id> {
                     if (id.empty())
                         return broker::default_app;
                     auto const all = apps.current();
                     auto const* const found = all->find_by_id(id);
                     return found == nullptr || !found->enabled ? std::nullopt : std::optional{found->id};
                 }},
          tickets{values.http.ticket_lifetime},
          access{tokens, apps, tickets, access_options_of(values)},
          streams{on, access, sse_options_of(values)},
          calls{on, access, presence, clients, rest_options_of(values)},
          timer{on.shards.front()->io()}
    {
        if (!values.jwt.algorithm.empty() && !values.jwt.jwks_url.empty())
            key_fetcher.emplace(tokens, values.jwt);
    }

    void watch_tokens()
    {
        timer.expires_after(expiry_period);
        timer.async_wait([this](broker::error_code error) {
            if (error)
                return;
            for (auto const& ended : tokens.take_ended())
                node.shards.front()->sessions().kick(ended.app, ended.client_id, false);
            watch_tokens();
        });
    }

    broker::node_context& node;
    auth::token_authenticator tokens;
    std::optional<token_key_fetcher> key_fetcher;
    net::http_tickets tickets;
    net::http_access access;
    sse::sse_frontend streams;
    rest::rest_frontend calls;
    boost::asio::steady_timer timer;
};

std::shared_ptr<broker::history_rules const> history_rules_of(broker::settings const& from,
                                                              broker::app_registry const& apps)
{
    std::vector<broker::history_rule> rules;
    for (auto const& each : from.history) {
        broker::history_rule rule;
        if (auto const* const app = each.app.empty() ? nullptr : apps.find_by_id(each.app); app != nullptr)
            rule.app = app->id;
        else if (!each.app.empty())
            continue;  // checked when the configuration was read
        rule.filter = each.filter;
        rule.max_age_ms = static_cast<std::uint64_t>(each.max_age.count());
        rule.max_messages = each.max_messages;
        rule.max_bytes = each.max_bytes;
        rules.push_back(std::move(rule));
    }
    return std::make_shared<broker::history_rules const>(std::move(rules));
}

http_services::http_services(broker::node_context& node, broker::apps_in_force const& apps,
                             broker::authenticator& users, broker::presence_directory& presence,
                             net::client_list const& clients, broker::settings const& values)
    : parts_{std::make_unique<parts>(node, apps, users, presence, clients, values)}
{
}

http_services::~http_services() = default;

broker::authenticator& http_services::authenticator() noexcept { return parts_->tokens; }

net::http_access const& http_services::access() const noexcept { return parts_->access; }

void http_services::add_routes(net::http_router& routes)
{
    parts_->streams.add_routes(routes);
    parts_->calls.add_routes(routes);
}

void http_services::start()
{
    parts_->watch_tokens();
    if (parts_->key_fetcher)
        parts_->key_fetcher->start();
}

void http_services::close_streams(broker::shard_id shard) { parts_->streams.close_streams(shard); }

namespace {

void write_session_metrics(admin::metric_writer& out, broker::node_context const& node)
{
    auto const total = [&node](broker::counter broker::shard_metrics::*what) {
        return static_cast<double>(admin::total(node, what));
    };
    using metrics = broker::shard_metrics;
    out.gauge("fulmar_sse_sessions", "SSE sessions, with a reader or waiting for one",
              total(&metrics::reader_sessions));
    out.counter("fulmar_sse_sessions_expired_total", "SSE sessions that waited too long for their reader",
                total(&metrics::reader_sessions_expired));
    out.counter("fulmar_sse_sessions_refused_total", "SSE sessions refused: somebody else's, too many, or not stored",
                total(&metrics::reader_sessions_refused));
    out.counter("fulmar_sse_sessions_taken_over_total", "SSE sessions taken over by another reader",
                total(&metrics::reader_sessions_taken_over));
}

}  // namespace

std::optional<std::string> http_services::reload() { return parts_->tokens.reload(); }

void http_services::write_metrics(admin::metric_writer& out) const
{
    struct row
    {
        char const* name;
        char const* help;
        broker::counter sse::stream_metrics::*what;
    };
    constexpr row rows[] = {
        {"fulmar_sse_streams_total", "SSE streams opened", &sse::stream_metrics::opened},
        {"fulmar_sse_refused_total", "SSE requests refused", &sse::stream_metrics::refused},
        {"fulmar_sse_replayed_total", "Messages that SSE streams read from the log", &sse::stream_metrics::replayed},
        {"fulmar_sse_gaps_total", "SSE clients told that something is missing", &sse::stream_metrics::gaps},
        {"fulmar_sse_slow_closed_total", "SSE streams closed because the client did not read",
         &sse::stream_metrics::slow},
    };
    auto const& streams = parts_->streams;
    std::size_t open = 0;
    for (std::size_t i = 0; i < streams.shard_count(); ++i)
        open += streams.open_streams(static_cast<broker::shard_id>(i));
    out.gauge("fulmar_sse_streams", "SSE streams open now", static_cast<double>(open));
    for (auto const& each : rows) {
        std::uint64_t sum = 0;
        for (std::size_t i = 0; i < streams.shard_count(); ++i)
            sum += (streams.metrics(static_cast<broker::shard_id>(i)).*each.what).get();
        out.counter(each.name, each.help, static_cast<double>(sum));
    }
    write_session_metrics(out, parts_->node);
    out.counter("fulmar_rest_requests_total", "REST requests", static_cast<double>(parts_->calls.requests()));
    out.counter("fulmar_rest_published_total", "Messages published over REST",
                static_cast<double>(parts_->calls.published()));
    auto const help = "Tokens checked, by outcome";
    out.counter("fulmar_tokens_total", help, static_cast<double>(parts_->tokens.accepted()), {{"outcome", "accepted"}});
    out.counter("fulmar_tokens_total", help, static_cast<double>(parts_->tokens.refused()), {{"outcome", "refused"}});
    if (parts_->key_fetcher)
        parts_->key_fetcher->write_metrics(out);
}

}  // namespace fulmar
