// The retained message of every topic, in memory, shared by all shards.
//
// Spec:     MQTT 5.0 §3.3.1.3, §4.7.2 (wildcards and '$').
// Threads:  any; a few striped locks, taken only by retained publishes and by SUBSCRIBE (docs/decisions/0002).
//           One store for all shards makes "published before my subscription" and "delivered live" meet without a gap.
// Limits:   entries and bytes are counted; the caller compares them with limits::retained_*.
// Cost:     set and get O(topic bytes); scan visits at most `budget` entries per call and resumes from a cursor, so a
//           '#' over a million topics never blocks a loop turn.
#pragma once

#include "broker/message.hpp"

#include <memory>
#include <string>
#include <vector>

namespace fulmar::broker {

class retained_index
{
public:
    retained_index();
    ~retained_index();

    // Stores `m` as its topic's retained message, or removes it when the payload is empty [MQTT-3.3.1-5..-7].
    void set(message_ptr m);
    [[nodiscard]] message_ptr get(app_id app, std::string_view topic) const;

    struct scan_state
    {
        std::string cursor;  // opaque; empty at the beginning
        bool done = false;
    };
    // Appends matching, unexpired messages to `out` and advances `state`; looks at no more than `budget` entries.
    void scan(app_id app, std::string_view filter, wall_ms now, scan_state& state, std::size_t budget,
              std::vector<message_ptr>& out) const;

    // Removes up to `budget` messages that have expired and returns them, so that the caller can erase them from the store.
    [[nodiscard]] std::vector<message_ptr> sweep_expired(wall_ms now, std::size_t budget);

    [[nodiscard]] std::size_t size() const noexcept;
    [[nodiscard]] std::size_t bytes() const noexcept;

private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

}  // namespace fulmar::broker
