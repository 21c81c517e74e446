// Receive Maximum, Maximum Packet Size and slow consumers, both ways. Item numbers are those of the checklist in
// docs/protocols/mqtt.md.
#include "tests/support/packet_script.hpp"

#include <gtest/gtest.h>

namespace fulmar::test {
namespace {

using namespace std::chrono_literals;

struct flow_control_protocol : testing::Test
{
    mqtt_test_broker broker;
    packet_script publisher{broker};
    std::uint16_t last_id = 0;

    void SetUp() override { publisher.connects(connect("publisher")); }

    void publishes(std::string const& payload, std::uint8_t level)
    {
        auto packet = publish("a", payload);
        if (level == 1)
            packet.qos1(++last_id);
        if (level == 2)
            packet.qos2(++last_id);
        publisher.sends(packet);
        if (level == 2)
            publisher.sends(pubrel(last_id));
        publisher.everything();
    }
};

TEST_F(flow_control_protocol, item_039_what_exceeds_the_clients_maximum_is_dropped_and_done)  // [MQTT-3.1.2-24, -25]
{
    for (bool const durable : {false, true}) {
        packet_script client{broker};
        client.connects(connect("c")
                            .expiry(durable ? 100 : 0)
                            .with(property_id::maximum_packet_size, 60)
                            .with(property_id::receive_maximum, 1));
        client.subscribes("a", 2);
        auto const dropped = broker.dropped(broker::drop_reason::too_large);
        for (std::uint8_t level = 0; level <= 2; ++level)
            publishes(std::string(100, 'x'), level);
        publishes("small", 1);
        auto const seen = client.next();
        EXPECT_EQ(seen.payload, "small");  // no quota was used up
        client.sends(puback(seen.id)).expects_nothing();
        EXPECT_EQ(broker.dropped(broker::drop_reason::too_large), dropped + 3);
        client.loses_connection();
    }
}

TEST_F(flow_control_protocol,
       item_040_packets_above_the_servers_maximum_are_refused_from_their_first_bytes)  // [MQTT-3.2.2-15]
{
    mqtt_test_options options;
    options.settings.maximum_packet_size = 1000;
    mqtt_test_broker small{options};
    packet_script client{small}, old{small, mqtt_v311}, early{small};
    client.connects(connect("c")).sends_bytes("\x30\xE6\x07");  // 998 + 3 bytes
    client.expects(disconnect(reason_code::packet_too_large)).expects_closed();
    old.connects(connect("o")).sends_bytes("\x30\xE6\x07").expects_closed();
    early.sends_bytes("\x10\xFE\xFF\x03");  // 65,534 + 4 bytes of CONNECT
    EXPECT_FALSE(early.connection().open());
    packet_script exact{small};
    exact.connects(connect("e")).sends(publish("a", std::string(1000 - 3 - 4, 'x'))).expects_nothing();
}

TEST_F(flow_control_protocol, item_066_more_publishes_than_the_receive_maximum_are_an_error)  // [MQTT-3.3.4-7]
{
    mqtt_test_options options;
    options.limits.receive_maximum = 3;
    mqtt_test_broker small{options};
    packet_script reader{small}, client{small};
    reader.connects(connect("reader").expiry(100)).subscribes("a", 1);
    client.connects(connect("client"));
    for (std::uint16_t i = 1; i <= 3; ++i)
        client.sends(publish("a", "x").qos2(i)).expects(pubrec(i));
    client.sends(publish("a", "x").qos2(2).dup()).expects(pubrec(2));  // does not count twice
    client.sends(publish("a", "x")).expects_nothing();                 // QoS 0 does not count
    client.sends(pubrel(1)).expects(pubcomp(1));
    client.sends(publish("a", "x").qos1(9)).expects(puback(9));
    client.sends(publish("a", "x").qos2(1)).expects(pubrec(1));
    client.sends(publish("a", "x").qos1(10))
        .expects(disconnect(reason_code::receive_maximum_exceeded))
        .expects_closed();
    small.store.hold();
    packet_script other{small};
    other.connects(connect("other"));
    for (std::uint16_t i = 1; i <= 3; ++i)
        other.sends(publish("a", "x").qos1(i)).expects_nothing();
    other.sends(publish("a", "x").qos1(4)).expects(disconnect(reason_code::receive_maximum_exceeded)).expects_closed();
}

TEST_F(flow_control_protocol, item_066_a_v3_client_is_not_read_from_instead)
{
    mqtt_test_options options;
    options.limits.receive_maximum = 3;
    mqtt_test_broker small{options};
    packet_script reader{small}, old{small, mqtt_v311};
    reader.connects(connect("reader").expiry(100)).subscribes("a", 1);
    old.connects(connect("old").keep_alive(10));
    small.store.hold();
    std::string burst;
    for (std::uint16_t i = 1; i <= 8; ++i)
        burst += publish("a", std::to_string(i)).qos1(i).bytes(mqtt_v311);
    old.sends_bytes(burst).expects_nothing();
    EXPECT_TRUE(old.connection().paused());
    small.advance(1min);  // its silence is our doing
    old.expects_nothing();
    small.store.release();
    for (std::uint16_t i = 1; i <= 8; ++i)
        old.expects(puback(i));
    EXPECT_FALSE(old.connection().paused());
    EXPECT_EQ(small.store.log().size(), 8U);
}

TEST_F(flow_control_protocol,
       item_102_the_clients_receive_maximum_is_kept_and_given_back)  // [MQTT-3.3.4-9, 4.9.0-1, -2]
{
    for (std::uint32_t const expiry : {0U, 100U}) {
        auto const name = "c" + std::to_string(expiry);
        packet_script client{broker};
        client.connects(connect(name).expiry(expiry).with(property_id::receive_maximum, 2)).subscribes("a", 2);
        for (int i = 1; i <= 6; ++i)
            publishes(std::to_string(i), 2);
        client.expects(publish("a", "1").qos2(1)).expects(publish("a", "2").qos2(2)).expects_nothing();
        client.sends(pubrec(1)).expects(pubrel(1)).expects_nothing();                   // gives nothing back
        client.sends(pubcomp(1)).expects(publish("a", "3").qos2(3)).expects_nothing();  // does
        client.sends(pubrec(2, reason_code::quota_exceeded)).expects(publish("a", "4").qos2(4)).expects_nothing();
        if (expiry == 0)
            continue;
        client.sends(pubrec(3)).expects(pubrel(3)).loses_connection();
        // A new connection begins with the full quota, less what is sent again.
        packet_script again{broker};
        again.connects(connect(name).resuming().expiry(expiry).with(property_id::receive_maximum, 3));
        again.expects(pubrel(3))
            .expects(publish("a", "4").qos2(4).dup())
            .expects(publish("a", "5").qos2(5))
            .expects_nothing();
        again.loses_connection();
        packet_script cleaner{broker};
        cleaner.connects(connect(name));
    }
}

TEST_F(flow_control_protocol, item_103_everything_else_goes_on_without_quota)  // [MQTT-3.3.4-10, 4.9.0-3]
{
    packet_script client{broker};
    client.connects(connect("c").with(property_id::receive_maximum, 1)).subscribes("a", 1);
    publishes("1", 1);
    publishes("2", 1);
    client.expects(publish("a", "1").qos1(1)).expects_nothing();
    client.sends(pingreq()).expects(pingresp()).subscribes("b", 0);
    client.sends(publish("b", "x").qos2(7))
        .expects(publish("b", "x"))
        .expects(pubrec(7))
        .sends(pubrel(7))
        .expects(pubcomp(7));
    publishes("0", 0);
    client.expects(publish("a", "0")).expects_nothing();
}

TEST_F(flow_control_protocol, item_113_an_ephemeral_slow_consumer_is_closed_with_quota_exceeded)
{
    mqtt_test_options options;
    options.limits.session_pending_messages = 5;
    mqtt_test_broker small{options};
    packet_script sender{small}, slow{small}, old{small, mqtt_v311};
    sender.connects(connect("sender"));
    slow.connects(connect("slow").with(property_id::receive_maximum, 1)).subscribes("a", 1);
    for (std::uint16_t i = 1; i <= 6; ++i)
        sender.sends(publish("a", "x").qos1(i)).expects(puback(i));
    slow.expects(publish("a", "x").qos1(1)).expects_nothing();
    sender.sends(publish("a", "x").qos1(7)).expects(puback(7));
    slow.expects(disconnect(reason_code::quota_exceeded)).expects_closed();
    EXPECT_EQ(small.metrics().slow_consumers_closed.get(), 1U);
    old.connects(connect("old")).subscribes("a", 1);
    old.connection().block();
    for (int i = 0; i < 5'000 && old.connection().open(); ++i)
        sender.sends(publish("a", std::string(10'000, 'x')).qos1(8)).everything();
    EXPECT_FALSE(old.connection().open());
}

TEST_F(flow_control_protocol, a_durable_slow_consumer_reads_from_the_log_later)
{
    packet_script slow{broker};
    slow.connects(connect("slow").expiry(1000).with(property_id::receive_maximum, 1)).subscribes("a", 1);
    for (int i = 1; i <= 600; ++i)
        publishes(std::to_string(i), 1);
    for (std::uint16_t i = 1; i <= 600; ++i)
        slow.expects(publish("a", std::to_string(i)).qos1(i)).sends(puback(i));
    slow.expects_nothing();
}

TEST_F(flow_control_protocol, qos_0_to_a_stuck_socket_is_dropped_and_counted)
{
    mqtt_test_options options;
    options.limits.outbox_bytes = 1000;
    mqtt_test_broker small{options};
    packet_script sender{small}, stuck{small};
    sender.connects(connect("sender"));
    // An identifier makes its frames its own, so that the session decides, not the shared run.
    stuck.connects(connect("stuck"))
        .sends(subscribe(1, {{"a", 0}}).with(property_id::subscription_identifier, 1))
        .everything();
    stuck.connection().block();
    for (int i = 0; i < 100; ++i)
        sender.sends(publish("a", std::string(100, 'x')));
    EXPECT_LT(stuck.everything().size(), 15U);
    EXPECT_GT(small.dropped(broker::drop_reason::outbox_full), 80U);
}

TEST_F(flow_control_protocol,
       item_115_outbound_aliases_carry_the_topic_once_and_stay_in_range)  // [MQTT-3.3.2-11, 3.1.2-26, -27]
{
    packet_script client{broker}, without{broker};
    client.connects(connect("c").with(property_id::topic_alias_maximum, 1).with(property_id::maximum_packet_size, 60))
        .subscribes("#", 1);
    without.connects(connect("w")).subscribes("#", 1);
    auto const alias = [](std::uint32_t value, scripted_packet packet) {
        return packet.with(property_id::topic_alias, value);
    };
    publishes(std::string(100, 'x'), 1);  // too large: binds nothing
    client.expects_nothing();
    publishes("1", 1);
    auto const first = client.next();
    EXPECT_EQ(first.topic, "a");
    EXPECT_EQ(first.properties, alias(1, publish("", "")).properties);
    publishes("2", 1);
    auto const second = client.next();
    EXPECT_EQ(second.topic, "");
    EXPECT_EQ(second.properties, alias(1, publish("", "")).properties);
    publisher.sends(publish("other", "3").qos1(500)).everything();
    auto const third = client.next();
    EXPECT_EQ(third.topic, "other");
    EXPECT_TRUE(third.properties.empty());
    for (int i = 0; i < 4; ++i)
        EXPECT_TRUE(without.next().properties.empty());
}

TEST_F(flow_control_protocol, item_118_pings_are_answered_when_the_outbound_side_is_full)  // [MQTT-3.12.4-1]
{
    packet_script client{broker};
    client.connects(connect("c").expiry(100)).subscribes("a", 1);
    client.connection().block();
    for (int i = 0; i < 200; ++i)
        publishes(std::string(10'000, 'x'), 1);
    client.everything();
    client.sends(pingreq()).expects(pingresp());
}

}  // namespace
}  // namespace fulmar::test
