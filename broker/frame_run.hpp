// The frames of one topic and one wire variant made during one loop turn, contiguous, shared by every
// receiver that needs exactly them.
//
// This is what makes fan-out cheap (docs/architecture.md, "The hot path"): the first message of a turn visits each
// receiver once (subscriber::take_run); later messages of the same topic only lengthen the run.
//
// Owner:    the shard's router; valid until the end of the turn in which it was handed out.
// Threads:  shard-owned.
// Limits:   the router seals a run at run_bytes_max and begins another.
#pragma once

#include <cstdint>
#include <vector>

namespace fulmar::broker {

inline constexpr std::size_t run_bytes_max = 256 * 1024;

struct frame_run
{
    std::vector<char> bytes;
    std::vector<std::uint32_t> frame_ends;  // offset after each frame; frame_ends.size() is the message count
    std::uint64_t payload_bytes = 0;

    void clear() noexcept
    {
        bytes.clear();
        frame_ends.clear();
        payload_bytes = 0;
    }
};

}  // namespace fulmar::broker
