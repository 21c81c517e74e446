// Counters of the Pusher front-end, one set per shard.
//
// Threads:  written by their shard, read by any thread.
#pragma once

#include "broker/metrics.hpp"

namespace fulmar::pusher {

struct pusher_metrics
{
    broker::counter connections;  // established now
    broker::counter connections_total;
    broker::counter connections_refused;    // closed before they were established, with a 4xxx code
    broker::counter subscriptions;          // now
    broker::counter subscriptions_refused;  // signature, name, limit
    broker::counter signins, signins_refused;
    broker::counter client_events;          // published
    broker::counter client_events_refused;  // rules or rate
    broker::counter commands_refused;       // what could not be understood
    broker::counter inactive_closed;        // 4201
    broker::counter unauthorized_closed;    // authorized connections: the time was over
    broker::counter terminated;             // terminate_connections
    broker::counter sessions;               // connected or away, now
    broker::counter sessions_refused;       // the app has as many as it may have
    broker::counter sessions_taken_over;    // by another connection
    broker::counter sessions_expired;       // nobody came back
    broker::counter session_gaps;           // channels of which something could not be replayed
    broker::counter events_replayed;        // read from the log for a session
    broker::counter cached_dropped;         // events of cache channels that went because of the limits
    broker::counter http_sessions;          // of HTTP fallbacks, now
    broker::counter http_sessions_total;
    broker::counter http_sessions_expired;      // their client did not come back for more
    broker::counter http_receives, http_sends;  // requests of theirs
};

}  // namespace fulmar::pusher
