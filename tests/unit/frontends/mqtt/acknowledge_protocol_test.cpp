// The QoS handshakes as a receiver and as a sender. Item numbers are those of the checklist in docs/protocols/mqtt.md.
#include "tests/support/packet_script.hpp"

#include <gtest/gtest.h>

namespace fulmar::test {
namespace {

using namespace std::chrono_literals;

struct acknowledge_protocol : testing::Test
{
    mqtt_test_broker broker;
    packet_script sender{broker};
    packet_script receiver{broker};

    void SetUp() override
    {
        sender.connects(connect("sender").expiry(1000));
        receiver.connects(connect("receiver").expiry(1000)).subscribes("#", 2);
    }
};

TEST_F(acknowledge_protocol, item_067_each_level_is_acknowledged_in_its_way)  // [MQTT-4.3.2-4, 4.3.3-8]
{
    sender.sends(publish("a", "0")).sends(publish("a", "1").qos1(1)).sends(publish("a", "2").qos2(2));
    sender.expects(puback(1)).expects(pubrec(2)).sends(pubrel(2)).expects(pubcomp(2)).expects_nothing();
    // QoS 0 goes out at once, the others when the log has them.
    receiver.expects(publish("a", "0")).expects(publish("a", "1").qos1(1)).expects(publish("a", "2").qos2(2));
    receiver.sends(puback(1)).sends(pubrec(2)).expects(pubrel(2)).sends(pubcomp(2)).expects_nothing();
}

TEST_F(acknowledge_protocol, item_068_after_puback_the_identifier_means_a_new_message)  // [MQTT-4.3.2-5]
{
    sender.sends(publish("a", "first").qos1(5)).expects(puback(5));
    sender.sends(publish("a", "second").qos1(5).dup()).expects(puback(5));
    receiver.expects(publish("a", "first").qos1(1)).expects(publish("a", "second").qos1(2));
}

TEST_F(acknowledge_protocol, item_069_a_repeated_qos_2_publish_is_answered_and_not_delivered_again)  // [MQTT-4.3.3-10]
{
    sender.sends(publish("a", "x").qos2(5)).expects(pubrec(5));
    receiver.expects(publish("a", "x").qos2(1));
    for (int i = 0; i < 3; ++i)
        sender.sends(publish("a", "x").qos2(5).dup()).expects(pubrec(5));
    sender.loses_connection();
    packet_script again{broker};
    again.connects(connect("sender").resuming().expiry(1000));
    again.sends(publish("a", "x").qos2(5).dup()).expects(pubrec(5));
    again.sends(pubrel(5)).expects(pubcomp(5));
    receiver.expects_nothing();
    again.sends(publish("a", "new").qos2(5)).expects(pubrec(5));
    receiver.expects(publish("a", "new").qos2(2));
}

TEST_F(acknowledge_protocol, items_069_110_received_identifiers_survive_a_restart)
{
    sender.sends(publish("a", "x").qos2(5)).expects(pubrec(5));
    broker.kill_and_restart();
    packet_script again{broker}, reader{broker};
    auto const answer = again.sends(connect("sender").resuming().expiry(1000)).next();
    EXPECT_TRUE(answer.session_present);
    again.sends(publish("a", "x").qos2(5).dup()).expects(pubrec(5)).sends(pubrel(5)).expects(pubcomp(5));
    reader.connects(connect("receiver").resuming().expiry(1000));
    auto const first = reader.next();
    EXPECT_EQ(first.payload, "x");
    reader.expects_nothing();
}

TEST_F(acknowledge_protocol, item_070_a_refused_qos_2_identifier_is_free)  // [MQTT-4.3.3-9]
{
    broker.authenticator.rules.no_publish = {"secret"};
    packet_script peer{broker};
    peer.connects(connect("peer"));
    peer.sends(publish("secret", "x").qos2(5)).expects(pubrec(5, reason_code::not_authorized));
    peer.sends(publish("a", "y").qos2(5)).expects(pubrec(5));
    receiver.expects(publish("a", "y").qos2(1));
    peer.sends(pubrel(5)).expects(pubcomp(5));
}

TEST_F(acknowledge_protocol, item_071_an_unknown_pubrel_is_answered_and_never_closes)  // [MQTT-4.3.3-11]
{
    sender.sends(pubrel(77)).expects(pubcomp(77, reason_code::packet_identifier_not_found)).expects_nothing();
    packet_script old{broker, mqtt_v311};
    old.connects(connect("old")).sends(pubrel(77)).expects(pubcomp(77)).expects_nothing();
}

TEST_F(acknowledge_protocol, unknown_acknowledgements_do_no_harm)
{
    receiver.sends(puback(9)).sends(pubcomp(9)).expects_nothing();
    receiver.sends(pubrec(9)).expects(pubrel(9, reason_code::packet_identifier_not_found));
    receiver.sends(pubrec(9, reason_code::unspecified_error)).expects_nothing();
    packet_script old{broker, mqtt_v311};
    old.connects(connect("old")).sends(puback(9)).sends(pubcomp(9)).expects_nothing();
    old.sends(pubrec(9)).expects(pubrel(9));
}

TEST_F(acknowledge_protocol, item_072_acknowledging_the_other_level_is_a_protocol_error)
{
    sender.sends(publish("a", "1").qos1(1)).sends(publish("a", "2").qos2(2)).everything();
    receiver.expects(publish("a", "1").qos1(1)).expects(publish("a", "2").qos2(2));
    receiver.sends(puback(2)).expects(disconnect(reason_code::protocol_error)).expects_closed();
    // The window is as it was: both come again.
    packet_script again{broker};
    again.connects(connect("receiver").resuming().expiry(1000));
    again.expects(publish("a", "1").qos1(1).dup()).expects(publish("a", "2").qos2(2).dup());
    again.sends(pubrec(1)).expects(disconnect(reason_code::protocol_error)).expects_closed();
}

TEST_F(acknowledge_protocol, item_072_a_second_acknowledgement_gives_no_second_quota)
{
    packet_script narrow{broker};
    narrow.connects(connect("narrow").with(property_id::receive_maximum, 2)).subscribes("n", 1);
    for (std::uint16_t i = 1; i <= 5; ++i)
        sender.sends(publish("n", std::to_string(i)).qos1(i));
    narrow.expects(publish("n", "1").qos1(1)).expects(publish("n", "2").qos1(2)).expects_nothing();
    narrow.sends(puback(2)).expects(publish("n", "3").qos1(3)).expects_nothing();
    narrow.sends(puback(2)).expects_nothing();  // once more: it was settled already
    narrow.sends(puback(1)).expects(publish("n", "4").qos1(4)).expects_nothing();
}

TEST_F(acknowledge_protocol, item_107_no_publish_again_after_pubrel)  // [MQTT-4.3.3-6]
{
    sender.sends(publish("a", "x").qos2(1)).expects(pubrec(1));
    receiver.expects(publish("a", "x").qos2(1)).sends(pubrec(1)).expects(pubrel(1)).loses_connection();
    packet_script again{broker};
    again.connects(connect("receiver").resuming().expiry(1000)).expects(pubrel(1)).expects_nothing();
    again.sends(pubrec(1)).expects(pubrel(1)).sends(pubcomp(1)).expects_nothing();
    again.loses_connection();
    packet_script last{broker};
    last.connects(connect("receiver").resuming().expiry(1000)).expects_nothing();
}

TEST_F(acknowledge_protocol, item_111_a_refusal_by_the_client_ends_the_message)  // [MQTT-4.4.0-2]
{
    sender.sends(publish("a", "1").qos1(1)).sends(publish("a", "2").qos2(2)).everything();
    receiver.expects(publish("a", "1").qos1(1)).expects(publish("a", "2").qos2(2));
    receiver.sends(puback(1, reason_code::quota_exceeded))
        .sends(pubrec(2, reason_code::unspecified_error))
        .expects_nothing();
    receiver.loses_connection();
    packet_script again{broker};
    again.connects(connect("receiver").resuming().expiry(1000)).expects_nothing();
}

TEST_F(acknowledge_protocol, acknowledgements_come_in_the_order_of_the_publishes)  // [MQTT-4.6.0-2, -3]
{
    broker.store.hold();
    sender.sends(publish("a", "1").qos1(1))
        .sends(publish("a", "2").qos2(2))
        .sends(publish("a", "3").qos1(3))
        .expects_nothing();
    broker.store.confirm_all();
    broker.store.release();
    sender.expects(puback(1)).expects(pubrec(2)).expects(puback(3));
}

TEST_F(acknowledge_protocol, pubrec_and_pubcomp_wait_for_the_store)
{
    broker.store.hold();
    sender.sends(publish("a", "x").qos2(1)).expects_nothing();
    broker.store.confirm_all();
    sender.expects(pubrec(1)).sends(pubrel(1)).expects_nothing();
    broker.store.confirm_all();
    sender.expects(pubcomp(1));
}

}  // namespace
}  // namespace fulmar::test
