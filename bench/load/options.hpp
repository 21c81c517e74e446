// What the command line of the load generator says.
#pragma once

#include "bench/load/stamp.hpp"
#include "bench/load/swarm.hpp"

#include <sys/types.h>
#include <algorithm>
#include <cstdint>
#include <string>

namespace fulmar::load {

enum class scenario : std::uint8_t { fanout, pairs, fanin, durable, latency, mixed, offline, idle, storm, churn };

struct options
{
    scenario which = scenario::fanout;
    broker_address broker;      // subscribers
    broker_address publishing;  // publishers: often the same
    std::string user;           // MQTT
    std::string password;
    pid_t pid = 0;  // of the broker; 0: its processor time and memory are not measured
    int pin = -1;   // processor for the load generator itself
    bool json = false;
    bool quiet = false;  // no progress line
    std::string html;    // file for the page with plots

    double duration_s = 5;
    double warmup_s = 1;
    std::size_t publishers = 1;
    std::size_t subscribers = 100;  // pairs: number of pairs; offline: number of sessions
    std::size_t clients = 10'000;   // idle, storm, churn
    std::size_t payload_bytes = 64;
    std::uint8_t qos = 0;
    std::size_t window = 32;
    double rate = 0;                   // publishes per second over all publishers; 0: closed loop
    std::size_t messages = 1'000;      // offline: published in all
    std::size_t returning = 15'000;    // offline: sessions that come back, at most
    std::size_t parallel = 200;        // connections on their way at a time
    std::size_t rounds = 3;            // storm
    std::size_t channels = 1;          // idle, storm, churn: subscriptions of each client
    std::size_t presence_members = 0;  // one of them is a presence channel with so many members; 0: none is
    std::size_t missed = 0;            // storm: messages that every client gets when it comes back
    bool durable_sessions = false;     // idle
    std::string restart_command;       // offline: run between enqueue and replay; prints the new process id
    std::string topic = "bench";       // first level of all topics
    std::string profile = "chat";      // mixed: name of a built-in profile, or a file
    double scale = 1;                  // mixed: multiplies the profile's topics

    // Where one side speaks text, payloads are text.
    [[nodiscard]] bool text() const noexcept { return carries_text(broker.speaks) || carries_text(publishing.speaks); }
    [[nodiscard]] payload_shape shape() const noexcept { return {payload_bytes, text()}; }
    // Pusher's channel names have no slashes: both sides then say the same name with dots.
    [[nodiscard]] bool dotted() const noexcept
    {
        return broker.speaks == protocol::pusher || publishing.speaks == protocol::pusher_http;
    }
    [[nodiscard]] std::string named(std::string name) const
    {
        if (dotted())
            std::replace(name.begin(), name.end(), '/', '.');
        return name;
    }
    // Of the publishers: HTTP is always answered.
    [[nodiscard]] std::uint8_t publish_qos() const noexcept
    {
        return qos == 0 && always_acknowledges(publishing.speaks) ? 1 : qos;
    }
};

// Throws CLI::ParseError, which knows its exit status and text; `program` is how the user called it.
[[nodiscard]] options parse_options(int argc, char** argv, char const* program);

[[nodiscard]] char const* to_string(scenario s) noexcept;

}  // namespace fulmar::load
