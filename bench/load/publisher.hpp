// One publishing client: numbers and stamps its messages and knows how many are on their way.
//
// The window of a publisher is the number of its messages that not all of their receivers have yet, or, for the durable
// scenario, that the broker has not acknowledged.
#pragma once

#include "bench/load/stamp.hpp"
#include "bench/load/swarm.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace fulmar::load {

struct publisher_settings
{
    std::uint32_t number = 0;
    std::string topic;
    payload_shape payload;
    std::uint8_t qos = 0;
    std::size_t window = 32;
    std::uint32_t receivers = 1;  // of each message
    bool window_by_ack = false;
    bool windowed = true;                  // false: at a fixed rate, only the protocol limits it
    std::size_t outstanding_max = 60'000;  // unacknowledged, when not windowed
};

class publisher
{
public:
    publisher(publisher_settings settings, client& connection);

    // May another message be published now?
    [[nodiscard]] bool may_publish() const noexcept;
    void publish(swarm& through, std::int64_t stamped_ns);

    // One receiver has message `sequence`. True when the window moved.
    bool on_received(std::uint64_t sequence) noexcept;
    // The broker acknowledged packet `id`: since when it was waiting in ns, or -1 if it was not.
    [[nodiscard]] std::int64_t on_acknowledged(std::uint16_t id, std::int64_t now_ns) noexcept;
    // Gives up waiting for what is on its way.
    void give_up() noexcept { complete_ = next_; }

    [[nodiscard]] std::uint64_t published() const noexcept { return next_; }
    [[nodiscard]] std::uint64_t complete() const noexcept { return complete_; }
    [[nodiscard]] std::size_t unacknowledged() const noexcept { return unacknowledged_; }
    [[nodiscard]] client& connection() noexcept { return client_; }

    std::int64_t due_ns = 0;  // fixed rate: the intended time of the next message
    bool listed = false;      // already among those that may publish

private:
    static constexpr std::uint64_t ids = 65'534;  // 65535 is for SUBSCRIBE

    [[nodiscard]] std::size_t place(std::uint64_t sequence) const noexcept { return sequence & (slots_.size() - 1); }

    struct slot
    {
        std::int64_t sent_at = 0;
        std::uint32_t waiting_for = 0;  // receivers
        bool unacknowledged = false;
    };
    publisher_settings settings_;
    client& client_;
    std::string payload_;
    std::vector<slot> slots_;  // by sequence; a power of two
    std::uint64_t next_ = 0;
    std::uint64_t complete_ = 0;  // all below are with all receivers
    std::uint64_t first_unacknowledged_ = 0;
    std::size_t unacknowledged_ = 0;
};

}  // namespace fulmar::load
