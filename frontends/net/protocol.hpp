// Port between a connection (sockets, TLS, deadlines, outbox) and the protocol spoken on it.
//
// A protocol does no I/O: it is given bytes and writes answers into the connection's outbox through `wire`. It can be
// unit-tested with scripts of packets (tests/support/packet_script) and fuzzed.
//
// Threads:  shard-owned: every call is made on the connection's shard.
#pragma once

#include "broker/frame_run.hpp"
#include "broker/ids.hpp"
#include "broker/metrics.hpp"
#include "frontends/net/stream.hpp"

#include <boost/system/error_code.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace fulmar::broker {
class shard;
}

namespace fulmar::net {

// Who is at the other end. `address` is what a trusted PROXY header says, else the socket's peer.
struct peer
{
    std::string address;
    std::uint16_t port = 0;
    bool loopback = false;            // the socket's peer itself is on this machine and not behind a PROXY header
    std::string certificate_subject;  // common name of a verified client certificate; empty: none
    broker::transport over = broker::transport::tcp;
};

class protocol;

// A client as administrators see it. What its protocol does not know stays as it is.
struct client_description
{
    std::string_view protocol;  // "mqtt", "pusher", "sse", "grpc"
    std::string_view transport = "tcp";
    broker::app_id app = broker::default_app;
    std::string user;
    std::string client_id;  // MQTT; Pusher: the socket id
    std::string peer_address;
    std::uint16_t peer_port = 0;
    bool tls = false;
    std::uint64_t since_ms = 0;  // wall clock; to the second
    std::size_t backlog_bytes = 0;
};

class client_visitor
{
public:
    // `number` names the client on this shard. False: no further ones.
    [[nodiscard]] virtual bool on_client(std::uint64_t number, client_description&& what, protocol& talk) = 0;

protected:
    ~client_visitor() = default;
};

// What a protocol may do to its connection.
class wire
{
public:
    virtual ~wire() = default;

    // Appends `head` and `tail` as ONE application message (one packet). Over WebSocket they become one binary frame, over
    // TCP plain bytes. Large tails are not copied if `keep` owns their memory.
    virtual void send(std::string_view head, std::string_view tail = {}, std::shared_ptr<void const> keep = {}) = 0;

    // The same for what many receive alike, such as the members of a large channel: `tail` is not copied, and counts as
    // shared_backlog_bytes instead of backlog_bytes, so that messages that follow it are not dropped for its sake. Who
    // sends it has to bound it.
    virtual void send_shared(std::string_view head, std::string_view tail, std::shared_ptr<void const> keep)
    {
        send(head, tail, std::move(keep));
    }

    // The rest of this turn's `run` from `first_byte` on is to be sent. The run is already framed for this transport
    // (framing()). When the socket is backlogged beyond limits::outbox_bytes at the end of the turn, whole frames are
    // dropped and counted (drop_reason::outbox_full).
    virtual void send_run(broker::frame_run const& run, std::uint32_t first_byte, std::uint32_t first_frame) = 0;

    // How frames in a run must be framed: none for TCP and TLS, a WebSocket binary (or text) header for WebSocket.
    enum class framing_kind : std::uint8_t { plain, websocket_binary, websocket_text };
    [[nodiscard]] virtual framing_kind framing() const noexcept = 0;

    [[nodiscard]] virtual std::size_t backlog_bytes() const noexcept = 0;
    [[nodiscard]] virtual std::size_t shared_backlog_bytes() const noexcept { return 0; }

    // What has been sent, and what the peer's machine has of it. `written` is not known while some of it waits here.
    [[nodiscard]] virtual delivery_receipt receipt() const noexcept { return {}; }

    // Sends what is in the outbox, then closes (WebSocket: with `websocket_code`). Nothing is delivered to the protocol
    // afterwards except on_closed. Idempotent.
    virtual void close(std::uint16_t websocket_code = 1000, std::string_view websocket_reason = {}) = 0;
    virtual void abort() = 0;  // at once, with a reset

    // Calls protocol::on_deadline once after `after` (resolution about 100 ms) unless set again; zero: never.
    virtual void set_deadline(std::chrono::milliseconds after) = 0;

    // Flow control towards the peer: while paused nothing is read. Counted, so pause twice needs resume twice.
    virtual void pause_reading() = 0;
    virtual void resume_reading() = 0;

    // Hands the connection to another protocol (HTTP upgrade). The caller is destroyed when it returns to the connection.
    virtual void replace_protocol(std::unique_ptr<protocol> next) = 0;

    // A second descriptor of the socket, for somebody else who reads and writes it from now on (and closes the descriptor);
    // -1: there is none left. The connection goes on as its account: it keeps its place in the quota and in lists, takes
    // deadlines, and has ended when either side has ended the stream. close and abort end the stream for the borrower, too.
    // For connections without TLS of ours, before anything is read: in service::make_protocol.
    [[nodiscard]] virtual int lend_socket() { return -1; }

    [[nodiscard]] virtual peer const& remote() const noexcept = 0;
    [[nodiscard]] virtual broker::shard& home() noexcept = 0;
};

class protocol
{
public:
    virtual ~protocol() = default;

    // `in` holds every byte received and not yet consumed. Returns how many were consumed; the rest is offered again
    // together with more bytes. A protocol that cannot go on calls wire::close and returns anything.
    // Limits: a protocol refuses, by looking at a length field, any packet that it would never accept; so the unconsumed
    // tail is bounded by the protocol's own maximum.
    [[nodiscard]] virtual std::size_t on_bytes(std::span<char const> in) = 0;

    virtual void on_deadline() = 0;

    // The outbox fell below half of limits::outbox_bytes after having been above it.
    virtual void on_drained() {}

    // Whole frames of runs were dropped because the socket took too little (wire::send_run). They followed everything
    // that was kept.
    virtual void on_frames_dropped() {}

    // Says who the client is. False: nobody yet, or nobody to speak of, like the sender of a single HTTP request.
    [[nodiscard]] virtual bool describe(client_description&) const { return false; }

    // An administrator ends the connection: with the protocol's own farewell.
    virtual void end_by_administrator() {}

    // Exactly once, last call: the connection is gone. `clean`: the peer closed, no error.
    virtual void on_closed(bool clean) = 0;
};

}  // namespace fulmar::net
