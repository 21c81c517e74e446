// The broker's own numbers as retained messages under $SYS/broker, with the names that MQTT tools know from mosquitto.
//
// Owner:    the composition root; must die when its shard no longer runs, before the shard.
// Threads:  start() before the shard runs or on it; everything else on the shard.
// Limits:   about 50 topics; only values that changed are published.
#pragma once

#include <chrono>
#include <memory>
#include <string>

namespace fulmar::broker {
class shard;
}

namespace fulmar::admin {

struct sys_options
{
    std::chrono::milliseconds interval{10'000};  // zero: nothing is published
    std::string version = FULMAR_VERSION;
};

class sys_topics
{
public:
    sys_topics(broker::shard& home, sys_options options);
    ~sys_topics();

    // Publishes the first round soon, and the next ones every interval.
    void start();

    // One round.
    void publish_changes();

private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

}  // namespace fulmar::admin
