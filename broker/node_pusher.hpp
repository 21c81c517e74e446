// The apps, and what speaks Pusher's protocols for them: WebSocket, HTTP API, webhooks. Part of the composition root.
//
// Owner:    node.
// Threads:  built, started, stopped and destroyed on the main thread; metrics are read on any shard.
#pragma once

#include "broker/app_registry.hpp"
#include "broker/presence_directory.hpp"
#include "broker/session_store.hpp"
#include "broker/settings.hpp"
#include "frontends/net/http_router.hpp"

#include <chrono>
#include <memory>
#include <string>

namespace fulmar::admin {
class metric_writer;
}
namespace fulmar::net {
class client_list;
}
namespace fulmar::broker {
class shard;
struct node_context;
}  // namespace fulmar::broker

namespace fulmar {

// The configured apps, or the development app if there are none, with their numbers (app_index.hpp). Null on failure;
// `problem` then says in one line what is wrong.
[[nodiscard]] broker::app_snapshot number_configured_apps(broker::settings const& from, std::string& problem);

class pusher_services
{
public:
    pusher_services(broker::node_context& node, broker::apps_in_force const& apps, broker::settings const& values);
    ~pusher_services();
    pusher_services(pusher_services const&) = delete;
    pusher_services& operator=(pusher_services const&) = delete;

    // While the store is recovered.
    void restore(broker::put_outbox_op&& row);
    void restore(broker::recovered_session&& stored);
    [[nodiscard]] bool owns(broker::session_record const& record) const;
    void add_routes(net::http_router& routes);
    // The page at `/`, if the development app is in use. What is wrong with the configured file, or nothing.
    [[nodiscard]] std::string add_page(net::http_router& routes, broker::settings const& values);
    // Clients that come by single HTTP requests are no connections: they are added to the list.
    void add_clients(net::client_list& to);
    void start();  // before the shards run
    // Closing for good: connections end with 4200, spread over a window that grows with their number.
    [[nodiscard]] std::chrono::milliseconds drain_window() const;
    [[nodiscard]] std::size_t open_connections() const;
    void drain(broker::shard& here, std::chrono::milliseconds window);  // on each shard
    void stop();     // the thread of webhooks: after the shards' threads
    void release();  // what holds on to the shards: after the connections, before the shards. The rest ends after them.

    // Who is present where; ends with release().
    [[nodiscard]] broker::presence_directory& presence() noexcept;

    void write_metrics(admin::metric_writer& out) const;

private:
    struct parts;
    std::unique_ptr<parts> parts_;
};

}  // namespace fulmar
