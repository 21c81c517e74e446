// One client that listens: reads what it missed from the log, then follows what happens.
//
// What it gets, and in which order, is the topic_follower's; the position of a message is its id. A stream of one topic shares its bytes with all others of that topic and format; one with several topics gets each message by itself,
// because shared runs keep their order only within a topic, and so does one with a session.
//
// Owner:    the connection, as its protocol.
// Threads:  shard-owned.
// Limits:   limits::outbox_bytes wait for the socket: a client that does not read is closed, and resumes.
// Cost:     about 850 bytes while idle, with its connection; nothing per event but the write when bytes are shared.
#pragma once

#include "broker/authenticator.hpp"
#include "broker/topic_follower.hpp"
#include "frontends/net/protocol.hpp"
#include "frontends/sse/session_reader.hpp"
#include "frontends/sse/stream_request.hpp"

#include <memory>
#include <string>
#include <vector>

namespace fulmar::sse {

class sse_frontend;

class event_stream final : public net::protocol, public broker::topic_follower
{
public:
    // `session`: null if the request named none.
    event_stream(sse_frontend& owner, net::wire& wire, stream_request&& wanted, broker::identity who,
                 std::unique_ptr<session_reader> session);
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
    [[nodiscard]] bool describe(net::client_description& out) const override;
    void end_by_administrator() override { close(); }
    void on_closed(bool clean) override;

    // --- broker::subscriber ----------------------------------------------------------------------
    [[nodiscard]] broker::wire_variant const* shared_variant() const noexcept override;
    void take_run(broker::frame_run const& run, std::uint32_t first_byte, std::uint32_t first_frame) override;
    [[nodiscard]] bool may_receive(std::string_view topic) const override;

private:
    [[nodiscard]] broker::shard& home() noexcept { return wire_.home(); }
    // --- broker::topic_follower ------------------------------------------------------------------
    void on_ready(broker::log_sequence position) override;
    void on_gap(broker::log_sequence from, broker::log_sequence to) override;
    void hand_on(broker::logged_message const& item, bool replayed) override;
    [[nodiscard]] bool crowded() override;
    void on_unreadable() override { close(); }

    void write_text(std::string_view text) { wire_.send(text); }
    void say_ready(broker::log_sequence position);
    void say_gap(broker::log_sequence from, broker::log_sequence to, broker::log_sequence go_on_after);
    void on_session_end(broker::reader_end why);
    [[nodiscard]] broker::log_sequence written() const;
    void arm_deadline();
    void say_alive();
    void end_slow();
    [[nodiscard]] std::string farewell() const;
    void give_up();

    sse_frontend& owner_;
    net::wire& wire_;
    event_format const format_;
    broker::identity who_;
    std::unique_ptr<session_reader> session_;
    broker::log_sequence told_ = 0;  // the last position that the client knows
    bool gone_ = false;
};

}  // namespace fulmar::sse
