// Follows a durable queue: live while its owner keeps up, from the log when the owner fell behind.
//
// A queue is the part of the log that matches some filters. While live, messages arrive from the committed stream and
// wait here only briefly; when more wait than limits::durable_pending_*, they are forgotten and read again from the log
// once there is room. So a slow or absent consumer costs no memory.
//
// Owner:    broker::session and broker::shared_group, by value.
// Threads:  shard-owned.
// Limits:   limits::durable_pending_messages and _bytes, plus one page of page_messages_max.
// Cost:     O(1) per live message; one store read per page when behind.
#pragma once

#include "broker/fifo.hpp"
#include "broker/session_store.hpp"
#include "broker/subscriber.hpp"

#include <memory>

namespace fulmar::broker {

class shard;

class queue_cursor
{
public:
    class consumer
    {
    public:
        // How many messages can be taken now.
        [[nodiscard]] virtual std::size_t room() const = 0;
        // Takes one message of the queue; `match` is null when the message was read from the log.
        virtual void take(logged_message const& item, matched_subscription const* match) = 0;
        [[nodiscard]] virtual std::vector<queue_filter> filters() const = 0;
        // `gap` messages were removed by retention, `expired` and `skipped` (queue limit) were passed over.
        virtual void on_passed_over(std::uint64_t gap, std::uint64_t expired, std::uint64_t skipped) = 0;
        // A page of the log was taken, or waits.
        virtual void on_page_end() {}

    protected:
        ~consumer() = default;
    };

    queue_cursor(consumer& owner, log_sequence consumed) : owner_{owner}, consumed_{consumed} {}

    // How much of the log may be read: what limits::session_queue_messages allows, or everything.
    enum class extent : std::uint8_t { limited, whole };

    // Begins to follow from `after` on `home`, reading from the log until it has caught up.
    void start(shard& home, log_sequence after, extent readable = extent::limited);
    // Begins to follow where the stream is now: nothing waits.
    void start_live(shard& home);
    // Stops and forgets what waits; consumed() says where to go on.
    void stop();

    void on_logged(logged_message const& item, matched_subscription const& match);
    void pump();

    // Everything at or before this was taken, or is not in the queue.
    [[nodiscard]] log_sequence consumed() const;

    // Forgets waiting messages that no longer match.
    template <class Predicate>
    void drop_waiting_if(Predicate gone)
    {
        waiting_.erase_if([&](logged_message const& item) { return gone(*item.message); });
    }

private:
    enum class state : std::uint8_t { stopped, behind, live };

    void take(logged_message const& item, matched_subscription const* match);
    void wait(logged_message const& item);
    void fall_behind();
    void read();
    void on_page(queue_page&& page);

    consumer& owner_;
    shard* home_ = nullptr;
    state state_ = state::stopped;
    bool reading_ = false;
    bool joining_ = false;    // messages of the stream are kept, to follow the page being read
    bool limit_next_ = true;  // of the pages the first alone is limited
    log_sequence consumed_ = 0;
    log_sequence reached_ = 0;    // end of the last page: consumed once nothing waits
    log_sequence skip_upto_ = 0;  // the stream repeats what a page has given already
    fifo<logged_message> waiting_;
    fifo<logged_message> joined_;
    std::size_t waiting_bytes_ = 0;
    std::shared_ptr<int> alive_;  // made by the first read: its page may arrive after the owner has gone
};

}  // namespace fulmar::broker
