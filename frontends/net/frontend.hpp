// What the network side of one shard owns: the poller, the deadlines, one read buffer, idle outboxes, all connections.
//
// Owner:    the composition root, one per shard; must die before its shard, on the shard's thread or after it has ended.
// Threads:  shard-owned; construction and listener::open happen before the shard runs.
// Limits:   connections are bounded by service::quota; everything else is bounded per connection or per shard.
#pragma once

#include "broker/endpoint.hpp"
#include "frontends/net/outbox.hpp"
#include "frontends/net/poller.hpp"
#include "frontends/net/service.hpp"
#include "frontends/net/timer_wheel.hpp"

#include <functional>
#include <memory>
#include <span>
#include <vector>

namespace fulmar::net {

class client_visitor;
class connection;

struct frontend_options
{
    std::size_t read_buffer_bytes = std::size_t{256} * 1024;
    std::size_t first_read_bytes = std::size_t{16} * 1024;      // until its protocol has accepted some
    std::size_t read_bytes_per_turn = std::size_t{512} * 1024;  // of one connection; then it is the others' turn
    std::chrono::milliseconds linger{5'000};                    // for what is sent last, and the peer's end
    std::size_t discard_bytes_max = std::size_t{1024} * 1024;   // read from a peer that goes on after the end
};

class shard_frontend final : private broker::endpoint
{
public:
    explicit shard_frontend(broker::shard& home, frontend_options options = {});
    ~shard_frontend() override;
    shard_frontend(shard_frontend const&) = delete;
    shard_frontend& operator=(shard_frontend const&) = delete;

    // Makes a connection of an accepted, non-blocking socket, which it owns from now on. The place in the quota, if
    // there is one, was taken by the caller.
    void adopt(int fd, sockaddr_storage const& from, std::shared_ptr<service const> const& what);

    void for_each(std::function<void(wire&)> const& visit);
    // Clients that are connected here, those of protocols that describe them. False: the visitor wants no more.
    [[nodiscard]] bool visit_clients(client_visitor& visitor);
    void close_all();  // each as wire::close
    void abort_all();  // each as wire::abort
    [[nodiscard]] std::size_t count() const noexcept { return connections_.size(); }

    // --- for connections and listeners -----------------------------------------------------------
    [[nodiscard]] broker::shard& home() noexcept { return home_; }
    [[nodiscard]] frontend_options const& options() const noexcept { return options_; }
    [[nodiscard]] poller& events() noexcept { return poller_; }
    [[nodiscard]] timer_wheel& deadlines() noexcept { return wheel_; }
    [[nodiscard]] outbox_pool& outboxes() noexcept { return outboxes_; }
    [[nodiscard]] std::span<char> read_buffer() noexcept { return read_buffer_; }
    [[nodiscard]] peer& peer_asked_for() noexcept { return peer_; }

private:
    friend class connection;

    void on_published(std::uint64_t, broker::publish_outcome const&) override {}

    // The connection has something to go on with in the next turn.
    void again(connection& c);
    // The connection has ended, or its protocol has: both are dismissed in the next turn, when nobody is inside them.
    void retire(connection& c);
    void retire(std::unique_ptr<protocol> replaced);
    // Reading waits until the shard is relieved.
    void hold(connection& c);
    void release_held();

    void defer();
    void run_deferred();
    void destroy(connection& c) noexcept;

    broker::shard& home_;
    frontend_options const options_;
    std::shared_ptr<shard_frontend*> alive_;  // deferred work may outlive this inside the io_context
    poller poller_;
    timer_wheel wheel_;
    outbox_pool outboxes_;
    std::vector<char> read_buffer_;
    peer peer_;                             // what connection::remote was asked for last
    std::vector<connection*> connections_;  // owned; each knows its place
    std::vector<connection*> again_;
    std::vector<connection*> retired_;
    std::vector<connection*> held_;
    std::vector<std::unique_ptr<protocol>> replaced_;
    broker::endpoint_id id_;
    bool deferred_ = false;
};

}  // namespace fulmar::net
