// The messages sent to one client at QoS 1 or 2 and not yet acknowledged, in send order.
//
// Spec:     MQTT 5.0 §4.9 flow control, §4.4 redelivery, §4.6 ordering, §2.2.1 packet identifiers.
// Owner:    broker::session, by value; it survives the connection, not the session.
// Threads:  shard-owned.
// Limits:   entries, acknowledged ones behind an unacknowledged one included, never exceed span_max.
// Cost:     push and find are O(1) while identifiers were given in sequence, which is always but after a restart.
#pragma once

#include "broker/fifo.hpp"
#include "broker/session_store.hpp"

#include <optional>

namespace fulmar::broker {

// Where an unacknowledged message of a shared subscription goes back to.
struct group_ticket
{
    filter_hash group{};
    shard_id home = 0;
    std::uint64_t number = 0;  // the group's own; 0: not from a shared subscription
};

struct inflight_entry
{
    packet_id id = 0;
    qos level = qos::at_least_once;
    inflight_state state = inflight_state::published;
    bool acknowledged = false;  // kept only until everything before it is acknowledged too
    bool sent = false;          // on this connection: it counts against the quota
    bool storing = false;       // QoS 2: its record is on the way to the store; not sent yet
    bool retain = false;        // RETAIN of the copy that was sent
    log_sequence sequence = 0;  // in the session's queue; 0: not from it
    log_sequence position = 0;  // told to the client; 0: not
    message_ptr message;        // kept for resending
    std::vector<std::uint32_t> identifiers;
    group_ticket group;
};

class inflight_window
{
public:
    static constexpr std::size_t span_max = 8'192;

    [[nodiscard]] bool full() const noexcept { return entries_.size() >= span_max; }
    [[nodiscard]] bool empty() const noexcept { return entries_.empty(); }
    [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }

    // Appends an entry under the next free packet identifier. Precondition: !full().
    inflight_entry& push(inflight_entry entry);
    // Appends a stored entry under the identifier it has.
    void restore(inflight_entry entry);

    [[nodiscard]] inflight_entry* find(packet_id id) noexcept;
    [[nodiscard]] inflight_entry* find_sequence(log_sequence sequence) noexcept;

    // Takes acknowledged entries off the front while they `may_go`, calling `gone` for each.
    template <class Predicate, class Function>
    void settle_front(Predicate may_go, Function gone)
    {
        while (!entries_.empty() && entries_.front().acknowledged && may_go(entries_.front())) {
            gone(entries_.front());
            entries_.pop_front();
        }
        if (entries_.empty())
            in_sequence_ = true;
    }

    // Removes the entries for which `gone` is true.
    template <class Predicate>
    void remove_if(Predicate gone)
    {
        auto const before = entries_.size();
        entries_.erase_if(gone);
        in_sequence_ = entries_.empty() || (in_sequence_ && before == entries_.size());
    }

    // The lowest log position of the session's own queue that is not acknowledged; nullopt if there is none.
    [[nodiscard]] std::optional<log_sequence> first_unacknowledged() const noexcept;

    [[nodiscard]] auto begin() noexcept { return entries_.begin(); }
    [[nodiscard]] auto end() noexcept { return entries_.end(); }

private:
    [[nodiscard]] packet_id next_id() noexcept;

    fifo<inflight_entry> entries_;  // oldest first: this is also the redelivery order
    packet_id last_id_ = 0;
    bool in_sequence_ = true;  // identifiers follow each other without a hole
};

}  // namespace fulmar::broker
