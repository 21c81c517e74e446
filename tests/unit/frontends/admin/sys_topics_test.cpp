#include "frontends/admin/sys_topics.hpp"

#include "broker/retained_index.hpp"
#include "broker/router.hpp"
#include "broker/session_table.hpp"
#include "broker/shard.hpp"
#include "tests/support/fake_clock.hpp"
#include "tests/support/memory_store.hpp"

#include <gtest/gtest.h>

namespace fulmar::admin {
namespace {

using namespace std::chrono_literals;

class sys_topics_test : public testing::Test
{
protected:
    sys_topics_test() { node.shards.push_back(std::make_unique<broker::shard>(broker::shard_id{0}, node)); }
    std::string value(std::string const& name)
    {
        auto const m = retained.get(broker::default_app, "$SYS/broker/" + name);
        return m ? std::string{m->payload()} : "(none)";
    }
    broker::shard& shard() { return *node.shards[0]; }

    test::fake_clock clock;
    test::memory_store store{clock};
    broker::retained_index retained;
    broker::node_context node{{}, clock, store, retained};
};

TEST_F(sys_topics_test, the_names_are_those_that_mqtt_tools_know)
{
    sys_topics sys{shard(), {.version = "1.2.3"}};
    clock.advance(10s);
    sys.publish_changes();
    EXPECT_EQ(value("version"), "fulmar version 1.2.3");
    EXPECT_EQ(value("uptime"), "10 seconds");
    for (auto const* name :
         {"clients/connected", "clients/total", "clients/disconnected", "clients/maximum", "messages/received",
          "messages/sent", "bytes/received", "bytes/sent", "publish/messages/received", "publish/messages/sent",
          "publish/messages/dropped", "subscriptions/count", "shared_subscriptions/count"})
        EXPECT_EQ(value(name), "0") << name;
    for (auto const* name : {"retained messages/count", "store/messages/count", "store/messages/bytes", "heap/current"})
        EXPECT_NE(value(name), "(none)") << name;
    for (auto const* name :
         {"load/messages/received/1min", "load/publish/sent/5min", "load/bytes/sent/15min", "load/connections/1min"})
        EXPECT_EQ(value(name), "0.00") << name;
}

TEST_F(sys_topics_test, only_values_that_changed_are_published)
{
    sys_topics sys{shard(), {}};
    clock.advance(10s);
    sys.publish_changes();
    auto const before = retained.get(broker::default_app, "$SYS/broker/bytes/received");
    shard().metrics().packets_in.add(7);
    clock.advance(10s);
    sys.publish_changes();
    EXPECT_EQ(value("messages/received"), "7");
    EXPECT_EQ(retained.get(broker::default_app, "$SYS/broker/bytes/received"), before);
}

TEST_F(sys_topics_test, loads_are_rates_per_minute_that_fade)
{
    sys_topics sys{shard(), {}};
    clock.advance(60s);
    shard().metrics().messages_in[0].add(600);
    sys.publish_changes();
    // 600 in a minute, weighted with 1 - 1/e.
    EXPECT_EQ(value("load/publish/received/1min"), "379.27");
    EXPECT_EQ(value("publish/messages/received"), "600");
    clock.advance(60s);
    sys.publish_changes();
    EXPECT_EQ(value("load/publish/received/1min"), "139.53");
}

TEST_F(sys_topics_test, nothing_is_written_to_the_store)
{
    sys_topics sys{shard(), {}};
    clock.advance(10s);
    sys.publish_changes();
    shard().io().poll();
    EXPECT_TRUE(store.retained().empty());
    EXPECT_TRUE(store.log().empty());
}

TEST_F(sys_topics_test, the_first_round_comes_by_itself)
{
    sys_topics sys{shard(), {.interval = 1h}};
    clock.advance(1s);
    sys.start();
    while (value("version") == "(none)")
        shard().io().run_one();
    EXPECT_NE(value("uptime"), "(none)");
}

}  // namespace
}  // namespace fulmar::admin
