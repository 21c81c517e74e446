// The real broker core and MQTT front-end with everything around them faked: clock, store, authenticator, sockets.
//
// Shards have no threads: settle() polls them until nothing is left to do, so a test is a sequence of steps.
#pragma once

#include "broker/history_rules.hpp"
#include "broker/retained_index.hpp"
#include "broker/router.hpp"
#include "broker/session_table.hpp"
#include "broker/shard.hpp"
#include "frontends/mqtt/mqtt_frontend.hpp"
#include "frontends/mqtt/publish_variant.hpp"
#include "tests/support/fake_authenticator.hpp"
#include "tests/support/fake_clock.hpp"
#include "tests/support/fake_connection.hpp"
#include "tests/support/memory_store.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace fulmar::test {

struct mqtt_test_options
{
    std::size_t shards = 1;
    broker::limits limits{};
    mqtt::mqtt_settings settings{};
    std::vector<broker::history_rule> history{};
};

class mqtt_test_broker
{
public:
    explicit mqtt_test_broker(mqtt_test_options options = {});
    ~mqtt_test_broker();
    mqtt_test_broker(mqtt_test_broker const&) = delete;
    mqtt_test_broker& operator=(mqtt_test_broker const&) = delete;

    fake_clock clock;
    memory_store store{clock};
    fake_authenticator authenticator;
    std::vector<std::string> reports;           // what was said about bad peers
    std::vector<fake_connection*> connections;  // registered by themselves

    void settle();
    // Time passes: deadlines and the shards' ticks run.
    void advance(std::chrono::milliseconds by);
    // The process is killed and started again: connections are gone, what was not committed is forgotten.
    void kill_and_restart();
    void drain();
    // Access rules were reloaded from `authenticator`.
    void reload_rules() { ++node_->context.rules_generation; }

    [[nodiscard]] broker::shard& shard(std::size_t index = 0) { return *node_->core.shards[index]; }
    [[nodiscard]] mqtt::frontend_context const& context() { return node_->context; }
    [[nodiscard]] broker::shard_metrics const& metrics() { return shard().metrics(); }
    [[nodiscard]] std::uint64_t dropped(broker::drop_reason why);  // over all shards
    [[nodiscard]] broker::retained_index& retained() { return node_->retained; }

private:
    struct node
    {
        node(mqtt_test_broker& owner, mqtt_test_options const& options);

        mqtt::publish_variants variants;
        broker::retained_index retained;
        broker::node_context core;
        mqtt::frontend_context context;
    };

    void start();

    mqtt_test_options options_;
    std::unique_ptr<node> node_;
};

}  // namespace fulmar::test
