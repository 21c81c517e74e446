// Port: what happens in the channels of an app, told once for the whole node by the home shard of each channel.
//
// Spec:     Pusher Channels, webhooks.
// Owner:    the node owns the implementation (webhooks.hpp); the channel directory calls it.
// Threads:  tell is called from every shard, on the home shard of the channel; it never waits.
// Limits:   the implementation bounds what it keeps and counts what it drops.
// Cost:     one look-up of the app; nothing more unless a webhook wants this kind.
#pragma once

#include "broker/app.hpp"

#include <cstdint>
#include <string>

namespace fulmar::broker {
class shard;
}

namespace fulmar::pusher {

struct channel_event
{
    broker::webhook_kind kind = broker::webhook_kind::channel_occupied;
    broker::app_id app = broker::default_app;
    std::string channel;
    std::string user_id;    // member_added, member_removed, client_event on presence channels; empty: none
    std::string event;      // client_event: its name
    std::string payload;    // client_event: its data, as JSON
    std::string socket_id;  // client_event: of its sender
    std::uint64_t subscription_count = 0;
};

class channel_events
{
public:
    virtual ~channel_events() = default;

    // Would anybody be told? Asked before an event is put together where that costs something (client events).
    [[nodiscard]] virtual bool wanted(broker::app_id app, broker::webhook_kind kind) const = 0;

    // Edges are told as they happen: the 3 s delay of channel_vacated and member_removed, and their cancellation by a
    // channel_occupied or member_added of the same channel (and user) within it, are done by the implementation.
    virtual void tell(broker::shard& here, channel_event&& what) = 0;
};

}  // namespace fulmar::pusher
