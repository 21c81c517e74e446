// A Pusher connection that is no socket but a row of HTTP requests: the wire that its protocol sees.
//
// The client always has one request open to receive (a streaming response, or a poll) and makes another for whatever it
// says. What the protocol sends waits here until there is a receiver that takes it. A streaming response is full when the
// client has counted 256 Ki characters: it ends with that frame, and the client, which throws it away at the same frame,
// opens the next one. So nothing is on its way when a response is given up, and nothing is lost.
//
// Spec:     pusher-js, core/http; SockJS 0.3.3.
// Owner:    fallback_shard, by name.
// Threads:  shard-owned: its home shard. Receivers are on the shards of their connections.
// Limits:   limits::outbox_bytes of events wait; what is beyond is dropped and counted, as for a socket. One part of at most
//           part_bytes_max (or one message) is under way to a receiver. Without a receiver for `away_max` it ends.
// Cost:     this object, its protocol and what waits; every event is written for every client anew.
#pragma once

#include "broker/clock.hpp"
#include "frontends/pusher/fallback_text.hpp"
#include "frontends/pusher/protocol.hpp"

#include <deque>
#include <optional>
#include <string>
#include <vector>

namespace fulmar::pusher {

class fallback_shard;
class frontend;

enum class receive_kind : std::uint8_t { streaming, polling };

// A request that waits for frames, on the shard of its connection; never reused.
struct receiver_id
{
    broker::shard_id shard = 0;
    std::uint64_t serial = 0;  // 0: nobody
    friend bool operator==(receiver_id const&, receiver_id const&) = default;
};

class fallback_session final : private net::message_wire
{
public:
    static constexpr std::size_t response_length_max = 256 * 1024;  // as pusher-js counts, in UTF-16 units
    static constexpr std::size_t part_bytes_max = 64 * 1024;
    static constexpr std::chrono::seconds alive_period{25};  // proxies cut what is silent for a minute, some for half
    static constexpr std::chrono::seconds away_max{25};

    fallback_session(fallback_shard& owner, std::string name, net::http_request const& first);
    ~fallback_session() override;
    fallback_session(fallback_session const&) = delete;
    fallback_session& operator=(fallback_session const&) = delete;

    // Makes the protocol, which may refuse the client: it is told so when it has a receiver.
    void open(frontend& shared, net::http_request const& first);
    // Takes the place of the receiver before, which is told so.
    void attach(receiver_id who, receive_kind kind);
    // It took everything, and more may come.
    void ready(receiver_id who);
    // Its connection ended before the response did.
    void lost(receiver_id who);
    // False: closed.
    [[nodiscard]] bool take(std::vector<std::string> const& messages);

    void introduce(net::client_visitor& visitor) const;

    // --- for the owner
    void flush();                                   // at the end of the turn
    void after_turn();                              // in the turn after one that asked for it
    void on_time(broker::steady_time now);          // does what is due
    [[nodiscard]] broker::steady_time due() const;  // when something will be
    [[nodiscard]] bool ended() const noexcept { return phase_ == phase::ended; }
    [[nodiscard]] std::string const& name() const noexcept { return name_; }
    [[nodiscard]] std::string const& origin() const noexcept
    {
        return origin_;
    }  // of the page; others have no part in it

private:
    // closing: what waits and the reason are still to be told. ended: the owner takes it away.
    enum class phase : std::uint8_t { open, closing, ended };

    struct piece  // of this turn
    {
        std::string text;
        broker::frame_run const* run = nullptr;
        std::uint32_t first_byte = 0;
        std::uint32_t first_frame = 0;
    };

    // --- net::message_wire
    void send(std::string_view head, std::string_view tail, std::shared_ptr<void const> keep) override;
    void send_run(broker::frame_run const& run, std::uint32_t first_byte, std::uint32_t first_frame) override;
    [[nodiscard]] framing_kind framing() const noexcept override { return framing_kind::websocket_text; }
    [[nodiscard]] std::size_t backlog_bytes() const noexcept override;
    void close(std::uint16_t code, std::string_view reason) override;
    void abort() override;
    void set_deadline(std::chrono::milliseconds after) override;
    void pause_reading() override {}   // the protocol has no use for these:
    void resume_reading() override {}  // what a client may say at once is limited by its requests
    void replace_protocol(std::unique_ptr<net::protocol> next) override;
    [[nodiscard]] net::peer const& remote() const noexcept override { return peer_; }
    [[nodiscard]] broker::shard& home() noexcept override;
    void send_message(net::websocket_opcode kind, std::string_view payload) override;

    void absorb();
    void absorb_run(piece const& from);
    void push(std::string_view text);
    [[nodiscard]] std::string next_part();
    void hand_over(std::string part, bool last);
    void note_backlog();
    void touch();
    void end();

    fallback_shard& owner_;
    std::string const name_;
    net::peer const peer_;
    std::string const origin_;
    broker::wall_ms const since_;
    std::unique_ptr<net::message_protocol> protocol_;
    std::vector<piece> pieces_;      // of this turn, in order
    std::deque<std::string> queue_;  // messages as JSON strings
    std::size_t queued_bytes_ = 0;   // of them
    std::size_t under_way_ = 0;      // bytes that the receiver has not confirmed
    std::size_t response_length_ = 0;
    std::string farewell_;  // closing: the last frame
    receiver_id receiver_;
    receiver_id served_;                           // whose response was the last that ended
    std::optional<broker::steady_time> deadline_;  // of the protocol
    broker::steady_time quiet_since_;              // with a receiver: it was sent nothing; without: there is none
    broker::steady_time closing_since_;
    phase phase_ = phase::open;
    receive_kind kind_ = receive_kind::polling;
    bool ready_ = false;       // the receiver takes more
    bool greeted_ = false;     // "o" was sent
    bool alive_due_ = false;   // "h", or anything else, is to be sent
    bool answer_due_ = false;  // the client will answer the last "h"
    bool crowded_ = false;     // more than half of what may wait did
    bool drained_ = false;     // and does not any more: the protocol is to be told
    bool touched_ = false;     // flush is to be called
};

}  // namespace fulmar::pusher
