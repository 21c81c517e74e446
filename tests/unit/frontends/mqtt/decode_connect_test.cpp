#include "tests/unit/frontends/mqtt/decoding.hpp"

namespace fulmar::mqtt {
namespace {

using namespace test;

TEST(mqtt_decoder, item_018_anything_but_connect_at_first_is_refused_by_its_first_byte)  // [MQTT-3.1.0-1]
{
    for (unsigned type = 0; type < 16; ++type) {
        if (type == 1)
            continue;
        auto const error = expect_refused_connect(u8(type << 4U), rc::protocol_error);
        EXPECT_FALSE(error.answer_as) << "no CONNACK";
    }
}

TEST(mqtt_decoder, item_019_a_second_connect_is_a_protocol_error)  // [MQTT-3.1.0-2]
{
    expect_fault(connect_bytes{}.packet(), rc::protocol_error);
    expect_fault(u8(0x10), rc::protocol_error, v4);
}

TEST(mqtt_decoder, item_021_a_wrong_protocol_name_is_closed_without_an_answer)  // [MQTT-3.1.2-1]
{
    for (auto const* const name : {"mqtt", "MQTT ", "", "HTTP", "MQIsdpx"}) {
        auto c = connect_bytes{};
        c.name = name;
        EXPECT_FALSE(expect_refused_connect(c.packet(), rc::unsupported_protocol_version).answer_as);
    }
}

TEST(mqtt_decoder, item_021_a_wrong_level_is_answered_in_the_nearest_known_format)  // [MQTT-3.1.2-2]
{
    auto const answer = [](std::string name, unsigned level) {
        auto c = connect_bytes{};
        c.name = std::move(name);
        c.level = level;
        return expect_refused_connect(c.packet(), rc::unsupported_protocol_version).answer_as;
    };
    EXPECT_EQ(answer("MQTT", 6), v5);
    EXPECT_EQ(answer("MQTT", 127), v5);
    EXPECT_EQ(answer("MQTT", 2), v4);
    EXPECT_EQ(answer("MQTT", 0x84), v4);
}

TEST(mqtt_decoder, item_022_name_and_level_must_belong_together)  // v3 [MQTT-3.1.2-2]
{
    auto c = connect_bytes{};
    c.name = "MQIsdp";
    c.level = 3;
    EXPECT_EQ(expect_connect(c.packet()).version, v31);
    c.level = 4;
    EXPECT_EQ(expect_refused_connect(c.packet(), rc::unsupported_protocol_version).answer_as, v31);
    c.name = "MQTT";
    EXPECT_EQ(expect_connect(c.packet()).version, v4);
    c.level = 3;
    EXPECT_EQ(expect_refused_connect(c.packet(), rc::unsupported_protocol_version).answer_as, v4);
    c.level = 5;
    EXPECT_EQ(expect_connect(c.packet()).version, v5);
}

TEST(mqtt_decoder, item_023_the_reserved_connect_flag_is_malformed)  // [MQTT-3.1.2-3]
{
    auto c = connect_bytes{};
    c.flags = 0x03;
    EXPECT_EQ(expect_refused_connect(c.packet(), rc::malformed_packet).answer_as, v5);
    c.level = 4;
    EXPECT_FALSE(expect_refused_connect(c.packet(), rc::malformed_packet).answer_as) << "MQTT 3 has no code for it";
}

TEST(mqtt_decoder, item_024_will_bits_without_will_flag_and_will_qos_3_are_malformed)  // [MQTT-3.1.2-11..-13]
{
    for (unsigned const flags : {0x08U, 0x10U, 0x20U, 0x38U, 0x1CU}) {
        for (unsigned const level : {4U, 5U}) {
            auto c = connect_bytes{};
            c.level = level;
            c.flags = flags | 0x02U;
            c.payload = text("c") + (level == 5 ? props() : std::string{}) + text("w") + text("bye");
            expect_refused_connect(c.packet(), rc::malformed_packet);
        }
    }
}

TEST(mqtt_decoder, item_025_a_password_without_a_user_name_is_for_mqtt_5_only)  // v3 [MQTT-3.1.2-22]
{
    auto c = connect_bytes{};
    c.flags = 0x42;
    c.payload = text("c") + text("secret");
    auto const bytes = c.packet();
    auto const p = expect_connect(bytes);
    EXPECT_FALSE(p.user_name);
    EXPECT_EQ(p.password, "secret");
    c.level = 4;
    expect_refused_connect(c.packet(), rc::malformed_packet);
}

TEST(mqtt_decoder, item_025_user_name_and_password_flags_agree_with_the_payload)  // [MQTT-3.1.2-16..-19]
{
    for (unsigned const level : {4U, 5U}) {
        auto c = connect_bytes{};
        c.level = level;
        c.flags = 0xC2;
        c.payload = text("c") + text("user") + text("pw");
        auto const bytes = c.packet();
        auto const p = expect_connect(bytes);
        EXPECT_EQ(p.user_name, "user");
        EXPECT_EQ(p.password, "pw");
        c.flags = 0x82;
        expect_refused_connect(c.packet(), rc::malformed_packet);
        c.flags = 0x02;
        expect_refused_connect(c.packet(), rc::malformed_packet);
        c.flags = 0xC2;
        c.payload = text("c") + text("user");
        expect_refused_connect(c.packet(), rc::malformed_packet);
    }
}

TEST(mqtt_decoder, an_mqtt_31_connect_may_lack_the_fields_its_flags_promise)
{
    auto c = connect_bytes{};
    c.name = "MQIsdp";
    c.level = 3;
    c.flags = 0xC2;
    EXPECT_FALSE(expect_connect(c.packet()).user_name);
}

TEST(mqtt_decoder, item_026_an_empty_client_identifier_needs_mqtt_5_or_a_clean_session)  // [MQTT-3.1.3-6..-8]
{
    auto c = connect_bytes{};
    c.payload = text("");
    EXPECT_EQ(expect_connect(c.packet()).client_id, "");
    c.flags = 0;
    EXPECT_EQ(expect_connect(c.packet()).client_id, "");
    c.level = 4;
    EXPECT_EQ(expect_refused_connect(c.packet(), rc::client_identifier_not_valid).answer_as, v4);
    c.flags = 0x02;
    EXPECT_EQ(expect_connect(c.packet()).client_id, "");
    c.name = "MQIsdp";
    c.level = 3;
    EXPECT_EQ(expect_refused_connect(c.packet(), rc::client_identifier_not_valid).answer_as, v31);
}

TEST(mqtt_decoder, item_028_long_and_non_ascii_client_identifiers_are_accepted)  // [MQTT-3.1.3-5]
{
    auto const id = std::string(60'000, 'x') + "/ü #+";
    auto c = connect_bytes{};
    c.payload = text(id);
    auto const bytes = c.packet();
    EXPECT_EQ(expect_connect(bytes).client_id, id);
}

TEST(mqtt_decoder, a_connect_with_everything_is_understood)  // [MQTT-3.1.3-1, 3.1.2-9]
{
    auto c = connect_bytes{};
    c.flags = 0xF4;  // user name, password, will retain, will QoS 2, will
    c.keep_alive = 0x1234;
    c.properties = u8(0x11) + u32(3600) + u8(0x21) + u16(20) + u8(0x27) + u32(70'000) + u8(0x22) + u16(11) +
                   raw({0x19, 1, 0x17, 0}) + user("a", "b") + u8(0x15) + text("M") + u8(0x16) + text("D");
    c.payload = text("id") +
                props(u8(0x18) + u32(30) + raw({0x01, 1}) + u8(0x02) + u32(60) + u8(0x03) + text("t/p") + u8(0x08) +
                      text("re/ply") + u8(0x09) + text("cd") + user("x", "y")) +
                text("w/t") + text("gone") + text("u") + text("p");
    auto const bytes = c.packet();
    auto const p = expect_connect(bytes);
    EXPECT_FALSE(p.clean_start);
    EXPECT_EQ(p.keep_alive_s, 0x1234);
    EXPECT_EQ(p.properties.session_expiry_interval_s, 3600U);
    EXPECT_EQ(p.properties.receive_maximum, 20);
    EXPECT_EQ(p.properties.maximum_packet_size, 70'000U);
    EXPECT_EQ(p.properties.topic_alias_maximum, 11);
    EXPECT_TRUE(p.properties.request_response_information);
    EXPECT_FALSE(p.properties.request_problem_information);
    EXPECT_EQ(p.properties.authentication_method, "M");
    EXPECT_EQ(p.properties.authentication_data, "D");
    EXPECT_EQ(*p.properties.user.begin(), (user_property_view{"a", "b"}));
    ASSERT_TRUE(p.will);
    EXPECT_EQ(p.will->topic, "w/t");
    EXPECT_EQ(p.will->payload, "gone");
    EXPECT_EQ(p.will->level, qos::exactly_once);
    EXPECT_TRUE(p.will->retain);
    EXPECT_EQ(p.will->properties.delay_interval_s, 30U);
    EXPECT_EQ(p.will->properties.payload_format, 1);
    EXPECT_EQ(p.will->properties.message_expiry_interval_s, 60U);
    EXPECT_EQ(p.will->properties.content_type, "t/p");
    EXPECT_EQ(p.will->properties.response_topic, "re/ply");
    EXPECT_EQ(p.will->properties.correlation_data, "cd");
    EXPECT_EQ(*p.will->properties.user.begin(), (user_property_view{"x", "y"}));
}

TEST(mqtt_decoder, item_040_a_packet_above_the_limit_is_refused_from_its_fixed_header)  // [MQTT-3.2.2-15]
{
    auto const head = u8(0x30) + varint(1000);
    auto const d = decode(span_of(head), v5, {.maximum_packet_size = 1002});
    EXPECT_EQ(d.status, decode_status::malformed);
    EXPECT_EQ(d.error.reason, rc::packet_too_large);
    auto const allowed = decode(span_of(head), v5, {.maximum_packet_size = 1003});
    EXPECT_EQ(allowed.status, decode_status::needs_more);
    EXPECT_EQ(allowed.wanted, 1003U);
}

TEST(mqtt_decoder, item_053_a_will_topic_must_be_a_topic_name)
{
    for (auto const* const topic : {"", "a/+", "#", "$share/g/t"}) {
        auto c = connect_bytes{};
        c.flags = 0x06;
        c.payload = text("c") + props() + text(topic) + text("bye");
        EXPECT_EQ(expect_refused_connect(c.packet(), rc::topic_name_invalid).answer_as, v5);
    }
}

}  // namespace
}  // namespace fulmar::mqtt
