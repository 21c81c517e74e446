// gRPC's server, and the only place that knows gRPC: calls as bytes in and bytes out, on a thread of its own.
//
// What a call means is decided on a shard. Towards the shards go events (a call was opened, a message arrived, what was
// written is on its way, the call ended), towards gRPC go orders (read, write, finish, cancel). Both travel in batches: one
// post for all that was read while the thread found something to read, one wake-up for all that a shard says in a turn.
//
// It does not listen: shards accept, with the limits and the PROXY headers of all other front-ends, and lend it the sockets.
//
// Spec:     gRPC over HTTP/2 (PROTOCOL-HTTP2), RFC 9113.
// Owner:    grpc_frontend.
// Threads:  start, stop and destruction on the main thread; adopt, forget and order on any; `deliver` is called on the
//           server's own thread.
// Limits:   call_server_options. A message is read only when the shard has ordered it, with a limit in bytes; orders of a
//           call that has ended are dropped. Connections that do not speak HTTP/2 end after the handshake timeout, those
//           without a call after connection_idle.
// Cost:     per message read one operation of gRPC (about 2 µs) and one copy of its bytes.
#pragma once

#include "frontends/grpc/known_connections.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace fulmar::grpc {

// Names a call from its opening to its end; never used again.
using call_id = std::uint64_t;

// Those of google.rpc.Code that the broker uses.
enum class status_code : std::uint8_t {
    ok = 0,
    invalid_argument = 3,
    not_found = 5,
    permission_denied = 7,
    resource_exhausted = 8,
    unimplemented = 12,
    internal = 13,
    unavailable = 14,
    unauthenticated = 16,
};

struct call_opening
{
    std::string method;         // "/fulmar.v1.Broker/Publish"
    std::string authority;      // as HTTP's Host
    std::string authorization;  // as HTTP's Authorization; empty: none
    bool authorized_twice = false;
    connection_id connection = 0;  // 0: it has ended already
    connection_origin from;
    bool secure = false;
    std::string certificate_subject;  // common name of a verified client certificate
};

struct call_event
{
    enum class kind : std::uint8_t {
        opened,   // `opening`
        message,  // `bytes`; one for each message ordered
        no_more,  // the client has closed its side
        written,  // the last write was taken: another may follow
        ended     // nothing more happens
    };
    kind what = kind::ended;
    call_id id = 0;
    std::string bytes;
    std::unique_ptr<call_opening> opening;
};

struct call_order
{
    enum class kind : std::uint8_t {
        read,    // `messages` more, as long as they are not larger than `amount` bytes together
        write,   // `bytes`; only after the write before was `written`
        reply,   // `bytes` as the only answer, and the end with success
        finish,  // after what was written, with `code`, `text` and `resume`
        cancel   // at once
    };
    kind what = kind::finish;
    call_id id = 0;
    status_code code = status_code::ok;
    std::uint32_t messages = 0;
    std::size_t amount = 0;
    std::string bytes;
    std::string text;
    std::string resume;  // trailing metadata "fulmar-resume"; empty: none
};

// Takes what shards say about calls.
class order_taker
{
public:
    virtual void order(std::vector<call_order>&& orders) = 0;

protected:
    ~order_taker() = default;
};

struct call_server_options
{
    std::size_t message_bytes_max = 4 * 1024 * 1024;
    std::size_t calls_max = 10'000;
    std::uint32_t calls_per_connection = 100;
    std::size_t metadata_bytes_max = 16 * 1024;
    std::chrono::milliseconds keep_alive{
        60'000};  // a ping when nothing was heard for so long; no answer within 20 s: closed
    std::chrono::milliseconds connection_idle{std::chrono::minutes{10}};
    std::chrono::milliseconds handshake_timeout{10'000};
    std::size_t memory_bytes_max = std::size_t{256} * 1024 * 1024;  // of gRPC's own buffers
};

// Files are read again by themselves when they change.
struct call_server_tls
{
    std::string certificate;
    std::string key;
    std::string client_ca;  // empty: client certificates are not asked for
    bool client_certificate_required = false;
};

class call_server final : public order_taker
{
public:
    // `deliver` gets the events of one shard, in order.
    using delivery = std::function<void(broker::shard_id to, std::vector<call_event>&& events)>;

    call_server(call_server_options options, std::size_t shards, delivery deliver);
    ~call_server();  // stop() was called, or start() was not
    call_server(call_server const&) = delete;
    call_server& operator=(call_server const&) = delete;

    // Begins. With `tls` it also takes connections that speak TLS. Throws std::runtime_error when gRPC does not start.
    void start(std::optional<call_server_tls> const& tls);

    // Takes a connected, non-blocking socket, which it closes at its end, and says what its connection is called; 0: the
    // server has stopped, and the socket is closed.
    [[nodiscard]] connection_id adopt(int socket, bool secure, connection_origin const& from);
    // The connection has ended: calls that are still to come from it have no origin.
    void forget(connection_id which);

    void order(std::vector<call_order>&& orders) override;

    // Refuses new calls, gives those under way `patience` to end, cancels the rest, ends the thread.
    void stop(std::chrono::milliseconds patience);

    [[nodiscard]] std::size_t open_calls() const noexcept;  // any thread
    [[nodiscard]] std::uint64_t refused_calls() const noexcept;

private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

}  // namespace fulmar::grpc
