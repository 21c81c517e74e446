// What an operator and their tools ask over HTTP: /metrics, /healthz, /readyz, /status.
//
// The admin listener asks for no credentials, so it belongs on loopback; there, requests for other host names are
// refused, or a web page could read these answers through a name that it points at 127.0.0.1 (DNS rebinding).
//
// Owner:    the composition root; outlives the connections it makes protocols for.
// Threads:  routes answer on any shard; set_ready and set_draining may be called from any thread; sources are added
//           before the listener opens.
#pragma once

#include "frontends/admin/metric_writer.hpp"
#include "frontends/net/http_router.hpp"
#include "frontends/net/http_server.hpp"

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace fulmar::broker {
struct node_context;
}

namespace fulmar::admin {

struct admin_options
{
    bool loopback_only = true;  // then only these hosts are served: localhost, 127.0.0.1, [::1]
    std::string version = FULMAR_VERSION;
};

class admin_frontend
{
public:
    // `node` outlives this; its shards may be added later, but before the first request.
    explicit admin_frontend(broker::node_context const& node, admin_options options = {});

    // Further metrics, written after those of the core.
    void add_source(metric_source source) { sources_.push_back(std::move(source)); }

    void set_ready() noexcept { phase_ = phase::serving; }
    void set_draining() noexcept { phase_ = phase::draining; }

    [[nodiscard]] std::unique_ptr<net::protocol> make_protocol(net::wire& connection) const;

    // Why new clients should not be sent here; empty: ready.
    [[nodiscard]] std::vector<std::string> obstacles() const;
    [[nodiscard]] std::string metrics() const;
    [[nodiscard]] std::string status() const;  // JSON

private:
    enum class phase : std::uint8_t { starting, serving, draining };

    void add_routes();
    [[nodiscard]] net::http_response readiness() const;

    broker::node_context const& node_;
    admin_options const options_;
    std::chrono::steady_clock::time_point const started_;
    std::vector<metric_source> sources_;
    net::http_router routes_;
    net::http_settings settings_;
    std::atomic<phase> phase_{phase::starting};
};

}  // namespace fulmar::admin
