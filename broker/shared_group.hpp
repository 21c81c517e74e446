// One shared subscription: gives each message to one member, and to another if that one leaves before acknowledging it.
//
// Spec:     MQTT 5.0 §4.8.2 [MQTT-4.8.2-3..-6].
// Owner:    broker::router of the group's home shard (hash of app and "$share/<group>/<filter>").
// Threads:  shard-owned; members live on any shard and are reached by mail.
// Limits:   credit_max messages per member on the way; limits::session_pending_* waiting in memory. A group with a durable
//           member queues in the log instead, with a cursor of its own.
// Cost:     O(1) per message, plus a look at the members without credit.
#pragma once

#include "broker/inflight_window.hpp"
#include "broker/queue_cursor.hpp"

#include <optional>
#include <set>
#include <string>
#include <unordered_map>

namespace fulmar::broker {

class shard;

struct group_member
{
    endpoint_id session;
    std::uint64_t client = 0;  // stable hash of the client id: survives connections and moves
    subscription_options options;
    bool durable = false;
    bool online = false;
    std::size_t credit = 0;  // most messages on the way to it
    std::size_t outstanding = 0;
};

class shared_group final : private queue_cursor::consumer
{
public:
    shared_group(shard& home, app_id app, std::string filter);

    // Adds or replaces the member with the same client.
    void join(group_member member);
    // The member's connection ended; `for_good`: so did its subscription. What it had not acknowledged goes to others,
    // except QoS 2 deliveries that began, which wait for it [MQTT-4.8.2-4].
    void leave(std::uint64_t client, bool for_good);

    void route(message_ptr const& m);
    void on_logged(logged_message const& item);
    void acknowledged(std::uint64_t number);
    void returned(std::uint64_t number);

    // Begins or ends queueing in the log, as durable members come and go. True if that changed.
    bool update_durable();
    void restore(log_sequence cursor);

    [[nodiscard]] bool durable() const noexcept { return durable_; }
    [[nodiscard]] bool empty() const noexcept { return members_.empty(); }
    [[nodiscard]] std::string_view filter() const noexcept { return filter_; }
    [[nodiscard]] app_id app() const noexcept { return app_; }
    [[nodiscard]] filter_hash id() const noexcept { return id_; }
    // Everything at or before this was acknowledged by some member.
    [[nodiscard]] log_sequence cursor() const;
    // Stores the cursor if it has moved since it was stored.
    void store_cursor();
    void pump();

private:
    struct delivery
    {
        logged_message item;
        std::uint64_t client = 0;
    };

    [[nodiscard]] std::size_t room() const override;
    void take(logged_message const& item, matched_subscription const* match) override;
    [[nodiscard]] std::vector<queue_filter> filters() const override;
    void on_passed_over(std::uint64_t gap, std::uint64_t expired, std::uint64_t skipped) override;

    [[nodiscard]] group_member* pick(bool needs_credit);
    void deliver(group_member& to, logged_message const& item);
    void enqueue(logged_message const& item);
    [[nodiscard]] std::optional<logged_message> settle(std::uint64_t number);

    shard& home_;
    app_id const app_;
    std::string const filter_;  // the whole "$share/<group>/<filter>"
    filter_hash const id_;
    bool durable_ = false;
    std::vector<group_member> members_;
    std::size_t next_ = 0;  // round robin
    std::uint64_t last_number_ = 0;
    std::unordered_map<std::uint64_t, delivery> outstanding_;
    fifo<logged_message> waiting_;  // without credit, or given back: before the queue
    std::set<log_sequence> unsettled_;
    queue_cursor queue_;
    log_sequence stored_cursor_ = 0;
};

}  // namespace fulmar::broker
