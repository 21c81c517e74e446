// One thread, its io_context, and everything it owns.
//
// Owner:    broker::node (server.cpp builds it); lives until its thread has ended.
// Threads:  every member is for the shard's own thread unless it says otherwise.
// Limits:   mail towards another shard is bounded by limits::mailbox_bytes (congested()).
#pragma once

#include "broker/clock.hpp"
#include "broker/endpoint.hpp"
#include "broker/errors.hpp"
#include "broker/ids.hpp"
#include "broker/limits.hpp"
#include "broker/metrics.hpp"
#include "broker/session_store.hpp"

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <span>
#include <vector>

namespace fulmar::broker {

class router;
class session_table;
class reader_sessions;
class retained_index;
class shard;

// Work to be done once at the end of the loop turn in which it was asked for (a connection with something to send).
class turn_end
{
public:
    virtual void on_turn_end() = 0;

protected:
    ~turn_end() = default;

private:
    friend class shard;
    bool queued_ = false;
};

// What all shards share, read-only after start except where it says otherwise.
struct node_context
{
    node_context(broker::limits with, broker::clock const& time, session_store& stored, retained_index& index)
        : limits{with}, clock{time}, store{stored}, retained{index}
    {
    }

    broker::limits limits;
    broker::clock const& clock;
    session_store& store;
    retained_index& retained;
    std::size_t shard_count = 1;                 // fixed before the first shard is built
    std::vector<std::unique_ptr<shard>> shards;  // filled before any of them runs
    std::string node_name;
    std::atomic<std::size_t> sessions{0};  // over all shards, for limits::sessions_max
    std::atomic<bool> draining{false};     // no new claims
};

class shard final : private store_listener
{
public:
    shard(shard_id id, node_context& node);
    ~shard() override;

    [[nodiscard]] shard_id id() const noexcept { return id_; }
    [[nodiscard]] boost::asio::io_context& io() noexcept { return io_; }
    [[nodiscard]] node_context& node() noexcept { return node_; }
    [[nodiscard]] limits const& limit() const noexcept { return node_.limits; }
    [[nodiscard]] shard_metrics& metrics() noexcept { return metrics_; }
    [[nodiscard]] shard_metrics const& metrics() const noexcept { return metrics_; }  // any thread
    [[nodiscard]] router& routes() noexcept { return *router_; }
    [[nodiscard]] session_table& sessions() noexcept { return *sessions_; }
    [[nodiscard]] reader_sessions& readers() noexcept { return *readers_; }
    [[nodiscard]] steady_time now() const { return node_.clock.now(); }
    [[nodiscard]] wall_ms wall() const { return node_.clock.wall(); }
    // The same for what happens for every message: read once per turn.
    [[nodiscard]] wall_ms turn_wall();

    // Runs until stop(). Called by the shard's thread.
    void run();
    void stop();  // any thread

    // Calls work.on_turn_end() when the current turn ends; once, however often it is asked. `work` may withdraw.
    void at_turn_end(turn_end& work);
    void withdraw(turn_end& work) noexcept;

    // Mail: runs `task` on shard `to`, in order per pair of shards. Handed over at the end of the turn, with one wake-up.
    // `bytes` is what the task keeps alive. To itself: runs at the end of the turn.
    void send(shard_id to, std::function<void(shard&)> task, std::size_t bytes = 0);
    // The same for the most frequent mail: `m` was published here and shard `to` has subscribers for it.
    void forward(shard_id to, message_ptr m);
    // Too much mail is under way, or the store is behind: whoever produces messages should stop reading its socket
    // and ask again with when_relieved.
    [[nodiscard]] bool congested() const noexcept;
    void when_relieved(endpoint_id who, std::function<void()> resume);

    // Store operations of this turn: submitted together at its end. `done` (may be empty) runs on this shard after the commit.
    void store(store_op op, std::function<void(store_result const&)> done = {});
    void read(queue_read request, std::function<void(queue_page&&)> done);

    // Endpoints: addressable objects of this shard.
    [[nodiscard]] endpoint_id attach(endpoint& e);
    void detach(endpoint_id id) noexcept;
    [[nodiscard]] endpoint* resolve(endpoint_id id) noexcept;

    // The last position of the log that this shard has seen pass by.
    [[nodiscard]] log_sequence position() const noexcept;

    // What the periodic timer does: session expiry, delayed wills, cursors. Called twice a second; tests call it themselves.
    void tick();

private:
    struct impl;
    void on_committed(std::vector<store_result> results, committed_batch committed) override;  // store thread
    void on_page(queue_page page) override;                                                    // store thread

    shard_id const id_;
    node_context& node_;
    boost::asio::io_context io_;
    shard_metrics metrics_;
    std::unique_ptr<impl> impl_;
    std::unique_ptr<router> router_;
    std::unique_ptr<session_table> sessions_;
    std::unique_ptr<reader_sessions> readers_;
};

}  // namespace fulmar::broker
