// gRPC: the service fulmar.v1.Broker, health and reflection.
//
// The call_server moves bytes on its own thread; each shard has a call_desk that knows what they mean.
//
// Spec:     proto/fulmar/v1/broker.proto, gRPC health checking and reflection. docs/api.md.
// Owner:    the node; outlives the shards' threads.
// Threads:  start and stop on the main thread; make_protocol and wind_up on the shard; metrics on any.
// Limits:   grpc_options.
#pragma once

#include "frontends/grpc/call_desk.hpp"
#include "frontends/grpc/call_server.hpp"
#include "frontends/net/protocol.hpp"

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace fulmar::grpc {

class grpc_frontend
{
public:
    grpc_frontend(broker::node_context& node, net::http_access const& access, broker::presence_directory& presence,
                  grpc_options const& options);
    ~grpc_frontend();
    grpc_frontend(grpc_frontend const&) = delete;
    grpc_frontend& operator=(grpc_frontend const&) = delete;

    // See call_server::start.
    void start(std::optional<call_server_tls> const& tls) { server_.start(tls); }
    // For an accepted connection, whose socket is borrowed. Null: it cannot be served. `secure`: the peer speaks TLS.
    [[nodiscard]] std::unique_ptr<net::protocol> make_protocol(net::wire& wire, bool secure);
    // While the shards run.
    void stop(std::chrono::milliseconds patience) { server_.stop(patience); }

    // Asks the streams of a shard to end, on its thread.
    void wind_up(broker::shard_id shard, std::string_view why)
    {
        desks_[shard]->wind_up(status_code::unavailable, why);
    }

    // The sum over all shards.
    [[nodiscard]] std::uint64_t total(broker::counter call_metrics::*what) const;
    [[nodiscard]] call_server const& server() const noexcept { return server_; }

private:
    void deliver(broker::shard_id to, std::vector<call_event>&& events);

    broker::node_context& node_;
    call_surroundings const around_;
    call_server server_;
    std::vector<std::unique_ptr<call_desk>> desks_;
};

}  // namespace fulmar::grpc
