// Take-over and wills: the whole matrix. Item numbers are those of the checklist in docs/protocols/mqtt.md.
#include "tests/support/packet_script.hpp"

#include <gtest/gtest.h>

namespace fulmar::test {
namespace {

using namespace std::chrono_literals;

struct takeover_will_protocol : testing::Test
{
    mqtt_test_broker broker;
    packet_script watcher{broker};

    void SetUp() override { watcher.connects(connect("watcher")).subscribes("will/#", 1); }

    static scripted_packet with_will(std::uint32_t delay_s, std::uint32_t expiry_s)
    {
        auto packet = connect("client").will("will/x", "gone");
        if (delay_s != 0)
            packet.will_delay(delay_s);
        if (expiry_s != 0)
            packet.expiry(expiry_s);
        return packet;
    }
    void fired() { watcher.expects(publish("will/x", "gone")).expects_nothing(); }
    void silent() { watcher.expects_nothing(); }
};

TEST_F(takeover_will_protocol, item_046_the_older_connection_is_told_and_closed)  // [MQTT-3.1.4-3]
{
    packet_script old{broker}, fresh{broker};
    old.connects(connect("client"));
    fresh.connects(connect("client"));
    old.expects(disconnect(reason_code::session_taken_over)).expects_closed();
    packet_script v3{broker, mqtt_v311}, last{broker, mqtt_v311};
    v3.connects(connect("client"));
    fresh.expects(disconnect(reason_code::session_taken_over)).expects_closed();
    last.connects(connect("client"));
    v3.expects_closed();
    last.expects_nothing();
    EXPECT_EQ(broker.metrics().takeovers.get(), 3U);
}

TEST(takeover_will_protocol_shards, item_046_take_over_reaches_every_shard)
{
    mqtt_test_broker broker{{.shards = 4}};
    std::vector<std::unique_ptr<packet_script>> connections;
    for (std::size_t i = 0; i < 12; ++i) {
        connections.push_back(std::make_unique<packet_script>(broker, mqtt_v5, i % 4));
        auto const answer = connections.back()->sends(connect("client").resuming().expiry(100)).next();
        EXPECT_EQ(answer.session_present, i > 0);
        if (i > 0)
            connections[i - 1]->expects(disconnect(reason_code::session_taken_over)).expects_closed();
    }
    connections.back()->expects_nothing();
}

struct takeover_case
{
    protocol_version version;
    std::uint32_t delay_s;
    std::uint32_t expiry_s;
    bool clean_start;  // of the newcomer
    bool fires;
};

struct takeover_matrix : testing::TestWithParam<takeover_case>
{
};

TEST_P(takeover_matrix,
       item_047_the_will_fires_unless_its_delay_outlives_the_take_over)  // [MQTT-3.1.4-3, 3.1.2-8, 3.1.3-9]
{
    auto const& row = GetParam();
    mqtt_test_broker broker;
    packet_script watcher{broker};
    watcher.connects(connect("watcher")).subscribes("will", 0);
    auto first = connect("client").will("will", "gone");
    if (row.version == mqtt_v5)
        first.will_delay(row.delay_s).expiry(row.expiry_s);
    else if (row.expiry_s != 0)
        first.resuming();
    packet_script old{broker, row.version};
    old.connects(first);
    packet_script fresh{broker, row.version};
    auto second = connect("client");
    if (!row.clean_start)
        second.resuming();
    fresh.connects(second);
    if (row.fires)
        watcher.expects(publish("will", "gone"));
    watcher.expects_nothing();
    broker.advance(1h);
    watcher.expects_nothing();  // and never later, or twice
    fresh.expects_nothing();
}

INSTANTIATE_TEST_SUITE_P(
    takeover_will_protocol, takeover_matrix,
    testing::Values(takeover_case{mqtt_v5, 0, 100, false, true}, takeover_case{mqtt_v5, 0, 100, true, true},
                    takeover_case{mqtt_v5, 10, 100, false, false}, takeover_case{mqtt_v5, 10, 100, true, true},
                    takeover_case{mqtt_v5, 10, 0, false, true}, takeover_case{mqtt_v5, 10, 0, true, true},
                    takeover_case{mqtt_v5, 0, 0, false, true}, takeover_case{mqtt_v311, 0, 0, true, true},
                    takeover_case{mqtt_v311, 0, 1, false, true}, takeover_case{mqtt_v311, 0, 1, true, true},
                    takeover_case{mqtt_v31, 0, 1, false, true}));

TEST_F(takeover_will_protocol, item_048_the_newcomers_subscriptions_survive_the_old_sessions_end)
{
    packet_script old{broker}, publisher{broker};
    publisher.connects(connect("publisher"));
    old.connects(connect("client")).subscribes("a", 1);
    packet_script fresh{broker};
    fresh.sends_bytes(connect("client").bytes(mqtt_v5) + subscribe(1, {{"a", 1}}).bytes(mqtt_v5));
    fresh.expects(connack(success)).expects(suback(1, {1}));
    old.loses_connection();
    broker.advance(10s);
    publisher.sends(publish("a", "x").qos1(1)).expects(puback(1));
    fresh.expects(publish("a", "x").qos1(1));
}

TEST_F(takeover_will_protocol, item_049_only_a_normal_disconnect_deletes_the_will)  // [MQTT-3.1.2-8, -10, 3.14.4-3]
{
    auto const client = [&](auto&& ends) {
        packet_script one{broker};
        one.connects(with_will(0, 0));
        ends(one);
    };
    client([](packet_script& one) { one.sends(disconnect()).expects_closed(); });
    silent();
    client([](packet_script& one) { one.sends(disconnect(reason_code::disconnect_with_will)).expects_closed(); });
    fired();
    client([](packet_script& one) { one.sends(disconnect(reason_code::unspecified_error)).expects_closed(); });
    fired();
    client([](packet_script& one) { one.loses_connection(); });
    fired();
    client([](packet_script& one) { one.sends_bytes(std::string{"\0\0", 2}); });
    fired();
    client(
        [&](packet_script&) { broker.shard().sessions().kick(broker::default_app, "client", false), broker.settle(); });
    fired();
    packet_script v3{broker, mqtt_v311};
    v3.connects(connect("v3").will("will/x", "gone")).sends(disconnect()).expects_closed();
    silent();
}

TEST_F(takeover_will_protocol, items_049_121_a_drain_publishes_wills)
{
    packet_script client{broker};
    client.connects(with_will(0, 0));
    packet_script durable{broker};
    durable.connects(connect("reader").expiry(1000)).subscribes("will/#", 1);
    broker.drain();
    client.expects(disconnect(reason_code::server_shutting_down)).expects_closed();
    EXPECT_TRUE(broker.store.session("reader"));
}

struct delay_case
{
    std::uint32_t delay_s;
    std::uint32_t expiry_s;
    std::uint32_t due_s;
};

struct delay_matrix : testing::TestWithParam<std::tuple<delay_case, bool>>
{
};

TEST_P(delay_matrix, item_050_a_will_is_due_after_its_delay_or_with_the_end_of_its_session)  // [MQTT-3.1.2-8]
{
    auto const& [row, restart] = GetParam();
    mqtt_test_broker broker;
    {
        packet_script client{broker};
        client.connects(connect("client").will("will", "gone", 1).will_delay(row.delay_s).expiry(row.expiry_s));
        client.loses_connection();
    }
    {
        packet_script reader{broker};
        reader.connects(connect("reader").expiry(100'000)).subscribes("will", 1).loses_connection();
    }
    if (restart)
        broker.kill_and_restart();
    auto const arrived = [&] { return !broker.store.log().empty(); };
    if (row.due_s > 0) {
        broker.advance(std::chrono::seconds{row.due_s} - 1s);
        EXPECT_FALSE(arrived());
        broker.advance(2s);
        EXPECT_TRUE(arrived());
    }
    broker.advance(24h);
    EXPECT_EQ(broker.store.log().size(), row.due_s > 0 ? 1U : 0U);
}

INSTANTIATE_TEST_SUITE_P(takeover_will_protocol, delay_matrix,
                         testing::Combine(testing::Values(delay_case{10, 100, 10}, delay_case{100, 10, 10},
                                                          delay_case{10, 10, 10}, delay_case{5, 0xFFFFFFFF, 5}),
                                          testing::Bool()));

TEST_F(takeover_will_protocol, item_050_a_client_that_returns_in_time_has_no_will_to_fire)
{
    {
        packet_script client{broker};
        client.connects(with_will(10, 100)).loses_connection();
    }
    broker.advance(9s);
    packet_script back{broker};
    back.connects(connect("client").resuming().expiry(100));
    broker.advance(1h);
    back.loses_connection();
    broker.advance(1h);
    silent();
}

TEST_F(takeover_will_protocol, item_051_a_will_needs_permission_at_connect)
{
    broker.authenticator.rules.no_publish = {"will/#"};
    packet_script client{broker}, v3{broker, mqtt_v311}, dollar{broker};
    client.sends(with_will(0, 0)).expects(connack(reason_code::not_authorized)).expects_closed();
    v3.sends(connect("v3").will("will/x", "gone"));
    EXPECT_EQ(v3.next().reason, 5);
    dollar.sends(connect("d").will("$SYS/x", "gone")).expects(connack(reason_code::not_authorized)).expects_closed();
    silent();
}

TEST_F(takeover_will_protocol,
       item_052_a_retained_will_is_stored_when_it_fires_and_expires_from_then)  // [MQTT-3.1.2-14, -15]
{
    {
        packet_script client{broker};
        client.connects(connect("client")
                            .will("will/x", "gone", 0, true)
                            .will_delay(10)
                            .expiry(100)
                            .will_with(property_id::message_expiry_interval, 20));
        client.loses_connection();
    }
    EXPECT_EQ(broker.retained().size(), 0U);
    broker.advance(11s);
    watcher.expects(publish("will/x", "gone").with(property_id::message_expiry_interval, 20));
    broker.advance(15s);
    packet_script late{broker};
    late.connects(connect("late")).subscribes("will/x", 0);
    late.expects(publish("will/x", "gone").retained().with(property_id::message_expiry_interval, 5));
    broker.advance(6s);
    packet_script later{broker};
    later.connects(connect("later")).subscribes("will/x", 0).expects_nothing();
}

TEST_F(takeover_will_protocol, item_053_will_topics_are_topic_names)
{
    for (auto const* const topic : {"will/#", "+", "", "$share/g/will"}) {
        packet_script client{broker};
        client.sends(connect("client").will(topic, "x"));
        auto const answer = client.next();
        EXPECT_EQ(answer.type, packet_type::connack) << topic;
        EXPECT_TRUE(mqtt::is_error(static_cast<reason_code>(answer.reason))) << topic;
        client.expects_closed();
    }
    silent();
}

TEST_F(takeover_will_protocol, will_properties_are_those_of_the_will)
{
    {
        packet_script client{broker};
        auto packet = with_will(0, 0);
        packet.last_will->properties.push_back({property_id::content_type, 0, "text/plain", {}});
        packet.last_will->properties.push_back({property_id::user_property, 0, "k", "v"});
        client.connects(packet).loses_connection();
    }
    watcher.expects(publish("will/x", "gone").with(property_id::content_type, "text/plain").with_user("k", "v"));
}

}  // namespace
}  // namespace fulmar::test
