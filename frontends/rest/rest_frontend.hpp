// REST at /v1: publish, read history, look at topics and sessions.
//
// Every call is a row of operations(): the routes, the checks that come before a call, and the OpenAPI document are made from
// it, so that they cannot disagree.
//
// Spec:     RFC 9110, RFC 9457 (errors), OpenAPI 3.1. docs/protocols/rest.md.
// Owner:    the node; outlives all connections.
// Threads:  a call runs on the shard of its connection; what it asks of other shards goes by mail.
// Limits:   rest_options; publishes_in_flight_max unanswered publishes per shard.
#pragma once

#include "broker/endpoint.hpp"
#include "broker/metrics.hpp"
#include "broker/presence_directory.hpp"
#include "broker/shard.hpp"
#include "frontends/net/client_list.hpp"
#include "frontends/net/http_access.hpp"
#include "frontends/net/http_router.hpp"
#include "frontends/rest/idempotency.hpp"
#include "frontends/rest/operation.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

namespace fulmar::rest {

struct rest_options
{
    std::size_t event_bytes_max = 1024 * 1024;
    std::size_t batch_bytes_max = 16 * 1024 * 1024;
    std::chrono::milliseconds idempotency_window{300'000};
    bool retain_available = true;
};

class rest_frontend
{
public:
    static constexpr std::size_t publishes_in_flight_max = 10'000;

    // What is handed over outlives it.
    rest_frontend(broker::node_context& node, net::http_access const& access, broker::presence_directory& presence,
                  net::client_list const& clients, rest_options options);
    ~rest_frontend();
    rest_frontend(rest_frontend const&) = delete;
    rest_frontend& operator=(rest_frontend const&) = delete;

    void add_routes(net::http_router& routes);

    [[nodiscard]] std::uint64_t requests() const;   // of all shards, since the start
    [[nodiscard]] std::uint64_t published() const;  // messages

    // --- for operations --------------------------------------------------------------------------
    [[nodiscard]] broker::node_context& node() const noexcept { return node_; }
    [[nodiscard]] rest_options const& options() const noexcept { return options_; }
    [[nodiscard]] net::http_access const& access() const noexcept { return access_; }
    [[nodiscard]] broker::presence_directory& presence() const noexcept { return presence_; }
    [[nodiscard]] net::client_list const& clients() const noexcept { return clients_; }
    [[nodiscard]] idempotency_window& repeated() noexcept { return repeated_; }

    using settled = std::function<void(broker::publish_outcome const&)>;
    // False: too many are under way on this shard.
    [[nodiscard]] bool may_publish(broker::shard& here, std::size_t count) const;
    void publish(broker::shard& here, broker::message_ptr m, settled done);

    // Runs `work` on every shard and then `done` on `here`. `work` may write to what `done` reads.
    void on_each_shard(broker::shard& here, std::function<void(broker::shard&)> work, std::function<void()> done) const;

private:
    // The publisher of one shard's requests.
    struct desk final : broker::endpoint
    {
        explicit desk(broker::shard& at) : home{at}, id{at.attach(*this)} {}
        ~desk() override { home.detach(id); }
        void on_published(std::uint64_t token, broker::publish_outcome const& outcome) override;

        broker::shard& home;
        broker::endpoint_id id;
        std::uint64_t last_token = 0;
        std::unordered_map<std::uint64_t, settled> waiting;
        broker::counter requests;
        broker::counter published;
    };

    void handle(operation const& what, net::http_request&& request, net::http_responder const& to);
    void run(operation const& what, call_ptr const& call, broker::result<broker::identity> who);

    broker::node_context& node_;
    net::http_access const& access_;
    broker::presence_directory& presence_;
    net::client_list const& clients_;
    rest_options const options_;
    idempotency_window repeated_;
    std::vector<std::unique_ptr<desk>> desks_;
};

}  // namespace fulmar::rest
