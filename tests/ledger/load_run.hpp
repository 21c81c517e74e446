// One run: publishers and durable sessions against one broker, until told to stop; then everything is drained.
//
// Of the sessions a quarter stays connected, half come and go at random, and a quarter is away until the end.
// Threads:  one.
#pragma once

#include "tests/ledger/publisher.hpp"
#include "tests/ledger/subscriber.hpp"

#include <filesystem>
#include <iosfwd>
#include <memory>
#include <string>
#include <vector>

namespace fulmar::ledger {

struct run_settings
{
    std::uint16_t port = 0;
    std::filesystem::path journals;
    std::uint32_t run = 1;
    std::uint64_t seed = 1;
    std::uint32_t publishers = 8;
    std::uint32_t topics = 2;  // per publisher
    std::uint32_t sessions = 16;
    std::string qos = "1";      // "1", "2" or "mix"
    double rate_per_s = 5'000;  // of all publishers together
    std::size_t window = 100;
    std::size_t payload_bytes = 128;
    double seconds = 0;  // 0: until standard input says stop
    double drain_seconds = 30;
    std::uint32_t flap_ms = 1'500;
    bool all_online = false;
    sabotage fault = sabotage::none;
};

class load_run
{
public:
    explicit load_run(run_settings settings);
    ~load_run();

    // Returns true when, at the end, every session had been given the last acknowledged message of each of its streams.
    // Progress goes to `progress`, one JSON object per line.
    [[nodiscard]] bool execute(std::ostream& progress);

private:
    enum class phase : std::uint8_t { subscribing, publishing, settling, draining, done };
    enum class habit : std::uint8_t { steady, flapping, away };

    void make_publishers();
    void make_sessions();
    void tick();
    void advance();
    void begin_publishing();
    void end_publishing();
    void begin_draining();
    void read_orders();
    void report(std::ostream& progress);
    [[nodiscard]] bool all_subscribed() const;
    [[nodiscard]] bool all_settled() const;
    [[nodiscard]] bool all_delivered() const;
    [[nodiscard]] habit habit_of(std::size_t session) const;

    run_settings const settings_;
    event_loop loop_;
    std::vector<std::unique_ptr<journal>> journals_;
    std::vector<std::unique_ptr<publisher>> publishers_;
    std::vector<std::unique_ptr<subscriber>> sessions_;
    phase phase_ = phase::subscribing;
    bool complete_ = false;
    bool stop_ordered_ = false;
    event_loop::clock::time_point last_tick_;
    event_loop::clock::time_point phase_began_;
    event_loop::clock::time_point delivered_since_;
};

}  // namespace fulmar::ledger
