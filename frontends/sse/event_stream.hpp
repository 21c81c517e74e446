// One client that listens: reads what it missed from the log, then follows what happens.
//
// Messages of topics without history are written when they are published. Those of topics with history are written after
// their commit, in the order of the log, with their position as id, so that any id says exactly what the client has. A stream
// of one topic shares its bytes with all others of that topic and format; one with several topics gets each message by itself,
// because shared runs keep their order only within a topic.
//
// Owner:    the connection, as its protocol.
// Threads:  shard-owned.
// Limits:   limits::outbox_bytes wait for the socket: a client that does not read is closed, and resumes. While the log
//           is read, at most joined_messages_max of what is new is kept; beyond that it is read from the log, too.
// Cost:     about 850 bytes while idle, with its connection; nothing per event but the write when bytes are shared.
#pragma once

#include "broker/authenticator.hpp"
#include "broker/session_store.hpp"
#include "broker/subscriber.hpp"
#include "frontends/net/protocol.hpp"
#include "frontends/sse/stream_request.hpp"

#include <memory>
#include <string>
#include <vector>

namespace fulmar::sse {

class sse_frontend;

class event_stream final : public net::protocol, public broker::subscriber
{
public:
    static constexpr std::size_t joined_messages_max = 256;

    event_stream(sse_frontend& owner, net::wire& wire, stream_request&& wanted, broker::identity who);
    ~event_stream() override;
    event_stream(event_stream const&) = delete;
    event_stream& operator=(event_stream const&) = delete;

    void begin();
    // Tells the client when to come back, and ends.
    void close();

    // --- net::protocol ---------------------------------------------------------------------------
    [[nodiscard]] std::size_t on_bytes(std::span<char const> in) override { return in.size(); }  // nothing to say
    void on_deadline() override;
    void on_drained() override;
    void on_frames_dropped() override;
    void on_closed(bool clean) override;

    // --- broker::subscriber ----------------------------------------------------------------------
    [[nodiscard]] broker::wire_variant const* shared_variant() const noexcept override;
    void take_run(broker::frame_run const& run, std::uint32_t first_byte, std::uint32_t first_frame) override;
    void deliver(broker::message_ptr const& m, broker::matched_subscription const& match) override;
    void deliver_history(broker::logged_message const& item) override;
    [[nodiscard]] bool may_receive(std::string_view topic) const override;
    [[nodiscard]] std::uint64_t publisher_hash() const noexcept override { return 0; }

private:
    // opening: until every shard knows what is wanted. behind: the log is read. live: what is new is written.
    enum class phase : std::uint8_t { opening, behind, live, closed };

    [[nodiscard]] broker::shard& home() noexcept { return wire_.home(); }
    void on_subscribed();
    void find_beginning();
    void send_ready();
    void send_gap(broker::log_sequence from, broker::log_sequence to);
    void go_on();
    void read();
    void read_newest();
    void on_newest(broker::queue_page&& page);
    void on_page(broker::queue_page&& page);
    void write_page(std::vector<broker::logged_message> const& messages);
    void catch_up_done(broker::log_sequence reached);
    void go_live();
    void share_runs();
    [[nodiscard]] bool wanted(broker::message const& m) const;
    void write(broker::logged_message const& item);
    void write_text(std::string_view text) { wire_.send(text); }
    [[nodiscard]] bool crowded();
    void arm_deadline();
    void end_slow();
    [[nodiscard]] std::string farewell() const;
    void leave();

    sse_frontend& owner_;
    net::wire& wire_;
    stream_request request_;
    broker::identity who_;
    std::vector<broker::queue_filter> sources_;  // what is read of the log; empty: no topic keeps history
    std::vector<broker::logged_message> joined_;
    broker::log_sequence after_ = 0;      // everything wanted at or before this was written
    broker::log_sequence skip_upto_ = 0;  // live: the log's pages gave what the stream of commits repeats
    broker::log_sequence told_ = 0;       // the last position that the client knows
    std::size_t unconfirmed_ = 0;         // subscriptions
    std::uint32_t window_ = 0;            // of the newest messages being read
    phase phase_ = phase::opening;
    bool reading_ = false;
    bool joining_ = false;      // what is new is kept, to follow the page being read
    bool first_page_ = true;    // a rule's limits apply to it
    bool shares_runs_ = false;  // also messages with history
    std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace fulmar::sse
