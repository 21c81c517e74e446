// A session_store in memory with the semantics of the real one, for tests of everything above it.
//
// Automatic (the default): submit commits at once and answers from inside submit; reads likewise.
// Held: after hold() hand-overs wait until confirm_all() or confirm_next(); reads see only what was confirmed.
//
// Threads:  any. Listeners are called one at a time and in commit order, without a lock held, so they may call back.
#pragma once

#include "broker/clock.hpp"
#include "broker/session_store.hpp"

#include <atomic>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <utility>

namespace fulmar::test {

class memory_store final : public broker::session_store
{
public:
    memory_store();
    explicit memory_store(broker::clock const& clock);

    // --- what a test controls --------------------------------------------------------------------
    void hold();           // later hand-overs wait
    void confirm_next();   // commits the oldest waiting hand-over
    void confirm_all();    // commits everything that waits; still held
    void release();        // commits everything and goes back to automatic
    void hold_reads();     // later reads wait
    void release_reads();  // answers them all and goes back to answering at once
    void hold_pages();     // later reads are made at once and answered by release_pages
    void release_pages();
    void fail_next(broker::error_code error);      // the next hand-over to be committed is refused as a whole
    void set_state(broker::store_state state);     // failed refuses all, full refuses publishes
    void trim_to(broker::log_sequence low_water);  // as retention does: readers behind it see a gap
    // The process died: what waits is forgotten, listeners too. recover() then shows what survived.
    void restart();

    // --- what a test looks at (copies) -----------------------------------------------------------
    [[nodiscard]] std::size_t waiting() const;    // hand-overs not yet confirmed
    [[nodiscard]] std::size_t committed() const;  // hand-overs committed since construction
    [[nodiscard]] std::vector<broker::logged_message> log() const;
    [[nodiscard]] std::vector<broker::message_ptr> retained() const;
    [[nodiscard]] std::vector<broker::recovered_session> sessions() const;
    [[nodiscard]] std::optional<broker::recovered_session> session(std::string_view client_id) const;
    [[nodiscard]] std::vector<broker::recovered_group> groups() const;
    [[nodiscard]] std::map<std::uint64_t, std::string> outbox() const;

    // --- session_store ---------------------------------------------------------------------------
    void recover(broker::recovery_sink const& sink) override;
    void attach(broker::shard_id shard, broker::store_listener& listener) override;
    void wants_log(broker::shard_id shard, bool wanted) override;
    void submit(broker::shard_id shard, std::vector<broker::store_op> ops) override;
    void read(broker::shard_id shard, broker::queue_read request) override;
    [[nodiscard]] broker::store_state state() const noexcept override { return state_.load(); }
    [[nodiscard]] std::size_t pending_bytes() const noexcept override { return pending_bytes_.load(); }
    [[nodiscard]] broker::log_sequence last_committed() const noexcept override { return last_.load(); }
    [[nodiscard]] broker::log_sequence low_water() const noexcept override { return low_water_.load(); }
    void close() override;

private:
    struct hand_over
    {
        broker::shard_id shard;
        std::vector<broker::store_op> ops;
        std::size_t bytes;
    };
    struct stored_session
    {
        broker::session_record record;
        std::map<std::string, broker::subscription> subscriptions;
        std::map<std::pair<bool, broker::packet_id>, broker::inflight_record> inflight;  // first: incoming
        broker::log_sequence cursor = 0;
    };
    struct listener_state
    {
        broker::store_listener* listener = nullptr;
        bool wants_log = false;
    };

    using notice = std::function<void()>;

    void commit(hand_over work);
    [[nodiscard]] broker::store_result apply(broker::store_op const& op, std::vector<broker::logged_message>& logged);
    broker::log_sequence apply_publish(broker::publish_op const& op, std::vector<broker::logged_message>& logged);
    [[nodiscard]] broker::queue_page page_of(broker::queue_read const& request) const;
    void answer(broker::shard_id shard, broker::queue_read const& request);
    void drain_notices(std::unique_lock<std::mutex>& lock);

    broker::clock const& clock_;
    mutable std::mutex mutex_;
    std::atomic<broker::store_state> state_{broker::store_state::healthy};
    std::atomic<std::size_t> pending_bytes_{0};
    std::atomic<broker::log_sequence> last_{0};
    std::atomic<broker::log_sequence> low_water_{0};
    bool held_ = false;
    bool reads_held_ = false;
    bool pages_held_ = false;
    bool notifying_ = false;
    bool closed_ = false;
    std::size_t committed_ = 0;
    std::deque<broker::error_code> failures_;
    std::deque<hand_over> waiting_;
    std::deque<std::pair<broker::shard_id, broker::queue_read>> waiting_reads_;
    std::deque<notice> notices_;
    std::deque<notice> held_pages_;
    std::map<broker::shard_id, listener_state> listeners_;

    std::map<broker::log_sequence, broker::message_ptr> log_;
    std::map<broker::filter_hash, std::set<broker::log_sequence>> index_;  // keeps what was trimmed: gaps are exact
    std::map<broker::session_id, stored_session> sessions_;
    std::map<broker::filter_hash, broker::recovered_group> groups_;
    std::map<std::pair<broker::app_id, std::string>, broker::message_ptr> retained_;
    std::map<std::uint64_t, std::string> outbox_;
};

}  // namespace fulmar::test
