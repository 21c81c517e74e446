// Port: a Pusher connection, as the channels of its shard see it.
//
// Owner:    whoever holds the connection; enters channel_shard with attach and leaves it with detach before it dies.
// Threads:  shard-owned. Nothing here may detach or destroy any client before it returns.
#pragma once

#include "broker/frame_run.hpp"
#include "broker/message.hpp"
#include "frontends/pusher/socket_id.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fulmar::pusher {

class follower;
class local_channel;

// How a wish to subscribe ended.
struct subscribe_outcome
{
    std::string_view refused;                     // why not; empty: subscribed
    local_channel* where = nullptr;               // subscribed
    std::uint32_t place = 0;                      // the client's place there
    std::shared_ptr<std::string const> greeting;  // presence: the whole subscription_succeeded; null: an empty one
    broker::message_ptr cached;                   // cache channels: the last event; null: none
    std::shared_ptr<follower> follows;            // with a session: instead of a place; null: without one
};

class channel_client
{
public:
    virtual ~channel_client() = default;

    [[nodiscard]] virtual connection_id id() const noexcept = 0;

    // Everything that is in `run` from `first_byte` on, where frame number `first_frame` begins, or will be until the end
    // of this turn. `events_only`: what a slow client may lose; else it has to be closed if it loses any of it, because it
    // would have a wrong picture of the channel.
    virtual void take_frames(broker::frame_run const& run, std::uint32_t first_byte, std::uint32_t first_frame,
                             bool events_only) = 0;

    // --- of a connection with a session (follower.hpp) ---
    // The same for logged events: nothing of them may be lost.
    virtual void take_logged(broker::frame_run const& run) = 0;
    virtual void take_text(std::string_view event) = 0;
    // Too much waits for the socket: what can be read later should be.
    [[nodiscard]] virtual bool crowded() const = 0;
    // A part of what it had missed in a channel is sent, or the rest of it.
    virtual void on_part_sent() = 0;
    virtual void on_caught_up() = 0;
    // Something that it should have had cannot be read: it has to come back to be told so.
    virtual void on_lost() = 0;
    // Another connection uses its session.
    virtual void on_taken_over() = 0;

    // Does it still wait for subscription number `token`? on_subscribed is only called if so.
    [[nodiscard]] virtual bool waits_for(std::uint32_t token) const noexcept = 0;
    virtual void on_subscribed(std::uint32_t token, subscribe_outcome const& outcome) = 0;
    // Its place in `where` is now `place`.
    virtual void on_moved(local_channel const& where, std::uint32_t place) noexcept = 0;

    // Some users of its watchlist, at the moment it began to watch them; the rest comes with other calls.
    virtual void on_watching(std::vector<std::pair<std::string, bool>> const& online) = 0;
    // A user of its watchlist has come or gone; `event` is what the client is told.
    virtual void on_watched(std::string const& user, bool online, std::string const& event) = 0;
    // The application ends the connections of its user.
    virtual void on_terminated() = 0;
    // The broker is about to stop: be gone within this time.
    virtual void on_draining(std::uint32_t within_ms) = 0;
};

}  // namespace fulmar::pusher
