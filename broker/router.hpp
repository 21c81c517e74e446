// Publish: match here, deliver here, forward where interest exists.
//
// Spec:     MQTT 5.0 §4.3 (delivery), §4.7 (matching), §4.8.2 (shared subscriptions).
// Owner:    broker::shard.
// Threads:  shard-owned.
// Limits:   the delivery-plan cache holds plans_max topics; mail to other shards is bounded by the shard.
// Cost:     a QoS 0 publish to a cached topic is one look-up plus one encode per wire variant, whatever the number of
//           receivers that were already visited this turn.
#pragma once

#include "broker/endpoint.hpp"
#include "broker/message.hpp"
#include "broker/session_store.hpp"
#include "broker/subscriber.hpp"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace fulmar::broker {

class shard;
class session;
class history_rules;
struct group_ticket;

class router
{
public:
    explicit router(shard& home);
    ~router();

    struct publish_request
    {
        message_ptr message;
        endpoint_id publisher;  // told the outcome; a default endpoint_id: nobody is
        std::uint64_t token = 0;
        session_id received_by{};  // durable QoS 2: see publish_op
        packet_id received_id = 0;
    };
    // Routes one message and settles it: endpoint::on_published is called at once when nothing had to be stored, after
    // the commit otherwise. The caller has checked the publisher's permission and the topic name.
    void publish(publish_request request);

    // Adds a subscription of `who` (which has at most one per filter and app). `ready` runs when no publish that begins
    // anywhere afterwards can miss it; at once when every shard already knew. `durable`: messages of QoS >= 1 go through the log.
    void subscribe(app_id app, subscriber& who, std::string_view filter, subscription_options const& options,
                   bool durable, std::function<void()> ready);
    void unsubscribe(app_id app, subscriber& who, std::string_view filter);

    // Topics that keep a history, from now on. Before the shard runs.
    void keep_history(std::shared_ptr<history_rules const> rules);
    [[nodiscard]] history_rules const* history() const noexcept;  // null: no topic does

    // What an administrator may look at. Subscribers of a topic on this shard, shared subscriptions counted once each.
    [[nodiscard]] std::size_t subscribers(app_id app, std::string_view topic);
    struct listed_filter
    {
        std::string filter;
        std::size_t subscribers = 0;  // of this shard
    };
    // The filters with subscribers here, as many as `limit`, in order, of those that follow `after` and begin with `prefix`.
    // Looks at no more than `budget` of them.
    [[nodiscard]] std::vector<listed_filter> list_filters(app_id app, std::string_view prefix, std::string_view after,
                                                          std::size_t limit, std::size_t budget) const;

    // A durable session that is not connected still wants its messages logged: interest without a subscriber.
    void add_durable_interest(app_id app, std::string_view filter, std::function<void()> ready);
    void remove_durable_interest(app_id app, std::string_view filter);

    // A subscriber's shared_variant, publisher_hash or permissions changed: forget what was planned with them.
    void changed() noexcept;

    // Shared subscriptions: `who` (a session) joins or leaves the group that "$share/<group>/<filter>" names.
    void join_group(app_id app, session& who, std::string_view filter, subscription_options const& options,
                    bool durable, std::function<void()> ready);
    void leave_group(app_id app, session& who, std::string_view filter, bool for_good);
    void acknowledge_group(group_ticket const& ticket);
    void return_to_group(group_ticket const& ticket);
    void restore_group(recovered_group&& stored);
    // Stores the cursors of durable groups that have moved.
    void tick_groups();

    // Called by the shard for each commit of the log, in order.
    void on_committed(std::vector<logged_message> const& batch);

    // Delivers a message that another shard published to this shard's subscribers. Called through the mailbox.
    void deliver_forwarded(message_ptr const& m);

    // Turn end: runs become invalid. Called by the shard after every connection was flushed.
    void end_turn();

private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

}  // namespace fulmar::broker
