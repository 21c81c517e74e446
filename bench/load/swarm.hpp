// Many MQTT clients on one thread and one epoll set: reads into one shared buffer, writes once per client and turn.
//
// Spec:     MQTT 3.1.1 and 5.0 as a client, QoS 0 to 2, over TCP and WebSocket; acknowledges by itself.
// Owner:    a scenario. Clients live until the swarm dies and may be opened again after they closed.
// Threads:  one.
// Cost:     per received message: one parse in place and one virtual call; no copy, no allocation.
#pragma once

#include "bench/load/mqtt_wire.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fulmar::load {

class client;
class swarm;

[[nodiscard]] std::int64_t monotonic_ns() noexcept;

// What a scenario is told.
class swarm_events
{
public:
    virtual ~swarm_events() = default;
    virtual void on_ready(client&) {}  // CONNACK, and SUBACK if it subscribes
    virtual void on_message(client&, publish_view const&) {}
    virtual void on_published(client&, std::uint16_t /*id*/) {}  // PUBACK or PUBCOMP
    virtual void on_closed(client&) {}                           // see client::failure
};

struct broker_address
{
    std::string host = "127.0.0.1";
    std::uint16_t port = 1883;
    bool websocket = false;
    std::string path = "/mqtt";
    bool v5 = false;
};

struct client_settings
{
    connect_settings connect;
    std::string filter;        // empty: does not subscribe
    std::uint8_t qos = 0;      // of the subscription
    std::uint32_t number = 0;  // the scenario's own
};

class client
{
public:
    enum class state : std::uint8_t { closed, connecting, upgrading, greeting, subscribing, ready };

    client_settings settings;
    swarm_events* events = nullptr;

    [[nodiscard]] state now() const noexcept { return state_; }
    [[nodiscard]] bool ready() const noexcept { return state_ == state::ready; }
    [[nodiscard]] std::string const& failure() const noexcept { return failure_; }  // why it closed; empty: asked to
    [[nodiscard]] connack_view const& connack() const noexcept { return connack_; }
    [[nodiscard]] std::int64_t opened_at() const noexcept { return opened_at_; }

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
    std::string tail_;         // read, not yet a whole packet (or WebSocket frame)
    std::string packet_tail_;  // WebSocket: a packet that spans frames
    std::string failure_;
    connack_view connack_;
};

class swarm
{
public:
    explicit swarm(broker_address address);
    ~swarm();
    swarm(swarm const&) = delete;
    swarm& operator=(swarm const&) = delete;

    [[nodiscard]] client& create(client_settings settings, swarm_events& events);
    [[nodiscard]] std::size_t size() const noexcept { return clients_.size(); }
    [[nodiscard]] client& operator[](std::size_t i) noexcept { return *clients_[i]; }

    void open(client& c);
    void publish(client& c, std::string_view topic, std::string_view payload, std::uint8_t qos, std::uint16_t id);
    void leave(client& c);                            // DISCONNECT, then close
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

private:
    void on_connected(client& c);
    void on_readable(client& c);
    void on_response(client& c, std::string_view& bytes);
    void on_frames(client& c, std::string_view& bytes);
    [[nodiscard]] bool on_ws_frame(client& c, std::uint8_t opcode, std::string_view payload);
    void on_packets(client& c, std::string_view& bytes);
    [[nodiscard]] bool on_packet(client& c, std::uint8_t first, std::string_view body);
    void on_publish(client& c, std::uint8_t first, std::string_view body);
    void on_connack(client& c, std::string_view body);
    void on_suback(client& c, std::string_view body);
    void greet(client& c);
    void set_state(client& c, client::state to);
    void become_ready(client& c);
    void send(client& c, std::string_view packet);
    void mark(client& c);
    void write(client& c);
    void close(client& c, bool reset);
    void watch(client& c, unsigned events, int operation);

    broker_address address_;
    int epoll_ = -1;
    std::vector<std::unique_ptr<client>> clients_;
    std::vector<client*> dirty_;
    std::string buffer_;   // what is being read
    std::string scratch_;  // the packet being written
    std::string failure_;
    std::int64_t now_ = 0;
    std::size_t ready_ = 0;
    std::size_t failed_ = 0;
    std::size_t under_way_ = 0;
    std::uint64_t receives_ = 0;
    std::uint64_t bytes_in_ = 0;
    std::uint32_t next_source_ = 0;
    std::uint32_t mask_ = 0x9E3779B9;
};

}  // namespace fulmar::load
