// Time as a port: monotonic time for deadlines, wall time for what is stored or said to a peer.
#pragma once

#include <chrono>
#include <cstdint>

namespace fulmar::broker {

using steady_time = std::chrono::steady_clock::time_point;

// Milliseconds since 1970, UTC. Zero means "never" or "unknown" where a deadline is optional.
using wall_ms = std::uint64_t;

// Threads: implementations are safe to call from every shard.
class clock
{
public:
    virtual ~clock() = default;
    [[nodiscard]] virtual steady_time now() const = 0;
    [[nodiscard]] virtual wall_ms wall() const = 0;
};

class system_clock final : public clock
{
public:
    [[nodiscard]] steady_time now() const override { return std::chrono::steady_clock::now(); }
    [[nodiscard]] wall_ms wall() const override
    {
        using namespace std::chrono;
        return static_cast<wall_ms>(
            duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count());
    }
};

}  // namespace fulmar::broker
