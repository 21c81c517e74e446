// One channel of a connection with a session: first what it missed, read from the log, then what happens.
//
// Everything of QoS >= 1 reaches it after its commit and in the order of the log, so that its positions say exactly what it
// has had. A connection that does not read fast enough falls behind and reads the log again: it costs no memory.
//
// Owner:    shared by the connection's subscription and the logged_channel; inert once it has ended.
// Threads:  shard-owned.
// Limits:   joined_max new messages are kept while a page of the log is read, beyond that they are read from the log, too;
//           held_max events that no log keeps wait until it has caught up, further ones are dropped and counted.
// Cost:     one read of the log when its channel is subscribed to; nothing per event beyond a place in a shared run.
#pragma once

#include "broker/session_store.hpp"
#include "frontends/pusher/home_sessions.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace fulmar::pusher {

class channel_client;
class channel_shard;
class logged_channel;

class follower final : public std::enable_shared_from_this<follower>
{
public:
    static constexpr std::size_t joined_max = 256;
    static constexpr std::size_t held_max = 256;

    follower(channel_shard& owner, logged_channel& in, connection_id client) : owner_(owner), in_(&in), client_(client)
    {
    }

    // Looks at what was missed; `done` runs when that is known, unless it has ended meanwhile.
    void open(home_sessions::claim const& from, std::function<void()> done);

    // --- subscribed ---
    // What the data of subscription_succeeded says: "recovered":true,"missed":2
    [[nodiscard]] std::string verdict() const;
    // Is this event still to come, or may the client have had it? Such a one is not sent from the cache.
    [[nodiscard]] bool covers(broker::message const& cached) const;
    [[nodiscard]] std::uint64_t missed() const noexcept { return missed_; }
    // subscription_succeeded was sent: what was missed follows, and then what happens.
    void enter();
    // The socket drained, or there is room again.
    void go_on();
    void end() noexcept;

    // --- the channel ---
    [[nodiscard]] bool entered() const noexcept { return phase_ == phase::behind || phase_ == phase::live; }
    [[nodiscard]] bool live() const noexcept { return phase_ == phase::live; }
    [[nodiscard]] bool ended() const noexcept { return phase_ == phase::ended; }
    [[nodiscard]] bool excluded_by(std::uint64_t publisher) const noexcept;
    [[nodiscard]] bool wants(broker::log_sequence sequence) const noexcept { return sequence > skip_upto_; }
    [[nodiscard]] connection_id client() const noexcept { return client_; }
    // While it reads the log: what is new.
    void note(broker::logged_message const& item);
    void hold(broker::message_ptr const& m);
    // It must not be sent `next` now.
    void fall_behind(broker::log_sequence next);

    // Everything at or before this was sent while it is behind.
    [[nodiscard]] broker::log_sequence after() const noexcept { return after_; }

    std::uint32_t place = 0;  // in the channel

private:
    // opening: looks at what was missed, or waits for enter. behind: reads the log. live: is sent what happens.
    enum class phase : std::uint8_t { opening, behind, live, ended };

    void read(bool first);
    void on_first_page(broker::queue_page&& page);
    void count_rest();
    void on_page(broker::queue_page&& page);
    void opened();
    [[nodiscard]] bool replays(broker::message const& m) const;
    void send(channel_client& to, broker::logged_message const& item);
    void send_all(std::vector<broker::logged_message> const& items, bool again);
    void go_live();
    [[nodiscard]] channel_client* peer() const noexcept;
    [[nodiscard]] broker::queue_read request_after(broker::log_sequence position) const;

    channel_shard& owner_;
    logged_channel* in_;
    connection_id const client_;
    std::vector<std::uint64_t> own_;
    std::function<void()> opened_;
    std::vector<broker::logged_message> first_;   // what was missed, as far as the first page goes
    std::vector<broker::logged_message> joined_;  // new while the log was read
    std::vector<broker::message_ptr> held_;
    broker::log_sequence after_ = 0;
    broker::log_sequence skip_upto_ = 0;  // the stream repeats what pages have given
    broker::wall_ms away_since_ = 0;
    std::uint64_t missed_ = 0;
    std::string_view gap_;  // why something is missing; empty: nothing is
    phase phase_ = phase::opening;
    bool known_ = false;
    bool reading_ = false;
    bool joining_ = false;
    bool complete_ = false;
};

}  // namespace fulmar::pusher
