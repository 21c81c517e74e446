// Port: who is present in a channel, for those that may look but do not keep it themselves.
//
// Spec:     Pusher Channels, presence channels; REST /v1/presence.
// Owner:    the front-end that keeps presence; outlives every front-end that asks.
// Threads:  asked on the shard `here`; `done` runs there, too, possibly before the function returns.
// Limits:   app_limits::presence_members members of one channel.
// Cost:     one letter to the channel's home and one back, with a copy of the members.
#pragma once

#include "broker/ids.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace fulmar::broker {

class shard;

struct channel_member
{
    std::string id;
    std::string info_json;  // what the application says about the member, as JSON text; empty: nothing
    std::uint32_t connections = 0;
};

// Sorted by id; empty: nobody is there. Nothing: a channel of this name has no members.
using channel_members = std::optional<std::vector<channel_member>>;

class presence_directory
{
public:
    virtual ~presence_directory() = default;

    virtual void members(shard& here, app_id app, std::string channel, std::function<void(channel_members)> done) = 0;
};

}  // namespace fulmar::broker
