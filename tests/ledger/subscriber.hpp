// A durable session that writes down everything it is given, comes and goes, and answers as the specification asks.
//
// Spec:     MQTT 5.0 §4.3.2, §4.3.3 method A for receivers, §4.4.
// Owner:    load_run.
#pragma once

#include "tests/ledger/client.hpp"
#include "tests/ledger/journal.hpp"

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace fulmar::ledger {

// A fault put on purpose between the socket and the journal, to prove that the checker sees it.
enum class sabotage : std::uint8_t { none, lose, swap, corrupt, repeat };

struct subscriber_settings
{
    client_settings connection;
    std::uint32_t run = 0;
    std::uint32_t number = 0;
    std::uint8_t qos = 1;
    std::vector<std::string> filters;
    std::vector<stream_id> expects;
    sabotage fault = sabotage::none;
};

class subscriber final : public client
{
public:
    subscriber(event_loop& loop, subscriber_settings settings, journal& book);

    [[nodiscard]] bool subscribed() const noexcept { return subscribed_; }
    [[nodiscard]] std::vector<stream_id> const& expects() const noexcept { return settings_.expects; }
    // The highest number received of `stream`.
    [[nodiscard]] std::uint64_t highest(stream_id stream) const;
    [[nodiscard]] std::uint64_t deliveries() const noexcept { return deliveries_; }

    // Leaves and comes back at random until `steady`.
    void begin_flapping(std::chrono::milliseconds mean);
    void end_flapping();

private:
    void on_session(packet const& connack) override;
    void on_packet(packet const& p) override;
    void on_lost() override;
    void on_publish(packet const& p);
    void record(packet const& p);
    void write_down(message_id const& id, bool dup);
    void flap_later();

    subscriber_settings const settings_;
    journal& book_;
    bool established_ = false;
    bool subscribed_ = false;
    bool flapping_ = false;
    std::chrono::milliseconds flap_mean_{0};
    std::uint64_t deliveries_ = 0;
    std::set<std::uint16_t> received_ids_;  // QoS 2: PUBLISH taken, PUBREL not seen
    std::map<stream_id, std::uint64_t> highest_;
    std::uint64_t until_fault_ = 0;
    message_id held_;  // sabotage::swap: taken out, written after the next one of its stream
};

}  // namespace fulmar::ledger
