// Many clients on one thread and one epoll set: reads into one shared buffer, writes once per client and turn.
//
// Spec:     TCP or TLS (OpenSSL); what is said over it is the business of a conversation (conversation.hpp).
// Owner:    a scenario. Clients live until the swarm dies and may be opened again after they closed.
// Threads:  one.
// Cost:     per received message: one parse in place and one virtual call; no copy, no allocation.
#pragma once

#include "bench/load/broker_address.hpp"
#include "bench/load/mqtt_wire.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

struct epoll_event;

namespace fulmar::load {

class client;
class conversation;
class swarm;
class tls_context;
class tls_stream;
struct http_progress;
struct grpc_progress;

[[nodiscard]] std::int64_t monotonic_ns() noexcept;

// What a scenario is told.
class swarm_events
{
public:
    virtual ~swarm_events() = default;
    virtual void on_ready(client&) {}  // connected, and subscribed if it subscribes
    virtual void on_message(client&, publish_view const&) {}
    virtual void on_published(client&, std::uint16_t /*id*/) {}  // acknowledged: PUBACK, PUBCOMP, 2xx
    virtual void on_closed(client&) {}                           // see client::failure
};

struct client_settings
{
    connect_settings connect;
    std::string filter;             // empty: does not subscribe
    std::vector<std::string> more;  // Pusher: what it subscribes to beside it
    std::string session;            // Pusher: the name of its durable session; empty: it has none
    std::uint8_t qos = 0;           // of the subscription
    std::uint32_t number = 0;       // the scenario's own
    bool publishes = false;         // talks to the publishers' address
};

class client
{
public:
    enum class state : std::uint8_t { closed, connecting, securing, upgrading, greeting, subscribing, ready };

    client();
    ~client();
    client(client const&) = delete;
    client& operator=(client const&) = delete;

    client_settings settings;
    swarm_events* events = nullptr;

    [[nodiscard]] state now() const noexcept { return state_; }
    [[nodiscard]] bool ready() const noexcept { return state_ == state::ready; }
    [[nodiscard]] bool open() const noexcept { return state_ != state::closed; }
    [[nodiscard]] std::string const& failure() const noexcept { return failure_; }  // why it closed; empty: asked to
    [[nodiscard]] connack_view const& connack() const noexcept { return connack_; }
    [[nodiscard]] std::int64_t opened_at() const noexcept { return opened_at_; }

    // The conversation's own; forgotten when the client closes.
    std::string partial;      // of a message that spans frames or chunks
    std::size_t awaited = 0;  // subscriptions that are not confirmed yet
    std::unique_ptr<http_progress> http;
    std::unique_ptr<grpc_progress> grpc;
    connack_view& connack() noexcept { return connack_; }

private:
    friend class swarm;
    int fd_ = -1;
    state state_ = state::closed;
    bool dirty_ = false;
    bool wants_write_ = false;
    bool closing_ = false;  // close when everything is written
    std::int64_t opened_at_ = 0;
    std::size_t written_ = 0;  // of out_
    std::string out_;
    std::string tail_;  // read, not yet a whole packet, frame or response
    std::string failure_;
    std::unique_ptr<tls_stream> tls_;
    connack_view connack_;
};

class swarm
{
public:
    explicit swarm(broker_address everybody);
    swarm(broker_address subscribers, broker_address publishers);
    ~swarm();
    swarm(swarm const&) = delete;
    swarm& operator=(swarm const&) = delete;

    [[nodiscard]] client& create(client_settings settings, swarm_events& events);
    [[nodiscard]] std::size_t size() const noexcept { return clients_.size(); }
    [[nodiscard]] client& operator[](std::size_t i) noexcept { return *clients_[i]; }

    void open(client& c);
    void publish(client& c, std::string_view topic, std::string_view payload, std::uint8_t qos, std::uint16_t id);
    void leave(client& c);                            // says goodbye, then closes
    void drop(client& c, std::string_view why = {});  // closes at once, with a reset

    // One turn: waits for events until `until_ns` at most, handles them, and writes what the clients have to say.
    void turn(std::int64_t until_ns);
    // Writes what was published outside of a turn.
    void flush();

    // Opens the clients [from, to), at most `parallel` of them on their way at a time. False when one fails or
    // `timeout_ns` passes; failure() says why.
    [[nodiscard]] bool open_all(std::size_t from, std::size_t to, std::size_t parallel, std::int64_t timeout_ns);
    [[nodiscard]] std::string const& failure() const noexcept { return failure_; }

    // As of the latest system call.
    [[nodiscard]] std::int64_t now_ns() const noexcept { return now_; }
    [[nodiscard]] std::size_t ready_count() const noexcept { return ready_; }
    [[nodiscard]] std::size_t failed_count() const noexcept { return failed_; }
    [[nodiscard]] std::size_t under_way() const noexcept { return under_way_; }
    [[nodiscard]] std::uint64_t receives() const noexcept { return receives_; }
    [[nodiscard]] std::uint64_t bytes_in() const noexcept { return bytes_in_; }

    // For conversations.
    [[nodiscard]] std::string& out(client& c);  // append to it; it is written at the end of the turn
    void set_state(client& c, client::state to);
    void become_ready(client& c);

private:
    struct place  // one of the two addresses
    {
        broker_address address;
        std::unique_ptr<conversation> talk;
        std::unique_ptr<tls_context> tls;
    };
    [[nodiscard]] place& place_of(client const& c) noexcept { return places_[c.settings.publishes ? 1 : 0]; }

    [[nodiscard]] int wait(epoll_event* events, int most, std::int64_t until_ns);
    void handle(client& c, unsigned events);
    void on_connected(client& c);
    void on_secured(client& c);
    void shake_hands(client& c);
    void on_readable(client& c);
    [[nodiscard]] bool read_once(client& c);
    void write(client& c);
    void close(client& c, bool reset);
    void watch(client& c, unsigned events, int operation);

    std::array<place, 2> places_;  // subscribers', publishers'
    int epoll_ = -1;
    bool precise_wait_ = true;
    std::vector<std::unique_ptr<client>> clients_;
    std::vector<client*> dirty_;
    std::string buffer_;  // what is being read
    std::string failure_;
    std::int64_t now_ = 0;
    std::size_t ready_ = 0;
    std::size_t failed_ = 0;
    std::size_t under_way_ = 0;
    std::uint64_t receives_ = 0;
    std::uint64_t bytes_in_ = 0;
    std::uint32_t next_source_ = 0;
};

}  // namespace fulmar::load
