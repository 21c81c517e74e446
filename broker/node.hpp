// One broker process as objects: store, shards, front-ends, listeners. Built, run and drained by server.cpp.
//
// Owner:    serve(), on the main thread's stack.
// Threads:  built and destroyed on the main thread; each shard runs on its own thread between start and stop.
#pragma once

#include "broker/app_registry.hpp"
#include "broker/retained_index.hpp"
#include "broker/settings.hpp"
#include "broker/shard.hpp"
#include "frontends/mqtt/mqtt_frontend.hpp"
#include "frontends/mqtt/publish_variant.hpp"
#include "frontends/net/client_list.hpp"
#include "frontends/net/connection_quota.hpp"
#include "frontends/net/frontend.hpp"
#include "frontends/net/http_router.hpp"
#include "frontends/net/http_server.hpp"
#include "frontends/net/listener.hpp"
#include "frontends/net/tls.hpp"
#include "storage/store.hpp"

#include <string>
#include <thread>
#include <vector>

namespace fulmar::auth {
class file_authenticator;
}
namespace fulmar::admin {
class admin_frontend;
class sys_topics;
}  // namespace fulmar::admin

namespace fulmar::grpc {
class grpc_frontend;
}

namespace fulmar {

class http_services;
class pusher_services;

// Something that prevents the start; `main` prints it and exits with the code.
struct start_failure
{
    int exit_code = 1;
    std::string what;
};

class node
{
public:
    explicit node(broker::settings const& values);
    ~node();

    // Opens the store, restores what it holds, binds every listener. Throws start_failure.
    void build();
    void start();  // one thread per shard
    // Stops accepting, tells the clients, flushes, stores; returns when everything has stopped or `patience` is over.
    void drain(std::chrono::milliseconds patience);
    // SIGHUP: apps, passwords, access rules, certificates, log level. What cannot be read stays as it was and is reported.
    void reload();

    struct bound_listener
    {
        std::string name;  // "mqtt", "mqtts", "http", "https", "grpc", "grpcs", "admin"
        std::string address;
        std::uint16_t port = 0;
    };
    [[nodiscard]] std::vector<bound_listener> const& listening() const noexcept { return bound_; }

private:
    struct front  // of one shard
    {
        std::unique_ptr<net::shard_frontend> connections;
        std::vector<std::unique_ptr<net::listener>> listeners;
    };

    void open_store();
    void build_shards();
    void restore();
    void settle();
    void build_apps();
    void build_services();
    void build_grpc();
    void build_admin();
    void add_mqtt_routes();
    void listen(std::string const& name, broker::listener_settings const& where,
                std::shared_ptr<net::service const> what, bool every_shard);
    [[nodiscard]] std::shared_ptr<net::service> make_service(net::protocol_factory factory, bool secure);
    void reload_apps(broker::settings const& fresh);
    void drain_pusher();
    void drain_grpc();
    void stop_threads();
    void on_every_shard(std::function<void(std::size_t)> work);
    [[nodiscard]] std::size_t open_connections();

    broker::settings const& settings_;
    broker::system_clock clock_;
    std::unique_ptr<storage::durable_store> store_;
    broker::retained_index retained_;
    std::unique_ptr<broker::apps_in_force> apps_;
    std::unique_ptr<pusher_services> pusher_;  // ends after the shards: their last letters may lead to it
    std::unique_ptr<broker::node_context> context_;
    std::unique_ptr<auth::file_authenticator> authenticator_;
    std::unique_ptr<http_services> http_;
    std::unique_ptr<grpc::grpc_frontend> grpc_;  // null: no listener
    mqtt::publish_variants variants_;
    std::unique_ptr<mqtt::frontend_context> mqtt_;
    net::http_router routes_;
    net::http_settings http_settings_;
    std::unique_ptr<admin::admin_frontend> admin_;
    std::unique_ptr<admin::sys_topics> sys_;
    net::connection_quota quota_;
    net::client_list clients_;
    std::shared_ptr<net::tls_context> tls_;
    std::shared_ptr<net::trusted_networks> proxies_;
    std::vector<front> fronts_;
    std::vector<bound_listener> bound_;
    std::vector<std::thread> threads_;
};

}  // namespace fulmar
