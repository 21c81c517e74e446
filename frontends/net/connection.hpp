// One accepted socket from its first byte to its last: PROXY header, TLS, reading, the outbox, deadlines, the end.
//
// Owner:    net::shard_frontend. It ends in one place (finish); it is destroyed in a later turn, so that nobody who
//           called into it or was called by it finds it gone.
// Threads:  shard-owned.
// Limits:   the unparsed tail is bounded by the protocol; nothing is read while more than limits::outbox_bytes wait for
//           the peer, or while the shard is congested; a TLS handshake or PROXY header has service::opening_timeout.
// Cost:     idle: this object and its protocol; no buffer, no Asio object. Reading: one system call per event, into the
//           shard's buffer. Writing: one per turn.
#pragma once

#include "broker/shard.hpp"
#include "frontends/net/outbox.hpp"
#include "frontends/net/poller.hpp"
#include "frontends/net/protocol.hpp"
#include "frontends/net/service.hpp"
#include "frontends/net/stream.hpp"
#include "frontends/net/timer_wheel.hpp"

#include <memory>
#include <optional>
#include <vector>

namespace fulmar::net {

class shard_frontend;
class tls_session;

// Idle connections are many: small fields come first, where turn_end leaves room for them.
class connection final : public wire, private poll_target, private timer_node, private broker::turn_end
{
public:
    connection(shard_frontend& owner, int fd, std::optional<socket_address> const& from);
    ~connection() override;
    connection(connection const&) = delete;
    connection& operator=(connection const&) = delete;

    void start(std::shared_ptr<service const> const& what);

    // --- wire ------------------------------------------------------------------------------------
    void send(std::string_view head, std::string_view tail, std::shared_ptr<void const> keep) override;
    void send_shared(std::string_view head, std::string_view tail, std::shared_ptr<void const> keep) override;
    void send_run(broker::frame_run const& run, std::uint32_t first_byte, std::uint32_t first_frame) override;
    [[nodiscard]] framing_kind framing() const noexcept override { return framing_kind::plain; }
    [[nodiscard]] std::size_t backlog_bytes() const noexcept override;
    [[nodiscard]] std::size_t shared_backlog_bytes() const noexcept override;
    [[nodiscard]] delivery_receipt receipt() const noexcept override;
    void close(std::uint16_t websocket_code, std::string_view websocket_reason) override;
    void abort() override;
    void set_deadline(std::chrono::milliseconds after) override;
    void pause_reading() override;
    void resume_reading() override;
    void replace_protocol(std::unique_ptr<protocol> next) override;
    [[nodiscard]] int lend_socket() override;
    // Valid until another connection of the shard is asked: written down on demand, because idle connections are many.
    [[nodiscard]] peer const& remote() const noexcept override;
    [[nodiscard]] broker::shard& home() noexcept override;

    using wire::close;
    using wire::send;

private:
    friend class shard_frontend;

    enum class stage : std::uint8_t {
        proxy_header,
        tls_handshake,
        open,
        lent,       // somebody else reads and writes the socket; its end is ours
        closing,    // nothing is read any more; the outbox drains
        lingering,  // our side has ended; waiting for the peer's end
        gone,       // the socket is closed
    };
    struct opening;    // what is needed only before the stage `open`
    struct rare_facts  // about the peers of few connections
    {
        std::string certificate_subject;
        std::optional<socket_address> claimed;  // by a PROXY header
    };

    // --- called by the frontend in a later turn --------------------------------------------------
    void go_on();
    void on_relieved();
    [[nodiscard]] bool dismiss();  // tells the protocol; true: destroy me
    [[nodiscard]] bool introduce(client_visitor& visitor);

    void on_events(std::uint32_t events) override;
    void on_timer() override;
    void on_turn_end() override;

    // --- opening ---------------------------------------------------------------------------------
    void advance_opening();
    [[nodiscard]] bool take_proxy_header();
    [[nodiscard]] bool shake_hands();
    void refuse(std::string_view why);
    void open();

    // --- reading ---------------------------------------------------------------------------------
    void read();
    [[nodiscard]] bool may_read();
    std::size_t read_once();  // how many bytes
    void offer(std::span<char const> fresh);
    [[nodiscard]] std::size_t consume(std::span<char const> in);
    void keep_tail(std::span<char const> rest);
    void discard_input();

    // --- writing and the end ---------------------------------------------------------------------
    [[nodiscard]] outbox& box();
    void flush_this_turn();
    void release_outbox() noexcept;
    void note_drained();
    void begin_closing(bool clean);
    void end_for_borrower() noexcept;
    void end_writing();
    void finish(bool clean);
    void retire();
    void schedule();
    [[nodiscard]] bool in_use() const noexcept { return stage_ == stage::open || stage_ == stage::lent; }
    [[nodiscard]] std::size_t transport_index() const noexcept;  // into shard_metrics::connections
    [[nodiscard]] stream io() const noexcept { return stream{fd_, tls_.get()}; }

    stage stage_ = stage::open;
    std::uint16_t port_ = 0;  // of the socket's peer
    std::uint16_t pauses_ = 0;
    bool on_this_machine_ : 1 = false;  // the peer itself, not through a proxy
    bool clean_ : 1 = true;             // what on_closed will be told
    bool readable_ : 1 = false;         // there may be input: the edge was seen and not used up
    bool peer_ended_ : 1 = false;       // the peer's side is closed or reset: read up to the end
    bool offer_tail_ : 1 = false;       // the protocol was paused: it has not seen all of the tail
    bool proven_ : 1 = false;           // the protocol has accepted bytes
    bool crowded_ : 1 = false;          // the outbox was above half of its limit
    bool held_ : 1 = false;             // waits until the shard is relieved
    bool flushing_ : 1 = false;         // queued for the end of the turn
    bool scheduled_ : 1 = false;        // queued for the next turn
    bool retiring_ : 1 = false;         // queued to be dismissed
    bool secure_ : 1 = false;           // TLS, ours or the borrower's; known once it is open
    std::uint32_t since_s_;             // wall clock
    int fd_;
    std::uint32_t place_ = 0;  // in shard_frontend::connections_
    shard_frontend& owner_;
    std::unique_ptr<protocol> protocol_;
    std::unique_ptr<outbox> outbox_;           // while there is something to send
    std::unique_ptr<std::vector<char>> tail_;  // while a packet is incomplete
    std::unique_ptr<tls_session> tls_;
    std::unique_ptr<opening> opening_;
    connection_quota* quota_ = nullptr;
    std::unique_ptr<rare_facts> facts_;
    ip_address ip_;  // of the socket's peer
};

}  // namespace fulmar::net
