// The thread that talks to webhooks: takes events from the shards and keeps the queue going.
//
// Owner:    webhooks; stopped before the shards are.
// Threads:  add from any thread; the rest of its life it runs on a thread of its own.
// Limits:   what waits is bounded by app_limits::webhooks_pending, which webhooks.cpp applies.
#pragma once

#include "frontends/pusher/webhook_queue.hpp"

#include <memory>

namespace fulmar::pusher {

class webhook_sender
{
public:
    // `settled` is called on the sender's thread.
    webhook_sender(broker::apps_in_force const& apps, broker::clock const& clock, webhook_metrics& metrics,
                   std::function<void(std::vector<webhook_item> const&)> settled);
    ~webhook_sender();

    void add(std::vector<webhook_item>&& items);
    // Ends the thread; requests under way are broken off and will be sent again by the next process.
    void stop();

private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

}  // namespace fulmar::pusher
