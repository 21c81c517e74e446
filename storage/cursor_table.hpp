// Who still needs the log from where on: the cursors of durable sessions and shared subscriptions, and the messages in
// flight. It decides how far trimming may go.
//
// Owner:    rocks_store.
// Threads:  any; one lock, held briefly (scans are done in slices).
// Limits:   about 100 bytes per durable session with one filter.
// Cost:     apply is O(1) per operation; lowest and behind are O(sessions), for the maintenance thread.
#pragma once

#include "broker/session_store.hpp"

#include <mutex>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace fulmar::storage {

class cursor_table
{
public:
    // Takes in what a commit made durable. Operations that say nothing about positions are ignored.
    void apply(std::vector<broker::store_op> const& ops);
    void restore(broker::recovered_session const& session);
    void restore(broker::recovered_group const& group);

    // The highest position that nobody needs, at most `bound`.
    [[nodiscard]] broker::log_sequence lowest(broker::log_sequence bound) const;

    // The filters of everybody who has not read up to `position`, each with the lowest position it is needed from.
    [[nodiscard]] std::unordered_map<broker::filter_hash, broker::log_sequence> behind(
        broker::log_sequence position) const;

    [[nodiscard]] std::size_t sessions() const;

private:
    struct entry
    {
        broker::log_sequence cursor = 0;
        broker::log_sequence begin = broker::log_end;  // lowest begin of its filters
        std::vector<broker::filter_hash> filters;      // those whose messages it reads from the log by its own cursor
        bool used = false;
    };

    void apply_one(broker::store_op const& op);
    void put_subscription(broker::session_id id, broker::subscription const& what);
    void erase_subscription(broker::session_id id, std::string_view filter);
    void put_inflight(broker::session_id id, broker::inflight_record const& record);
    void erase(broker::session_id id);
    entry& at(broker::session_id id);
    [[nodiscard]] broker::app_id app_of(broker::session_id id) const;
    template <class Visit>
    void for_each_entry(Visit&& visit) const;

    mutable std::mutex mutex_;
    std::vector<entry> entries_;        // slots, so that a scan can pause
    std::vector<broker::app_id> apps_;  // by slot
    std::vector<std::size_t> free_;
    std::unordered_map<broker::session_id, std::size_t> slots_;
    std::unordered_map<broker::filter_hash, broker::log_sequence> groups_;
    std::unordered_map<broker::session_id, std::unordered_map<broker::packet_id, broker::log_sequence>> inflight_;
};

}  // namespace fulmar::storage
