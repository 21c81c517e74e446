// A publisher that keeps its word: it numbers its messages, resends what was not acknowledged, and writes down what it
// was promised.
//
// Spec:     MQTT 5.0 §4.4 (redelivery), §4.3 (QoS 1 and 2), §4.9 (receive maximum).
// Owner:    load_run.
// Limits:   `window` messages unacknowledged.
#pragma once

#include "tests/ledger/client.hpp"
#include "tests/ledger/journal.hpp"

#include <cstdint>
#include <map>
#include <vector>

namespace fulmar::ledger {

struct publisher_settings
{
    client_settings connection;
    std::uint32_t run = 0;
    std::uint32_t number = 0;
    std::uint32_t topics = 1;
    std::uint8_t qos = 1;
    std::size_t window = 100;
    std::size_t payload_bytes = 128;
    double rate_per_s = 1'000;
};

class publisher final : public client
{
public:
    publisher(event_loop& loop, publisher_settings settings, journal& book);

    void start() { running_ = true; }
    void stop() { running_ = false; }
    // Sends what is due since the last call, as far as the window allows.
    void tick(std::chrono::milliseconds since_last);

    [[nodiscard]] bool settled() const noexcept { return in_flight_.empty(); }
    [[nodiscard]] std::uint64_t acknowledged() const noexcept { return acknowledged_; }
    // The number of the last acknowledged message of `topic`; 0 = none.
    [[nodiscard]] std::uint64_t last_acknowledged(std::uint32_t topic) const { return last_acknowledged_[topic]; }

private:
    struct flight
    {
        std::uint16_t id = 0;
        std::uint32_t topic = 0;
        std::uint64_t sequence = 0;
        bool released = false;  // QoS 2: PUBREC came, PUBREL was sent
    };

    void on_session(packet const& connack) override;
    void on_packet(packet const& p) override;
    void publish_next();
    void transmit(flight const& f, bool dup);
    void resume();
    void settle(std::uint16_t id, std::uint8_t reason);
    void received(std::uint16_t id, std::uint8_t reason);
    void note_acknowledged(flight const& f);

    publisher_settings const settings_;
    journal& book_;
    bool running_ = false;
    bool established_ = false;
    double due_ = 0;
    std::size_t window_;
    std::uint16_t next_id_ = 0;
    std::uint32_t next_topic_ = 0;
    std::vector<std::uint64_t> sequences_;
    std::vector<std::uint64_t> last_acknowledged_;
    std::uint64_t acknowledged_ = 0;
    std::uint64_t sent_ = 0;
    std::map<std::uint64_t, flight> in_flight_;  // in the order of first sending
    std::map<std::uint16_t, std::uint64_t> order_by_id_;
};

}  // namespace fulmar::ledger
