// SSE, REST, tokens and tickets, put together. Part of the composition root.
//
// Owner:    node.
// Threads:  built, started and destroyed on the main thread, before and after the shards run; close_streams on a shard;
//           reload and write_metrics on any thread.
#pragma once

#include "broker/app_registry.hpp"
#include "broker/authenticator.hpp"
#include "broker/history_rules.hpp"
#include "broker/presence_directory.hpp"
#include "broker/settings.hpp"
#include "frontends/net/http_router.hpp"

#include <memory>
#include <optional>
#include <string>

namespace fulmar::admin {
class metric_writer;
}
namespace fulmar::broker {
struct node_context;
}
namespace fulmar::net {
class client_list;
class http_access;
}  // namespace fulmar::net

namespace fulmar {

// The configured rules with the numbers of their apps.
[[nodiscard]] std::shared_ptr<broker::history_rules const> history_rules_of(broker::settings const& from,
                                                                            broker::app_registry const& apps);

class http_services
{
public:
    // Throws std::runtime_error if the keys of tokens cannot be used.
    http_services(broker::node_context& node, broker::apps_in_force const& apps, broker::authenticator& users,
                  broker::presence_directory& presence, net::client_list const& clients,
                  broker::settings const& values);
    ~http_services();
    http_services(http_services const&) = delete;
    http_services& operator=(http_services const&) = delete;

    // Users, passwords and tokens: for every protocol.
    [[nodiscard]] broker::authenticator& authenticator() noexcept;

    // Who sends a request, for every protocol that is asked like HTTP.
    [[nodiscard]] net::http_access const& access() const noexcept;

    void add_routes(net::http_router& routes);
    void start();  // before the shards run

    void close_streams(broker::shard_id shard);  // on that shard
    // Reads the keys of tokens again. What is wrong, in one line, or nothing.
    [[nodiscard]] std::optional<std::string> reload();

    void write_metrics(admin::metric_writer& out) const;

private:
    struct parts;
    std::unique_ptr<parts> parts_;
};

}  // namespace fulmar
