// A workload of several kinds of messages, described in TOML: chat, telemetry and dashboard are built in.
//
//   name = "chat"
//   description = "Rooms with a few people who talk and many who read"
//   [[flow]]
//   name = "rooms"       # becomes part of the topics
//   topics = 100
//   publishers = 2       # clients per topic
//   subscribers = 20     # clients per topic, each of which reads that topic alone
//   watchers = 1         # clients that read all topics of the flow (a wildcard)
//   rate = 0.5           # messages per second of each publisher
//   payload = 200        # bytes
//   qos = 1
//
// Limits:   flow_max flows; numbers are checked.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fulmar::load {

inline constexpr std::size_t flow_max = 20;
inline constexpr std::size_t profile_clients_max = 1'000'000;

struct profile_flow
{
    std::string name;
    std::size_t topics = 1;
    std::size_t publishers = 1;
    std::size_t subscribers = 0;
    std::size_t watchers = 0;
    double rate = 1;
    std::size_t payload_bytes = 64;
    std::uint8_t qos = 0;

    [[nodiscard]] std::size_t clients() const noexcept { return topics * (publishers + subscribers) + watchers; }
};

struct profile
{
    std::string name;
    std::string description;
    std::vector<profile_flow> flows;
};

// Throws std::runtime_error that says what is wrong and where.
[[nodiscard]] profile parse_profile(std::string_view text, std::string const& origin);

// A built-in profile, or the file of that name. Throws std::runtime_error.
[[nodiscard]] profile load_profile(std::string const& name_or_file);

[[nodiscard]] std::string profile_names();  // "chat, telemetry, dashboard"

}  // namespace fulmar::load
