// The gRPC calls of one shard: finds the method, asks who calls, hands events to calls and gathers their orders.
//
// Owner:    grpc_frontend, one per shard.
// Threads:  shard-owned; metrics are read by any thread.
// Limits:   the call_server admits calls_max calls in all.
// Cost:     one look-up per event; one hand-over of orders per turn.
#pragma once

#include "broker/metrics.hpp"
#include "broker/shard.hpp"
#include "frontends/grpc/call.hpp"
#include "frontends/grpc/grpc_options.hpp"

#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <unordered_map>
#include <vector>

namespace fulmar::broker {
class presence_directory;
}
namespace fulmar::net {
class http_access;
}

namespace fulmar::grpc {

class grpc_connection;

// What is counted per shard.
struct call_metrics
{
    broker::counter opened;
    broker::counter failed;  // ended with anything but OK by the broker
    broker::counter published;
    broker::counter replayed;  // messages that Subscribe read from the log
    broker::counter gaps;      // clients told that something is missing
    broker::counter slow;      // Subscribe streams ended because the client did not read
};

// What all desks have to do with.
struct call_surroundings
{
    net::http_access const& access;
    broker::presence_directory& presence;
    grpc_options options;
};

class call_desk final : private broker::turn_end
{
public:
    call_desk(broker::shard& home, call_surroundings const& around, order_taker& server);
    ~call_desk();
    call_desk(call_desk const&) = delete;
    call_desk& operator=(call_desk const&) = delete;

    void take(std::vector<call_event>&& events);
    // Asks every stream to end, or those of one connection.
    void wind_up(status_code code, std::string_view text);
    void wind_up(connection_id which, status_code code, std::string_view text);

    // Connections of this shard, while they are there.
    void add(connection_id id, grpc_connection& made) { connections_.emplace(id, &made); }
    void remove(connection_id id) { connections_.erase(id); }

    [[nodiscard]] call_metrics const& counted() const noexcept { return metrics_; }  // any thread

    // --- for calls -------------------------------------------------------------------------------
    [[nodiscard]] broker::shard& home() noexcept { return home_; }
    [[nodiscard]] grpc_options const& options() const noexcept { return around_.options; }
    [[nodiscard]] broker::presence_directory& presence() const noexcept { return around_.presence; }
    [[nodiscard]] call_metrics& metrics() noexcept { return metrics_; }
    void order(call_order&& what);
    void mark(call& dirty);

private:
    void on_turn_end() override;
    void open(call_id id, call_opening const& opening);
    void identify(method const& what, std::shared_ptr<call> const& made, call_opening const& opening);
    void note_caller(connection_id from, broker::identity const& who);
    static void admit(method const& what, call& made, broker::result<broker::identity> who);
    void refuse(call_id id, status_code code, std::string_view text);
    [[nodiscard]] std::vector<std::shared_ptr<call>> open_calls() const;
    void arm_ticker();
    void tick();

    broker::shard& home_;
    call_surroundings const& around_;
    order_taker& server_;
    std::unordered_map<call_id, std::shared_ptr<call>> calls_;
    std::unordered_map<connection_id, grpc_connection*> connections_;
    std::vector<std::shared_ptr<call>> dirty_;
    std::vector<call_order> orders_;
    call_metrics metrics_;
    std::shared_ptr<call_desk*> alive_;  // the ticker's handler may outlive this inside the io_context
    boost::asio::steady_timer ticker_;
    bool ticking_ = false;
};

}  // namespace fulmar::grpc
