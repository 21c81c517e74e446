#include "tests/support/mqtt_test_broker.hpp"

namespace fulmar::test {

mqtt_test_broker::node::node(mqtt_test_broker& owner, mqtt_test_options const& options)
    : core{options.limits, owner.clock, owner.store, retained},
      context{.settings = options.settings,
              .authenticator = owner.authenticator,
              .variants = variants,
              .report = [&owner](net::peer const&, std::string_view what) { owner.reports.emplace_back(what); },
              .rules_generation = 0}
{
    core.shard_count = options.shards;
    core.node_name = "test";
    for (std::size_t i = 0; i < options.shards; ++i)
        core.shards.push_back(std::make_unique<broker::shard>(static_cast<broker::shard_id>(i), core));
    auto const rules = std::make_shared<broker::history_rules const>(options.history);
    for (auto const& one : core.shards)
        one->routes().keep_history(rules);
}

mqtt_test_broker::mqtt_test_broker(mqtt_test_options options) : options_{std::move(options)} { start(); }

mqtt_test_broker::~mqtt_test_broker()
{
    for (auto* const connection : connections)
        connection->kill();
}

void mqtt_test_broker::start()
{
    node_ = std::make_unique<node>(*this, options_);
    auto& core = node_->core;
    std::size_t next = 0;
    broker::recovery_sink sink;
    sink.session = [&](broker::recovered_session&& found) {
        core.shards[next++ % core.shards.size()]->sessions().restore(std::move(found));
    };
    sink.group = [&](broker::recovered_group&& found) { core.shards[0]->sessions().restore_group(std::move(found)); };
    sink.retained = [&](broker::message_ptr found) { node_->retained.set(std::move(found)); };
    store.recover(sink);
    settle();
}

void mqtt_test_broker::settle()
{
    for (bool busy = true; busy;) {
        busy = false;
        for (auto const& one : node_->core.shards) {
            one->io().restart();
            busy = one->io().poll() > 0 || busy;
        }
        for (std::size_t i = 0; i < connections.size(); ++i)
            busy = connections[i]->work() || busy;
    }
}

void mqtt_test_broker::advance(std::chrono::milliseconds by)
{
    settle();
    clock.advance(by);
    for (auto* const connection : connections)
        connection->fire_deadline(clock.now());
    settle();
    for (auto const& one : node_->core.shards)
        one->tick();
    settle();
}

void mqtt_test_broker::kill_and_restart()
{
    store.hold();  // nothing that happens while things are taken down may reach the store
    for (auto* const connection : connections)
        connection->kill();
    node_.reset();
    store.restart();
    start();
}

void mqtt_test_broker::drain()
{
    node_->core.draining = true;
    for (auto const& one : node_->core.shards)
        one->sessions().drain();
    settle();
}

std::uint64_t mqtt_test_broker::dropped(broker::drop_reason why)
{
    std::uint64_t total = 0;
    for (auto const& one : node_->core.shards)
        total += one->metrics().dropped[static_cast<std::size_t>(why)].get();
    return total;
}

}  // namespace fulmar::test
