// A clock that tests set: monotonic and wall time move only when they are told to, together or apart.
//
// Threads:  any.
#pragma once

#include "broker/clock.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>

namespace fulmar::test {

class fake_clock final : public broker::clock
{
public:
    static constexpr broker::wall_ms start_wall =
        1'700'000'000'000;  // a plausible day, so that "0 = never" stays apart

    [[nodiscard]] broker::steady_time now() const override
    {
        return broker::steady_time{std::chrono::nanoseconds{steady_ns_.load()}};
    }
    [[nodiscard]] broker::wall_ms wall() const override { return wall_ms_.load(); }

    // Both times move on.
    void advance(std::chrono::nanoseconds by)
    {
        steady_ns_ += by.count();
        wall_ms_ += static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(by).count());
    }

    void set_wall(broker::wall_ms at) { wall_ms_ = at; }  // a clock jump: deadlines must not notice
    void set_now(broker::steady_time at)
    {
        steady_ns_ = std::chrono::duration_cast<std::chrono::nanoseconds>(at.time_since_epoch()).count();
    }

private:
    std::atomic<std::int64_t> steady_ns_{3'600'000'000'000};
    std::atomic<std::uint64_t> wall_ms_{start_wall};
};

}  // namespace fulmar::test
