// One receiver of topics: reads what it missed from the log, then follows what happens, without a gap in between.
//
// Messages of topics without history are handed on when they are published. Those of topics with history are handed on after
// their commit, in the order of the log, with their position, so that any position says exactly what the receiver has. Those
// of QoS >= 1 to a durable receiver are, too, whatever their topic.
// What becomes of them is the business of the derived class: an SSE stream, a gRPC stream.
//
// Owner:    a connection or call of a front-end.
// Threads:  shard-owned.
// Limits:   while the log is read, at most joined_messages_max of what is new is kept; beyond that it is read from the log,
//           too. The log is read no further while crowded().
// Cost:     one page of the log at a time while behind; nothing of its own per message once it is live.
#pragma once

#include "broker/session_store.hpp"
#include "broker/starting_point.hpp"
#include "broker/subscriber.hpp"

#include <memory>
#include <string>
#include <vector>

namespace fulmar::broker {

class shard;

class topic_follower : public subscriber
{
public:
    static constexpr std::size_t joined_messages_max = 256;

    // `topics` are valid filters, each once.
    topic_follower(shard& home, app_id app, std::vector<std::string> topics, starting_point begin);
    ~topic_follower() override;
    topic_follower(topic_follower const&) = delete;
    topic_follower& operator=(topic_follower const&) = delete;

    // --- broker::subscriber ----------------------------------------------------------------------
    void deliver(message_ptr const& m, matched_subscription const& match) override;
    void deliver_history(logged_message const& item) override;
    void deliver_logged(logged_message const& item, matched_subscription const& match) override;
    [[nodiscard]] bool follows_history(std::string_view) const override { return durable(); }
    [[nodiscard]] std::uint64_t publisher_hash() const noexcept override { return 0; }

protected:
    // Subscribes; on_ready comes when nothing is missed any more.
    void follow();
    // The same for a receiver whose session keeps its messages while it is away: `begins` of every topic.
    void follow_durably(std::vector<topic_begin> begins);
    // There is room again: read on, if the log is being read.
    void go_on();
    // Nothing is handed on any more.
    void end() noexcept { phase_ = phase::closed; }
    // Ends, and gives the subscriptions back. Once; before the derived class goes.
    void leave();

    [[nodiscard]] bool live() const noexcept { return phase_ == phase::live; }
    [[nodiscard]] bool ended() const noexcept { return phase_ == phase::closed; }
    // Any of the topics, or everything of QoS >= 1 of a durable receiver.
    [[nodiscard]] bool keeps_history() const noexcept { return !sources_.empty(); }
    [[nodiscard]] bool keeps_history(std::string const& filter) const;
    [[nodiscard]] bool durable() const noexcept { return !begins_.empty(); }
    // Also messages with history may come in shared runs: nothing of the log is missing.
    [[nodiscard]] bool shares_runs() const noexcept { return shares_runs_; }
    [[nodiscard]] std::vector<std::string> const& topics() const noexcept { return topics_; }
    [[nodiscard]] starting_point const& beginning() const noexcept { return begin_; }
    // Everything wanted at or before this was handed on, if live() and the shard has come to it.
    [[nodiscard]] log_sequence reached() const noexcept { return phase_ == phase::live ? skip_upto_ : after_; }

    // Subscribed everywhere; what is handed on follows `position`.
    virtual void on_ready(log_sequence position) = 0;
    // Messages after `from` up to `to` are lost.
    virtual void on_gap(log_sequence from, log_sequence to) = 0;
    // `replayed`: read from the log.
    virtual void hand_on(logged_message const& item, bool replayed) = 0;
    // So much waits for the client that more should not be read from the log.
    [[nodiscard]] virtual bool crowded() = 0;
    // The log cannot be read: end, so that the client comes back to where it was.
    virtual void on_unreadable() = 0;

private:
    // opening: until every shard knows what is wanted. behind: the log is read. live: what is new is handed on.
    enum class phase : std::uint8_t { opening, behind, live, closed };

    void find_beginning();
    void on_subscribed();
    void read();
    void read_newest();
    void on_newest(queue_page&& page);
    void on_page(queue_page&& page);
    void write_page(std::vector<logged_message> const& messages);
    void catch_up_done(log_sequence reached);
    void go_live();
    void share_runs();
    void add_sources();
    [[nodiscard]] queue_read next_page();
    void take_logged(logged_message const& item);
    [[nodiscard]] bool wanted(logged_message const& item) const;
    [[nodiscard]] bool in_history(message const& m) const;

    shard& home_;
    app_id const app_;
    std::vector<std::string> const topics_;
    starting_point const begin_;
    std::vector<topic_begin> begins_;    // of the topics of a durable receiver; empty: it is none
    std::vector<queue_filter> sources_;  // what is read of the log; empty: no topic keeps history
    std::vector<logged_message> joined_;
    log_sequence after_ = 0;       // everything wanted at or before this was handed on
    log_sequence skip_upto_ = 0;   // live: the log's pages gave what the stream of commits repeats
    std::size_t unconfirmed_ = 0;  // subscriptions
    std::uint32_t window_ = 0;     // of the newest messages being read
    phase phase_ = phase::opening;
    bool reading_ = false;
    bool joining_ = false;      // what is new is kept, to follow the page being read
    bool first_page_ = true;    // a rule's limits apply to it
    bool shares_runs_ = false;  // also messages with history
    std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace fulmar::broker
