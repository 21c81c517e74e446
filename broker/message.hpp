// One published message, immutable once it is shared, the same object for all its receivers.
//
// Spec:     MQTT 5.0 §3.3 (what a PUBLISH carries on to receivers).
// Owner:    shared; whoever holds a message_ptr. Built by a front-end through message::make.
// Threads:  immutable, so any.
// Limits:   none of its own; the protocol checks sizes before it builds one.
// Cost:     one allocation (message_pool.hpp), which holds the counters, the fields and the bytes; one more with properties.
#pragma once

#include "broker/clock.hpp"
#include "broker/ids.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fulmar::broker {

enum class qos : std::uint8_t { at_most_once = 0, at_least_once = 1, exactly_once = 2 };

struct user_property
{
    std::string name;
    std::string value;
    friend bool operator==(user_property const&, user_property const&) = default;
};

// What MQTT 5 forwards unaltered and in order [MQTT-3.3.2-4, -15..-18, -20].
struct message_properties
{
    std::optional<std::uint8_t> payload_format;  // 0 bytes, 1 UTF-8
    std::string content_type;
    std::string response_topic;
    std::optional<std::string> correlation_data;
    std::vector<user_property> user;
    friend bool operator==(message_properties const&, message_properties const&) = default;
};

// What message::topic_hash gives for this topic: the same on every shard of this process, another in the next one.
[[nodiscard]] std::uint64_t topic_hash_of(std::string_view topic) noexcept;

// The fields of a message before it is frozen.
struct message_fields
{
    app_id app = default_app;
    std::string_view topic;
    std::string_view payload;
    std::string_view event;  // empty: none (MQTT)
    qos level = qos::at_most_once;
    bool retain = false;
    std::uint64_t publisher = 0;  // stable_hash of the client id; 0 = nobody (the broker itself)
    wall_ms published_at = 0;
    wall_ms expires_at = 0;                                // absolute; 0 = never
    std::unique_ptr<message_properties const> properties;  // null: none
};

class message
{
    class from_make  // only make() can say it: the bytes must follow the object
    {
        friend class message;
        from_make() = default;
    };

public:
    message(message_fields&& fields, from_make);
    message(message const&) = delete;
    message& operator=(message const&) = delete;

    [[nodiscard]] static std::shared_ptr<message const> make(message_fields&& fields);

    [[nodiscard]] std::string_view topic() const noexcept { return {bytes(), topic_size_}; }
    [[nodiscard]] std::string_view payload() const noexcept { return {bytes() + topic_size_, payload_size_}; }
    [[nodiscard]] std::string_view event() const noexcept
    {
        return {bytes() + topic_size_ + payload_size_, event_size_};
    }
    // For tables in memory.
    [[nodiscard]] std::uint64_t topic_hash() const noexcept { return topic_hash_; }

    app_id const app;
    qos const level;
    bool const retain;
    std::uint64_t const publisher;
    wall_ms const published_at;
    wall_ms const expires_at;
    std::unique_ptr<message_properties const> const properties;

    [[nodiscard]] bool expired(wall_ms now) const noexcept { return expires_at != 0 && expires_at <= now; }

    // Seconds left for MQTT 5 Message Expiry Interval, at least 1 [MQTT-3.3.2-6]; nullopt when it never expires.
    [[nodiscard]] std::optional<std::uint32_t> seconds_left(wall_ms now) const noexcept;

    // Bytes this message holds, for limits.
    [[nodiscard]] std::size_t footprint() const noexcept
    {
        return sizeof(message) + topic_size_ + payload_size_ + event_size_;
    }

private:
    [[nodiscard]] char const* bytes() const noexcept { return reinterpret_cast<char const*>(this + 1); }

    std::uint64_t topic_hash_;
    std::uint32_t topic_size_;
    std::uint32_t payload_size_;
    std::uint32_t event_size_;
};

using message_ptr = std::shared_ptr<message const>;

}  // namespace fulmar::broker
