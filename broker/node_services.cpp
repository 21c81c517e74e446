// What the broker speaks and where it listens.
#include "broker/log.hpp"
#include "broker/node.hpp"
#include "broker/node_grpc.hpp"
#include "broker/node_http.hpp"
#include "broker/node_metrics.hpp"
#include "broker/node_pusher.hpp"
#include "broker/server.hpp"
#include "frontends/admin/admin_frontend.hpp"
#include "frontends/admin/sys_topics.hpp"
#include "frontends/auth/file_authenticator.hpp"
#include "frontends/net/conformance.hpp"

#include <sys/resource.h>
#include <algorithm>

namespace fulmar {

namespace {

// Listening sockets per address and shard: so many queues of net.core.somaxconn, so that 16,384 clients can come at once
// while a shard is busy with those that came before.
constexpr std::size_t accept_queues = 4;

[[noreturn]] void fail(exit_code code, std::string what)
{
    throw start_failure{static_cast<int>(code), std::move(what)};
}

[[nodiscard]] mqtt::mqtt_settings mqtt_settings_of(broker::settings const& s)
{
    mqtt::mqtt_settings made;
    made.maximum_packet_size = s.mqtt.maximum_packet_size;
    made.topic_alias_maximum = s.mqtt.topic_alias_maximum;
    made.keep_alive_max_s = s.mqtt.keep_alive_max;
    made.connect_timeout_ms = static_cast<std::uint32_t>(s.mqtt.connect_timeout.count());
    made.max_qos = static_cast<std::uint8_t>(s.mqtt.max_qos);
    made.retain_available = s.mqtt.retain_available;
    made.server_reference = s.mqtt.server_reference;
    if (!made.server_reference.empty())
        made.redirect = mqtt::redirection::when_draining;
    return made;
}

[[nodiscard]] net::client_certificates certificates_of(broker::client_certificates wanted)
{
    switch (wanted) {
    case broker::client_certificates::optional: return net::client_certificates::optional;
    case broker::client_certificates::required: return net::client_certificates::required;
    case broker::client_certificates::no: break;
    }
    return net::client_certificates::none;
}

// Every connection is a file descriptor: take as many as the system allows.
void raise_descriptor_limit()
{
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

}  // namespace

void node::build_services()
{
    raise_descriptor_limit();
    try {
        authenticator_ = std::make_unique<auth::file_authenticator>(auth::options_from(settings_));
        http_ = std::make_unique<http_services>(*context_, *apps_, *authenticator_, pusher_->presence(), clients_,
                                                settings_);
    } catch (std::exception const& problem) {
        fail(exit_code::configuration, problem.what());
    }
    auto const bad_peers = std::make_shared<broker::rate_limited_log>("client refused");
    // Holds an atomic and has no constructor: make_unique cannot build it.
    // NOLINTNEXTLINE(modernize-make-unique)
    mqtt_.reset(new mqtt::frontend_context{
        mqtt_settings_of(settings_), http_->authenticator(), variants_,
        [bad_peers](net::peer const& who, std::string_view what) {
            (*bad_peers)(broker::log_level::warning, {{"peer", who.address}, {"port", who.port}, {"reason", what}});
        }});
    auto const& listeners = settings_.listeners;
    if (listeners.mqtts.enabled || listeners.https.enabled) {
        tls_ = std::make_shared<net::tls_context>();
        std::string problem;
        if (tls_->load({settings_.tls.cert, settings_.tls.key, settings_.tls.client_ca,
                        certificates_of(settings_.tls.client_certificates)},
                       problem))
            fail(exit_code::configuration, problem);
    }
    if (!settings_.proxy_protocol.trusted.empty()) {
        proxies_ = std::make_shared<net::trusted_networks>();
        for (auto const& text : settings_.proxy_protocol.trusted) {
            if (!proxies_->add(text))
                fail(exit_code::configuration,
                     "proxy_protocol.trusted: '" + text + "' is neither an address nor a network");
        }
    }
    for (auto& shard : context_->shards)
        clients_.add(*fronts_.emplace_back(front{std::make_unique<net::shard_frontend>(*shard), {}}).connections);
    pusher_->add_clients(clients_);
    auto const mqtt_protocol = [this](net::wire& wire) { return mqtt::make_protocol(*mqtt_, wire); };
    http_settings_.backlog_bytes_max = settings_.limits.outbox_bytes;
    add_mqtt_routes();
    pusher_->add_routes(routes_);
    if (auto const problem = pusher_->add_page(routes_, settings_); !problem.empty())
        fail(exit_code::configuration, problem);
    http_->add_routes(routes_);
    if (settings_.run.conformance)
        net::add_conformance_routes(routes_);
    auto const http_protocol = [this](net::wire& wire) {
        return net::make_http_protocol(wire, routes_, http_settings_);
    };
    listen("mqtt", listeners.mqtt, make_service(mqtt_protocol, false), true);
    listen("mqtts", listeners.mqtts, make_service(mqtt_protocol, true), true);
    listen("http", listeners.http, make_service(http_protocol, false), true);
    listen("https", listeners.https, make_service(http_protocol, true), true);
    build_grpc();
    build_admin();
}

void node::add_mqtt_routes()
{
    net::websocket_route route;
    // A message may hold several packets; only a compressed one is ever kept as a whole.
    route.settings.message_bytes_max =
        std::max<std::size_t>(std::size_t{4} * settings_.mqtt.maximum_packet_size, 4 * 1024 * 1024);
    route.settings.on_failure = [](net::wire& wire, std::uint16_t) { wire.home().metrics().protocol_errors.add(); };
    route.allowed_origins = settings_.mqtt.allowed_origins;
    route.subprotocols = {"mqtt", "mqttv3.1"};
    route.stream = [this](net::wire& wire, net::http_request const&, std::string_view) {
        return mqtt::make_protocol(*mqtt_, wire);
    };
    routes_.upgrade("/mqtt", std::move(route));
}

std::shared_ptr<net::service> node::make_service(net::protocol_factory factory, bool secure)
{
    auto made = std::make_shared<net::service>();
    made->make_protocol = std::move(factory);
    if (secure)
        made->tls = tls_;
    made->proxies = proxies_;
    made->quota = std::shared_ptr<net::connection_quota>{std::shared_ptr<void>{}, &quota_};
    made->opening_timeout = settings_.mqtt.connect_timeout;
    auto const refused = std::make_shared<broker::rate_limited_log>("connection refused");
    made->report = [refused](std::string_view what) { (*refused)(broker::log_level::warning, {{"reason", what}}); };
    return made;
}

void node::listen(std::string const& name, broker::listener_settings const& where,
                  std::shared_ptr<net::service const> what, bool every_shard)
{
    if (!where.enabled)
        return;
    net::listen_options options;
    options.address = where.address;
    options.port = where.port;
    auto const opened = every_shard ? fronts_.size() * accept_queues : 1;
    for (std::size_t i = 0; i < opened; ++i) {
        auto& front = fronts_[i % fronts_.size()];
        auto made = std::make_unique<net::listener>(*front.connections, what);
        options.first = i == 0;
        if (auto const error = made->open(options))
            fail(exit_code::listen, "listeners." + name + ": cannot listen on " + where.address + ":" +
                                        std::to_string(options.port) + ": " + error.message());
        options.port = made->local_port();
        front.listeners.push_back(std::move(made));
    }
    bound_.push_back({name, where.address, options.port});
}

void node::build_admin()
{
    auto const& where = settings_.listeners.admin;
    admin::admin_options options;
    options.loopback_only = broker::is_loopback(where.address);
    admin_ = std::make_unique<admin::admin_frontend>(*context_, options);
    admin_->add_source([this](admin::metric_writer& out) { write_store_metrics(*store_, out); });
    admin_->add_source([this](admin::metric_writer& out) { pusher_->write_metrics(out); });
    admin_->add_source([this](admin::metric_writer& out) { http_->write_metrics(out); });
    if (grpc_)
        admin_->add_source([this](admin::metric_writer& out) { write_grpc_metrics(*grpc_, out); });
    auto const protocol = [this](net::wire& wire) { return admin_->make_protocol(wire); };
    auto what = make_service(protocol, false);
    what->proxies.reset();
    what->quota.reset();  // reachable when the clients have taken every place
    listen("admin", where, what, false);
    sys_ = std::make_unique<admin::sys_topics>(*context_->shards.front(),
                                               admin::sys_options{settings_.sys.interval, FULMAR_VERSION});
    sys_->start();
}

}  // namespace fulmar
