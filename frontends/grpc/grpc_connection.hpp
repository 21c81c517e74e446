// A connection that gRPC's server has borrowed, as the broker accounts for it: quota, lists, the administrator's end.
//
// Owner:    net::connection, as its protocol.
// Threads:  shard-owned.
#pragma once

#include "broker/authenticator.hpp"
#include "frontends/grpc/call_server.hpp"
#include "frontends/net/protocol.hpp"

#include <optional>

namespace fulmar::grpc {

class call_desk;

class grpc_connection final : public net::protocol
{
public:
    // The streams of an ended connection are told why; so much later the connection is cut.
    static constexpr std::chrono::milliseconds farewell{500};

    grpc_connection(net::wire& wire, call_desk& desk, call_server& server, connection_id id);

    // Somebody calls over it whose credentials were accepted. The last one counts.
    void is_used_by(broker::identity const& who);

    [[nodiscard]] std::size_t on_bytes(std::span<char const> in) override { return in.size(); }
    void on_deadline() override { wire_.close(); }
    [[nodiscard]] bool describe(net::client_description& out) const override;
    void end_by_administrator() override;
    void on_closed(bool clean) override;

private:
    struct caller
    {
        broker::app_id app;
        std::string user;
    };

    net::wire& wire_;
    call_desk& desk_;
    call_server& server_;
    connection_id const id_;
    std::optional<caller> caller_;
};

}  // namespace fulmar::grpc
