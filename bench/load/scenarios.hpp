// The scenarios: each connects its clients, measures, verifies, and fills in a report.
#pragma once

#include "bench/load/options.hpp"
#include "bench/load/report.hpp"

namespace fulmar::load {

void run_traffic(options const& o, report& out);  // fanout, pairs, fanin, durable, latency
void run_mixed(options const& o, report& out);
void run_offline(options const& o, report& out);
void run_idle(options const& o, report& out);
void run_storm(options const& o, report& out);
void run_churn(options const& o, report& out);

// The settings of client `number` of this process: its client id is the same in every call.
[[nodiscard]] client_settings client_of(options const& o, std::uint32_t number);

// Deletes the durable sessions of the clients [from, to), which may be connected.
void forget_sessions(swarm& all, std::size_t from, std::size_t to, std::size_t parallel);

// A line on the terminal that overwrites itself, twice a second at most.
class progress_line
{
public:
    explicit progress_line(bool wanted);
    ~progress_line();
    [[nodiscard]] bool due(std::int64_t now_ns) noexcept;
    void show(std::string const& text);

private:
    bool wanted_;
    bool shown_ = false;
    std::int64_t next_ = 0;
};

inline constexpr std::int64_t second_ns = 1'000'000'000;
inline constexpr std::int64_t connect_timeout_ns = 120 * second_ns;

}  // namespace fulmar::load
