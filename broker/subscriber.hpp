// Port: anything to which the router delivers.
//
// Two ways in. A receiver whose frames are the same as everybody's names a wire_variant and is handed whole runs
// (frame_run.hpp); everybody else is given each message.
#pragma once

#include "broker/frame_run.hpp"
#include "broker/message.hpp"
#include "broker/subscription.hpp"

#include <string_view>
#include <vector>

namespace fulmar::broker {

struct logged_message;

// How receivers of a variant get the messages of topics that keep a history (history_rules.hpp).
enum class history_use : std::uint8_t {
    live,  // when they are published, like all others
    each,  // after the commit, one by one in the order of the log: subscriber::deliver_history
    run,   // after the commit, in shared runs made by encode_logged
};

// How one front-end writes a QoS 0 message so that many receivers can share the bytes: protocol x version x framing.
//
// Owner:    the front-end; outlives every subscriber that names it. One object per variant and process.
// Threads:  encode is called from every shard at once: no state.
class wire_variant
{
public:
    virtual ~wire_variant() = default;

    // Appends exactly one complete frame. `retain_flag` is what the receiver sees in RETAIN.
    virtual void encode(message const& m, bool retain_flag, wall_ms now, std::vector<char>& out) const = 0;

    [[nodiscard]] virtual history_use history() const noexcept { return history_use::live; }
    // Appends one complete frame that carries the message's position. Only for history_use::run.
    virtual void encode_logged(logged_message const&, wall_ms, std::vector<char>&) const {}
};

// What the matching subscriptions of one subscriber say together about one topic [MQTT-3.3.4-2].
struct matched_subscription
{
    qos level = qos::at_most_once;           // the highest of the matching ones
    bool no_local = true;                    // only if all of them say so
    bool retain_as_published = false;        // if any of them says so
    bool durable_level = false;              // session is durable and level >= 1: QoS >= 1 messages come from the log
    std::vector<std::uint32_t> identifiers;  // of all matching subscriptions that have one
};

class subscriber
{
public:
    virtual ~subscriber() = default;

    // The variant in which QoS 0 messages may be shared with others, or null to be given each one by deliver.
    // Asked once per (subscriber, topic) when a delivery plan is built; call router::changed() when the answer changes.
    [[nodiscard]] virtual wire_variant const* shared_variant() const noexcept = 0;

    // Everything that is or will be in `run` until the end of this turn, beginning with its frame number
    // `first_frame` (bytes from `first_byte`), belongs to this subscriber. Called at most once per run and turn.
    virtual void take_run(frame_run const& run, std::uint32_t first_byte, std::uint32_t first_frame) = 0;

    // One message at most at `match.level`; never waits. The callee applies its own limits and counts what it drops.
    virtual void deliver(message_ptr const& m, matched_subscription const& match) = 0;

    // Does it get messages of this topic from the log alone, if the topic keeps a history? Asked when a plan is built. For
    // whoever shares frames the variant says so.
    [[nodiscard]] virtual bool follows_history(std::string_view) const { return false; }

    // One message of a topic that keeps a history, after its commit: for history_use::each, and for who follows_history.
    virtual void deliver_history(logged_message const&) {}

    // One message of QoS >= 1, after its commit and in the order of the log, to whoever subscribed durably.
    virtual void deliver_logged(logged_message const&, matched_subscription const&) {}

    // Read permission for this very topic: deny rules narrower than a granted filter [checked at delivery].
    [[nodiscard]] virtual bool may_receive(std::string_view topic) const = 0;

    // For No Local [MQTT-3.8.3-3]: the stable hash of the client id; 0 = never the publisher.
    [[nodiscard]] virtual std::uint64_t publisher_hash() const noexcept = 0;
};

}  // namespace fulmar::broker
