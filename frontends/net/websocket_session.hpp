// A WebSocket connection after its handshake: frames outside, another protocol inside.
//
// The inner protocol sees a wire like any other. Two kinds: a byte stream carried in binary messages whose boundaries
// mean nothing (MQTT), or whole messages (message_protocol). Deadlines belong to the inner protocol until the closing
// handshake begins.
//
// Spec:     RFC 6455 §5.4, §5.5, §7.1 (closing); RFC 7692; MQTT 5.0 §6.
// Owner:    the connection, as its protocol.
// Threads:  shard-owned.
// Limits:   websocket_settings. A byte stream keeps only what the inner protocol left unconsumed, and compressed
//           messages until they are complete; before the inner protocol has answered anything, at most
//           early_bytes_max of those.
// Cost:     nothing allocated while idle; one copy of what arrives (unmasking), none of what is sent.
//           It is counted in shard_metrics as a WebSocket, beside the TCP or TLS connection that it began as.
#pragma once

#include "frontends/net/permessage_deflate.hpp"
#include "frontends/net/protocol.hpp"
#include "frontends/net/websocket_codec.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace fulmar::net {

// Shared by all sessions of one route, and outlives them.
struct websocket_settings
{
    std::size_t message_bytes_max = 1024 * 1024;  // of one message, inflated
    std::size_t early_bytes_max = 64 * 1024;      // kept of compressed messages before the inner protocol answered
    std::size_t compress_above = 1024;            // smaller messages are sent as they are
    std::size_t pong_backlog_max = 64 * 1024;     // with more than this waiting, pings are not answered
    std::chrono::milliseconds close_wait{5'000};  // for the peer's half of the closing handshake
    // The peer broke the protocol or a limit; `code` is what it is told. For logs and metrics; may be empty.
    std::function<void(wire& connection, std::uint16_t code)> on_failure;
    // Runs `task` later in the shard's loop. Empty: posts to the io_context of wire::home().
    std::function<void(wire& connection, std::function<void()> task)> later;
};

// What a message_protocol may do beyond a wire. wire::send makes a text message.
class message_wire : public wire
{
public:
    virtual void send_message(websocket_opcode kind, std::string_view payload) = 0;
    // A ping of WebSocket's own, which the peer's library answers with the same payload, of at most 125 bytes, whatever its
    // application does; where there are none, nothing.
    virtual void send_ping(std::string_view /*payload*/) {}
};

// An inner protocol that is given whole messages instead of bytes.
class message_protocol : public protocol
{
public:
    // `kind` is text (then the payload is valid UTF-8) or binary.
    virtual void on_message(websocket_opcode kind, std::string_view payload) = 0;
    // An answer to send_ping, or whatever else the peer makes of it.
    virtual void on_websocket_pong(std::string_view /*payload*/) {}

    [[nodiscard]] std::size_t on_bytes(std::span<char const> in) final { return in.size(); }
};

class websocket_session final : public protocol, private message_wire
{
public:
    using stream_factory = std::function<std::unique_ptr<protocol>(wire&)>;
    using message_factory = std::function<std::unique_ptr<message_protocol>(message_wire&)>;

    websocket_session(wire& outer, websocket_settings const& settings, std::optional<deflate_parameters> deflate,
                      stream_factory const& make);
    websocket_session(wire& outer, websocket_settings const& settings, std::optional<deflate_parameters> deflate,
                      message_factory const& make);
    ~websocket_session() override;

    [[nodiscard]] std::size_t on_bytes(std::span<char const> in) override;
    void on_deadline() override;
    void on_drained() override;
    void on_frames_dropped() override;
    [[nodiscard]] bool describe(client_description& out) const override;
    void end_by_administrator() override { inner_->end_by_administrator(); }
    void on_closed(bool clean) override;

private:
    // open: both ways. closing: our close frame is sent, the peer's awaited. closed: nothing more to do.
    enum class phase : std::uint8_t { open, closing, closed };

    // wire, for the inner protocol
    void send(std::string_view head, std::string_view tail, std::shared_ptr<void const> keep) override;
    void send_shared(std::string_view head, std::string_view tail, std::shared_ptr<void const> keep) override;
    void send_run(broker::frame_run const& run, std::uint32_t first_byte, std::uint32_t first_frame) override;
    [[nodiscard]] framing_kind framing() const noexcept override;
    [[nodiscard]] std::size_t backlog_bytes() const noexcept override { return outer_.backlog_bytes(); }
    [[nodiscard]] std::size_t shared_backlog_bytes() const noexcept override { return outer_.shared_backlog_bytes(); }
    void close(std::uint16_t code, std::string_view reason) override;
    void abort() override;
    void set_deadline(std::chrono::milliseconds after) override;
    void pause_reading() override;
    void resume_reading() override;
    void replace_protocol(std::unique_ptr<protocol> next) override;
    [[nodiscard]] peer const& remote() const noexcept override { return outer_.remote(); }
    [[nodiscard]] broker::shard& home() noexcept override { return outer_.home(); }
    void send_message(websocket_opcode kind, std::string_view payload) override;
    void send_ping(std::string_view payload) override;

    void count(bool opened);
    void send_frame(websocket_opcode kind, std::string_view head, std::string_view tail,
                    std::shared_ptr<void const> keep);
    void send_close(std::uint16_t code, std::string_view reason);
    void answer_ping(std::string_view payload);
    void send_control(websocket_opcode kind, std::string_view payload);
    void on_close_frame(websocket_control const& frame);
    void fail(std::uint16_t code);

    // Each returns false when nothing more may be read now.
    bool on_payload(std::span<char const>& in);
    bool take_stream(std::span<char const>& in);
    bool take_whole(std::span<char const>& in);
    void deliver_compressed();
    void deliver_message(std::vector<char>& message);
    void offer_stream(std::vector<char>& bytes);
    void offer_scratch();
    void offer_rest();
    [[nodiscard]] bool keep_whole(std::vector<char>& bytes);

    wire& outer_;
    websocket_settings const& settings_;
    websocket_decoder decoder_;
    std::unique_ptr<protocol> inner_;
    message_protocol* messages_ = nullptr;  // inner_, if it is one
    std::vector<char> rest_;                // of the byte stream: what the inner protocol has not consumed
    std::vector<char> message_;             // a message to be handled whole, as far as it has arrived
    std::shared_ptr<bool> alive_;           // made when a task is left behind
    std::uint16_t pauses_ = 0;
    std::uint8_t deflate_bits_ = 0;  // 0: not negotiated
    phase phase_ = phase::open;
    bool paused_outside_ = false;
    bool answered_ = false;  // the inner protocol has sent something
};

}  // namespace fulmar::net
