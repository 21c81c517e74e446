#include "tests/unit/frontends/mqtt/decoding.hpp"

namespace fulmar::mqtt {
namespace {

using namespace test;

TEST(mqtt_decoder, item_054_qos_3_is_malformed)  // [MQTT-3.3.1-4]
{
    for (unsigned const flags : {0x06U, 0x07U, 0x0EU, 0x0FU}) {
        expect_fault(u8(0x30U | flags), rc::malformed_packet);
        expect_fault(u8(0x30U | flags), rc::malformed_packet, v4);
    }
}

TEST(mqtt_decoder, item_055_dup_at_qos_0_is_malformed)  // [MQTT-3.3.1-2]
{
    expect_fault(packet_of(0x38, text("a") + props()), rc::malformed_packet);
    expect_fault(packet_of(0x38, text("a")), rc::malformed_packet, v4);
}

TEST(mqtt_decoder, item_057_wildcards_in_a_topic_name_are_refused)  // [MQTT-3.3.2-2, 4.7.0-1]
{
    for (auto const* const topic : {"+", "#", "a/+/b", "a/#", "a+", "a#b"}) {
        expect_fault(publish0(topic), rc::topic_name_invalid);
        expect_fault(packet_of(0x30, text(topic) + "x"), rc::topic_name_invalid, v4);
    }
}

TEST(mqtt_decoder, item_058_an_empty_topic_name_needs_an_alias)  // [MQTT-4.7.3-1]
{
    expect_fault(publish0(""), rc::protocol_error);
    expect_fault(packet_of(0x30, text("") + "x"), rc::protocol_error, v4);
    auto const p = expect_packet<publish_packet>(publish0("", u8(0x23) + u16(5)));
    EXPECT_EQ(p.topic, "");
    EXPECT_EQ(p.properties.topic_alias, 5);
}

TEST(mqtt_decoder, item_062_a_client_must_not_send_a_subscription_identifier)  // [MQTT-3.3.4-6]
{
    expect_fault(publish0("a", raw({0x0B, 1})), rc::protocol_error);
}

TEST(mqtt_decoder, item_063_a_response_topic_must_be_a_topic_name)  // [MQTT-3.3.2-13, -14]
{
    for (auto const* const topic : {"", "a/#", "+"})
        expect_fault(publish0("a", u8(0x08) + text(topic)), rc::protocol_error);
}

TEST(mqtt_decoder, a_publish_with_everything_is_understood)
{
    auto const bytes =
        packet_of(0x3D, text("a/b") + u16(513) +
                            props(raw({0x01, 1}) + u8(0x02) + u32(60) + u8(0x23) + u16(3) + u8(0x03) +
                                  text("text/plain") + u8(0x08) + text("r") + u8(0x09) + text("c") + user("k", "v")) +
                            "payload");
    auto const p = expect_packet<publish_packet>(bytes);
    EXPECT_EQ(p.topic, "a/b");
    EXPECT_EQ(p.payload, "payload");
    EXPECT_EQ(p.id, 513);
    EXPECT_EQ(p.level, qos::exactly_once);
    EXPECT_TRUE(p.duplicate);
    EXPECT_TRUE(p.retain);
    EXPECT_EQ(p.properties.payload_format, 1);
    EXPECT_EQ(p.properties.message_expiry_interval_s, 60U);
    EXPECT_EQ(p.properties.topic_alias, 3);
    EXPECT_EQ(p.properties.content_type, "text/plain");
    EXPECT_EQ(p.properties.response_topic, "r");
    EXPECT_EQ(p.properties.correlation_data, "c");
    EXPECT_EQ(*p.properties.user.begin(), (user_property_view{"k", "v"}));
}

TEST(mqtt_decoder, item_075_a_message_expiry_of_zero_is_legal)
{
    auto const p = expect_packet<publish_packet>(publish0("a", u8(0x02) + u32(0)));
    EXPECT_EQ(p.properties.message_expiry_interval_s, 0U);
}

TEST(mqtt_decoder,
     item_084_a_subscribe_or_unsubscribe_without_a_filter_is_a_protocol_error)  // [MQTT-3.8.3-2, 3.10.3-2]
{
    expect_fault(packet_of(0x82, u16(1) + props()), rc::protocol_error);
    expect_fault(packet_of(0xA2, u16(1) + props()), rc::protocol_error);
    expect_fault(packet_of(0x82, u16(1)), rc::protocol_error, v4);
    expect_fault(packet_of(0xA2, u16(1)), rc::protocol_error, v4);
}

TEST(mqtt_decoder, item_085_subscription_options_are_checked)  // [MQTT-3.8.3-5], v3 [MQTT-3.8.3-4]
{
    expect_fault(subscribe_one("a", 0x40), rc::malformed_packet);
    expect_fault(subscribe_one("a", 0x80), rc::malformed_packet);
    expect_fault(subscribe_one("a", 0x30), rc::protocol_error);
    expect_fault(subscribe_one("a", 0x03), rc::protocol_error);
    for (unsigned const byte : {0x03U, 0x04U, 0x08U, 0x10U, 0x80U})
        expect_fault(packet_of(0x82, u16(1) + text("a") + u8(byte)), rc::malformed_packet, v4);
}

TEST(mqtt_decoder, every_filter_of_a_subscribe_is_given_with_its_options)
{
    auto const bytes = packet_of(0x82, u16(77) + props(u8(0x0B) + varint(268'435'455) + user("k", "v")) + text("a/#") +
                                           u8(0x2E) + text("$share/g/b") + u8(0x11) + text("bad/#/filter") + u8(0));
    auto const p = expect_packet<subscribe_packet>(bytes);
    EXPECT_EQ(p.id, 77);
    EXPECT_EQ(p.identifier, 268'435'455U);
    ASSERT_EQ(p.subscriptions.size(), 3U);
    auto const& first = p.subscriptions[0];
    EXPECT_EQ(first.filter, "a/#");
    EXPECT_EQ(first.options.level, qos::exactly_once);
    EXPECT_TRUE(first.options.no_local);
    EXPECT_TRUE(first.options.retain_as_published);
    EXPECT_EQ(first.options.retained, broker::retain_handling::do_not_send);
    EXPECT_EQ(first.options.identifier, 268'435'455U);
    auto const& second = p.subscriptions[1];
    EXPECT_EQ(second.filter, "$share/g/b");
    EXPECT_EQ(second.options.level, qos::at_least_once);
    EXPECT_FALSE(second.options.no_local);
    EXPECT_EQ(second.options.retained, broker::retain_handling::send_if_new);
    EXPECT_EQ(p.subscriptions[2].filter, "bad/#/filter") << "judged in SUBACK, not here";
    EXPECT_EQ(p.user.size(), 1U);
}

TEST(mqtt_decoder, every_filter_of_an_unsubscribe_is_given)
{
    auto const bytes = packet_of(0xA2, u16(4) + text("a") + text("b/+"));
    auto const p = expect_packet<unsubscribe_packet>(bytes, v4);
    EXPECT_EQ(p.id, 4);
    EXPECT_EQ(p.filters, (std::vector<std::string_view>{"a", "b/+"}));
}

TEST(mqtt_decoder, item_094_a_subscription_identifier_is_never_zero_nor_too_large)
{
    expect_fault(subscribe_one("a", 0, raw({0x0B, 0})), rc::protocol_error);
    expect_fault(subscribe_one("a", 0, raw({0x0B, 0x80, 0x80, 0x80, 0x80, 0x01})), rc::malformed_packet);
}

TEST(mqtt_decoder, item_096_no_local_on_a_shared_subscription_is_a_protocol_error)  // [MQTT-3.8.3-4]
{
    expect_fault(subscribe_one("$share/g/a", 0x04), rc::protocol_error);
    EXPECT_EQ(expect_packet<subscribe_packet>(subscribe_one("$share/g/a", 0x00)).subscriptions.size(), 1U);
}

TEST(mqtt_decoder, item_116_a_client_may_use_only_its_own_disconnect_codes)  // [MQTT-3.14.2-1]
{
    for (unsigned const code :
         {0x00U, 0x04U, 0x80U, 0x81U, 0x82U, 0x83U, 0x90U, 0x93U, 0x94U, 0x95U, 0x96U, 0x97U, 0x98U, 0x99U})
        EXPECT_EQ(static_cast<unsigned>(expect_packet<disconnect_packet>(packet_of(0xE0, u8(code))).reason), code);
    for (unsigned const code : {0x01U, 0x87U, 0x89U, 0x8BU, 0x8DU, 0x8EU, 0x8FU, 0x9AU, 0x9CU, 0xA2U, 0xFFU})
        expect_fault(packet_of(0xE0, u8(code)), rc::protocol_error);
}

TEST(mqtt_decoder, acknowledgements_carry_only_the_codes_of_their_kind)  // [MQTT-3.4.2-1, 3.5.2-1, 3.6.2-1, 3.7.2-1]
{
    expect_fault(packet_of(0x40, u16(1) + u8(0x10)), rc::protocol_error);  // only a server knows subscribers
    expect_fault(packet_of(0x50, u16(1) + u8(0x92)), rc::protocol_error);
    expect_fault(packet_of(0x62, u16(1) + u8(0x80)), rc::protocol_error);
    expect_fault(packet_of(0x70, u16(1) + u8(0x01)), rc::protocol_error);
    auto const bytes = packet_of(0x50, u16(1) + u8(0x97) + props(u8(0x1F) + text("full") + user("k", "v")));
    auto const p = expect_packet<ack_packet>(bytes);
    EXPECT_EQ(p.reason, rc::quota_exceeded);
    EXPECT_EQ(p.reason_string, "full");
    EXPECT_EQ(p.user.size(), 1U);
}

TEST(mqtt_decoder, item_119_authentication_data_without_a_method_is_a_protocol_error)  // [MQTT-4.12.0-*]
{
    auto c = connect_bytes{};
    c.properties = u8(0x16) + text("data");
    expect_refused_connect(c.packet(), rc::protocol_error);
    expect_fault(packet_of(0xF0, u8(0x18) + props(u8(0x16) + text("data"))), rc::protocol_error);
}

TEST(mqtt_decoder, item_119_a_client_sends_auth_only_to_continue_or_to_re_authenticate)  // [MQTT-3.15.2-1]
{
    auto const method = props(u8(0x15) + text("SCRAM-SHA-256") + u8(0x16) + text("data"));
    auto const bytes = packet_of(0xF0, u8(0x19) + method);
    auto const p = expect_packet<auth_packet>(bytes);
    EXPECT_EQ(p.reason, rc::re_authenticate);
    EXPECT_EQ(p.authentication_method, "SCRAM-SHA-256");
    EXPECT_EQ(p.authentication_data, "data");
    expect_fault(packet_of(0xF0, u8(0x00) + method), rc::protocol_error);
    expect_fault(packet_of(0xF0), rc::protocol_error);
}

}  // namespace
}  // namespace fulmar::mqtt
