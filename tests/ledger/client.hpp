// One MQTT client whose session outlives its connections: it comes back after every loss, as often as it takes.
//
// Owner:    load_run.
// Threads:  one, the event loop's.
// Limits:   a CONNACK that does not come within connack_wait counts as a lost connection.
#pragma once

#include "tests/ledger/event_loop.hpp"
#include "tests/ledger/mqtt_wire.hpp"

#include <cstdint>
#include <random>
#include <string>
#include <string_view>

namespace fulmar::ledger {

inline constexpr std::chrono::milliseconds connack_wait{5'000};

enum class goodbye : std::uint8_t { disconnect_packet, close, reset };

struct client_settings
{
    std::uint16_t port = 0;
    version speaks = version::v3_1_1;
    std::string client_id;
    std::uint16_t receive_maximum = 0;
    std::uint64_t seed = 1;
};

class client
{
public:
    client(event_loop& loop, client_settings settings);
    virtual ~client();
    client(client const&) = delete;
    client& operator=(client const&) = delete;

    void go_online();
    void go_offline(goodbye how);
    [[nodiscard]] bool online() const noexcept { return state_ == state::open; }

protected:
    virtual void on_session(packet const& connack) = 0;
    virtual void on_packet(packet const& p) = 0;
    virtual void on_lost() {}

    // Adds to what is written at the end of the event, or by flush() outside of one.
    void send(std::string_view bytes);
    void flush();
    void drop_connection();  // as if the network had failed; comes back if wanted
    [[nodiscard]] std::size_t backlog() const noexcept { return out_.size() - out_begin_; }
    [[nodiscard]] version speaks() const noexcept { return settings_.speaks; }
    [[nodiscard]] std::string const& name() const noexcept { return settings_.client_id; }

    event_loop& loop_;
    std::mt19937_64 random_;

private:
    enum class state : std::uint8_t { closed, connecting, waiting, open };

    void connect();
    void connect_later();
    void on_ready(std::uint32_t events);
    void read();
    void write();
    void close_socket();

    client_settings const settings_;
    bool wanted_ = false;
    state state_ = state::closed;
    int fd_ = -1;
    std::uint64_t attempt_ = 0;
    packet_reader reader_;
    std::string out_;
    std::size_t out_begin_ = 0;
    bool writable_wanted_ = false;
};

}  // namespace fulmar::ledger
