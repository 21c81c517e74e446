// Port: anything on a shard that can be addressed from another shard or after a wait, by endpoint_id.
//
// Owner:    registers itself with shard::attach and withdraws with shard::detach before it dies.
// Threads:  shard-owned.
#pragma once

#include "broker/errors.hpp"
#include "broker/ids.hpp"

namespace fulmar::broker {

struct publish_outcome
{
    error_code error;           // not set: the promise of the message's QoS holds
    bool matched = true;        // false: nobody wanted it (MQTT 5 reason code 0x10)
    log_sequence sequence = 0;  // where it was logged; 0 = it was not
};

class endpoint
{
public:
    virtual ~endpoint() = default;

    // The publish that was given `token` is settled. Called on the shard of the endpoint, possibly before
    // router::publish returns.
    virtual void on_published(std::uint64_t token, publish_outcome const& outcome) = 0;
};

}  // namespace fulmar::broker
