#include "tests/unit/frontends/mqtt/decoding.hpp"

namespace fulmar::mqtt {
namespace {

using namespace test;

TEST(mqtt_decoder, item_001_reserved_flags_of_every_packet_type_are_checked)  // [MQTT-2.1.3-1]
{
    for (unsigned const type : {4U, 5U, 7U, 12U, 14U, 15U}) {
        for (unsigned flags = 1; flags < 16; ++flags)
            expect_fault(packet_of((type << 4U) | flags, u16(1)), rc::malformed_packet);
    }
    for (unsigned flags = 1; flags < 16; ++flags) {
        auto bytes = connect_bytes{}.packet();
        bytes[0] = static_cast<char>(0x10U | flags);
        expect_refused_connect(bytes, rc::malformed_packet);
    }
}

TEST(mqtt_decoder, item_002_pubrel_subscribe_and_unsubscribe_flags_must_be_0010)  // [MQTT-3.6.1-1, 3.8.1-1, 3.10.1-1]
{
    for (unsigned const type : {6U, 8U, 10U}) {
        for (unsigned flags = 0; flags < 16; ++flags) {
            if (flags == 2)
                continue;
            expect_fault(packet_of((type << 4U) | flags, u16(1)), rc::malformed_packet, v5);
            expect_fault(packet_of((type << 4U) | flags, u16(1)), rc::malformed_packet, v4);
        }
    }
    EXPECT_EQ(expect_packet<ack_packet>(packet_of(0x62, u16(9))).id, 9);
}

TEST(mqtt_decoder, mqtt_31_clients_may_repeat_subscribe_and_pubrel_with_dup)
{
    EXPECT_EQ(expect_packet<ack_packet>(packet_of(0x6A, u16(9)), v31).id, 9);
    EXPECT_EQ(expect_packet<subscribe_packet>(packet_of(0x8A, u16(3) + text("a") + u8(1)), v31).id, 3);
    EXPECT_EQ(expect_packet<unsubscribe_packet>(packet_of(0xAA, u16(3) + text("a")), v31).id, 3);
}

TEST(mqtt_decoder, item_003_disconnect_and_auth_flags_must_be_zero)  // [MQTT-3.14.1-1, 3.15.1-1]
{
    expect_fault(packet_of(0xE1), rc::malformed_packet);
    expect_fault(packet_of(0xE2), rc::malformed_packet, v4);
    expect_fault(packet_of(0xF1, u8(0x18) + props(u8(0x15) + text("m"))), rc::malformed_packet);
}

TEST(mqtt_decoder, item_004_packet_type_0_and_in_mqtt_3_type_15_are_forbidden)
{
    expect_fault(packet_of(0x00), rc::malformed_packet);
    expect_fault(packet_of(0xF0), rc::malformed_packet, v4);
    expect_fault(packet_of(0xF0), rc::malformed_packet, v31);
}

TEST(mqtt_decoder, packets_that_only_a_server_sends_are_refused)
{
    for (unsigned const first : {0x20U, 0x90U, 0xB0U, 0xD0U}) {
        expect_fault(packet_of(first, u16(1)), rc::protocol_error, v5);
        expect_fault(packet_of(first, u16(1)), rc::protocol_error, v4);
    }
}

TEST(mqtt_decoder, item_005_a_fifth_length_byte_is_malformed)  // [MQTT-1.5.5-1]
{
    expect_fault(raw({0x30, 0x80, 0x80, 0x80, 0x80}), rc::malformed_packet);
    expect_fault(raw({0x30, 0xFF, 0xFF, 0xFF, 0xFF, 0x01}), rc::malformed_packet, v4);
}

TEST(mqtt_decoder, item_005_a_length_in_more_bytes_than_it_needs_is_malformed)  // [MQTT-1.5.5-1]
{
    expect_fault(raw({0xC0, 0x80, 0x00}), rc::malformed_packet);
    expect_fault(packet_of(0x30, text("a") + raw({0x80, 0x00}) + "x"), rc::malformed_packet);  // property length
    expect_fault(subscribe_one("a", 0, raw({0x0B, 0x81, 0x00})), rc::malformed_packet);        // a property's value
}

TEST(mqtt_decoder, item_005_a_property_length_with_a_fifth_byte_is_malformed)  // [MQTT-1.5.5-1]
{
    expect_fault(packet_of(0x30, text("a") + raw({0x80, 0x80, 0x80, 0x80, 0x01}) + "x"), rc::malformed_packet);
}

TEST(mqtt_decoder, item_006_trailing_bytes_are_malformed)
{
    expect_fault(packet_of(0xC0, "x"), rc::malformed_packet);
    expect_fault(packet_of(0x40, u16(1) + u8(0) + props() + "x"), rc::malformed_packet);
    expect_fault(packet_of(0x40, u16(1) + "x"), rc::malformed_packet, v4);
    expect_fault(packet_of(0xE0, "x"), rc::malformed_packet, v4);
    expect_fault(packet_of(0xE0, u8(0) + props() + "x"), rc::malformed_packet);
    auto c = connect_bytes{};
    c.payload += "x";
    expect_refused_connect(c.packet(), rc::malformed_packet);
}

TEST(mqtt_decoder, item_006_a_field_past_the_end_of_its_packet_is_malformed)
{
    // Every proper prefix of the body, in a packet that says it is complete, must be refused: none of these packets
    // has an optional end.
    auto const bodies = {
        std::pair{0x82U, u16(1) + props(u8(0x0B) + u8(5)) + text("a/b") + u8(1)},
        std::pair{0xA2U, u16(1) + props(user("k", "v")) + text("a/b")},
        std::pair{0xF0U, u8(0x18) + props(u8(0x15) + text("SCRAM-SHA-256"))},
    };
    for (auto const& [first, body] : bodies) {
        EXPECT_EQ(decode_with(v5, packet_of(first, body)).status, decode_status::complete);
        for (std::size_t size = 0; size < body.size(); ++size) {
            auto const d = decode_with(v5, packet_of(first, body.substr(0, size)));
            EXPECT_EQ(d.status, decode_status::malformed) << first << " cut to " << size;
        }
    }
}

TEST(mqtt_decoder, item_006_every_cut_connect_is_malformed)  // [MQTT-3.1.2-9, 3.1.3-3, 3.1.4-1], v3 [MQTT-3.1.2-9]
{
    auto c = connect_bytes{};
    c.flags = 0xC6;
    c.properties = u8(0x11) + u32(10) + user("k", "v");
    c.payload =
        text("client") + props(u8(0x18) + u32(5)) + text("will/topic") + text("bye") + text("user") + text("pw");
    auto const whole = c.packet();
    EXPECT_EQ(decode_connect(span_of(whole), {}).status, decode_status::complete);
    auto const body = whole.substr(2);
    for (std::size_t size = 0; size < body.size(); ++size) {
        auto const bytes = packet_of(0x10, body.substr(0, size));
        EXPECT_EQ(decode_connect(span_of(bytes), {}).status, decode_status::malformed) << size;
    }
}

std::vector<std::string> const ill_formed_utf8{"\xED\xA0\x80",        "\xED\xBF\xBF", "\xC0\x80", "\xE0\x80\x80",
                                               "\xF4\x90\x80\x80",    "\xFF",         "\xE2\x82", "\x80",
                                               "\xF8\x88\x80\x80\x80"};

// [MQTT-1.5.4-1, 3.1.3-4, -11, -12, 3.3.2-1, -13, -19, 3.8.3-1, 3.10.3-1]
TEST(mqtt_decoder, item_007_ill_formed_utf8_is_malformed_in_every_string)
{
    for (auto const& bad : ill_formed_utf8) {
        expect_fault(publish0("a/" + bad), rc::malformed_packet);
        expect_fault(packet_of(0x30, text("a/" + bad) + "x"), rc::malformed_packet, v4);
        expect_fault(publish0("a", u8(0x03) + text(bad)), rc::malformed_packet);
        expect_fault(publish0("a", u8(0x08) + text(bad)), rc::malformed_packet);
        expect_fault(subscribe_one(bad, 0), rc::malformed_packet);
        expect_fault(packet_of(0xA2, u16(1) + props() + text(bad)), rc::malformed_packet);
        expect_fault(packet_of(0xE0, u8(0) + props(u8(0x1F) + text(bad))), rc::malformed_packet);
        auto c = connect_bytes{};
        c.payload = text(bad);
        expect_refused_connect(c.packet(), rc::malformed_packet);
        c.flags = 0x82;
        c.payload = text("c") + text(bad);
        expect_refused_connect(c.packet(), rc::malformed_packet);
        c.flags = 0x06;
        c.payload = text("c") + props() + text(bad) + text("bye");
        expect_refused_connect(c.packet(), rc::malformed_packet);
    }
}

TEST(mqtt_decoder, item_007_passwords_and_payloads_may_be_any_bytes)
{
    auto c = connect_bytes{};
    c.flags = 0x42;
    c.payload = text("c") + text("\xFF\xFE");
    EXPECT_EQ(expect_connect(c.packet()).password, "\xFF\xFE");
    EXPECT_EQ(expect_packet<publish_packet>(publish0("a", "", "\xFF")).payload, "\xFF");
    auto const bytes = publish0("a", u8(0x09) + text("\xFF"));
    EXPECT_EQ(expect_packet<publish_packet>(bytes).properties.correlation_data, "\xFF");
}

TEST(mqtt_decoder, item_008_a_zero_character_in_a_string_is_malformed)  // [MQTT-1.5.4-2, 4.7.3-2]
{
    std::string const zero{"a\0b", 3};
    expect_fault(publish0(zero), rc::malformed_packet);
    expect_fault(subscribe_one(zero, 0), rc::malformed_packet);
    expect_fault(packet_of(0x82, u16(1) + text(zero) + u8(0)), rc::malformed_packet, v4);
    auto c = connect_bytes{};
    c.payload = text(zero);
    expect_refused_connect(c.packet(), rc::malformed_packet);
}

TEST(mqtt_decoder, item_009_a_byte_order_mark_is_kept)  // [MQTT-1.5.4-3]
{
    auto const bytes = publish0(
        "\xEF\xBB\xBF"
        "a");
    EXPECT_EQ(expect_packet<publish_packet>(bytes).topic,
              "\xEF\xBB\xBF"
              "a");
}

TEST(mqtt_decoder, item_010_both_halves_of_a_user_property_are_validated)  // [MQTT-1.5.7-1]
{
    expect_fault(publish0("a", user("\xC0\x80", "v")), rc::malformed_packet);
    expect_fault(publish0("a", user("k", "\xC0\x80")), rc::malformed_packet);
    expect_fault(publish0("a", user(std::string_view{"\0", 1}, "v")), rc::malformed_packet);
}

TEST(mqtt_decoder, item_011_acknowledgements_may_be_short)  // [MQTT-2.2.2-1]
{
    for (unsigned const first : {0x40U, 0x50U, 0x62U, 0x70U}) {
        auto const two = expect_packet<ack_packet>(packet_of(first, u16(7)));
        EXPECT_EQ(two.id, 7);
        EXPECT_EQ(two.reason, rc::success);
        auto const code = first == 0x62U || first == 0x70U ? rc::packet_identifier_not_found : rc::unspecified_error;
        auto const three = expect_packet<ack_packet>(packet_of(first, u16(7) + u8(static_cast<unsigned>(code))));
        EXPECT_EQ(three.reason, code);
        auto const four =
            expect_packet<ack_packet>(packet_of(first, u16(7) + u8(static_cast<unsigned>(code)) + props()));
        EXPECT_EQ(four.type, static_cast<packet_type>(first >> 4U));
    }
}

TEST(mqtt_decoder, item_011_disconnect_may_be_empty_or_one_byte)  // [MQTT-2.2.2-1]
{
    EXPECT_EQ(expect_packet<disconnect_packet>(packet_of(0xE0)).reason, rc::success);
    EXPECT_EQ(expect_packet<disconnect_packet>(packet_of(0xE0, u8(4))).reason, rc::disconnect_with_will);
    auto const bytes = packet_of(0xE0, u8(0) + props(u8(0x11) + u32(99) + u8(0x1F) + text("why")));
    auto const p = expect_packet<disconnect_packet>(bytes);
    EXPECT_EQ(p.session_expiry_interval_s, 99U);
    EXPECT_EQ(p.reason_string, "why");
}

TEST(mqtt_decoder, item_011_elsewhere_a_property_length_of_zero_must_be_there)  // [MQTT-2.2.2-1]
{
    expect_fault(packet_of(0x30, text("a")), rc::malformed_packet);
    expect_fault(packet_of(0xA2, u16(1)), rc::malformed_packet);
    expect_fault(packet_of(0xF0, u8(0x18)), rc::malformed_packet);
}

TEST(mqtt_decoder, item_012_a_property_in_the_wrong_packet_is_malformed)
{
    expect_fault(publish0("a", u8(0x11) + u32(1)), rc::malformed_packet);
    expect_fault(packet_of(0xA2, u16(1) + props(u8(0x0B) + u8(1)) + text("a")), rc::malformed_packet);
    expect_fault(packet_of(0x40, u16(1) + u8(0) + props(u8(0x23) + u16(1))), rc::malformed_packet);
    auto c = connect_bytes{};
    c.properties = u8(0x18) + u32(5);  // a will property among those of CONNECT
    expect_refused_connect(c.packet(), rc::malformed_packet);
}

TEST(mqtt_decoder, item_012_an_unknown_property_is_malformed)
{
    for (unsigned const id : {0U, 4U, 43U, 63U, 64U, 127U})
        expect_fault(publish0("a", u8(id) + u8(0)), rc::malformed_packet);
    expect_fault(publish0("a", raw({0xFF, 0x7F, 0x00})), rc::malformed_packet);
}

TEST(mqtt_decoder, item_013_only_user_properties_may_be_repeated)
{
    expect_fault(publish0("a", u8(0x02) + u32(1) + u8(0x02) + u32(1)), rc::protocol_error);
    expect_fault(subscribe_one("a", 0, raw({0x0B, 1, 0x0B, 2})), rc::protocol_error);
    auto const bytes = publish0("a", user("k", "1") + u8(0x01) + u8(1) + user("k", "2") + user("", ""));
    auto const p = expect_packet<publish_packet>(bytes);
    ASSERT_EQ(p.properties.user.size(), 3U);
    std::vector<user_property_view> const got{p.properties.user.begin(), p.properties.user.end()};
    EXPECT_EQ(got, (std::vector<user_property_view>{{"k", "1"}, {"k", "2"}, {"", ""}}));
    EXPECT_EQ(p.properties.payload_format, 1);
}

TEST(mqtt_decoder, item_014_boolean_properties_above_1_are_a_protocol_error)
{
    expect_fault(publish0("a", raw({0x01, 2})), rc::protocol_error);
    for (unsigned const id : {0x17U, 0x19U}) {
        auto c = connect_bytes{};
        c.properties = raw({id, 2});
        expect_refused_connect(c.packet(), rc::protocol_error);
    }
}

TEST(mqtt_decoder, item_015_receive_maximum_and_maximum_packet_size_must_not_be_zero)
{
    auto c = connect_bytes{};
    c.properties = u8(0x21) + u16(0);
    expect_refused_connect(c.packet(), rc::protocol_error);
    c.properties = u8(0x27) + u32(0);
    expect_refused_connect(c.packet(), rc::protocol_error);
}

TEST(mqtt_decoder, item_016_packet_identifier_zero_is_a_protocol_error)  // [MQTT-2.2.1-3]
{
    for (auto const version : {v4, v5}) {
        auto const none = version == v5 ? props() : std::string{};
        expect_fault(packet_of(0x32, text("a") + u16(0) + none + "x"), rc::protocol_error, version);
        expect_fault(packet_of(0x34, text("a") + u16(0) + none + "x"), rc::protocol_error, version);
        expect_fault(packet_of(0x82, u16(0) + none + text("a") + u8(0)), rc::protocol_error, version);
        expect_fault(packet_of(0xA2, u16(0) + none + text("a")), rc::protocol_error, version);
        expect_fault(packet_of(0x40, u16(0)), rc::protocol_error, version);
    }
}

TEST(mqtt_decoder, item_017_qos_0_has_no_packet_identifier)  // [MQTT-2.2.1-2]
{
    auto const bytes = packet_of(0x30, text("a") + "xyz");
    auto const p = expect_packet<publish_packet>(bytes, v4);
    EXPECT_EQ(p.id, 0);
    EXPECT_EQ(p.payload, "xyz");
}

TEST(mqtt_decoder, item_124_every_split_of_a_packet_only_asks_for_more)  // [MQTT-6.0.0-2]
{
    auto const bytes = publish0("a/b", user("k", "v"), std::string(300, 'p'));
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        auto const d = decode(std::span{bytes.data(), size}, v5, {});
        EXPECT_EQ(d.status, decode_status::needs_more) << size;
        EXPECT_EQ(d.wanted, size < 3 ? 0 : bytes.size()) << size;
    }
}

TEST(mqtt_decoder, item_124_packets_in_one_piece_are_taken_one_by_one)  // [MQTT-6.0.0-2]
{
    auto const first = publish0("a");
    auto const bytes = first + packet_of(0xC0) + u8(0x30);
    auto const one = decode_with(v5, bytes);
    EXPECT_EQ(one.consumed, first.size());
    auto const two = decode_with(v5, bytes.substr(one.consumed));
    EXPECT_TRUE(std::holds_alternative<pingreq_packet>(two.content));
    EXPECT_EQ(two.consumed, 2U);
}

TEST(mqtt_decoder, an_error_says_what_is_wrong_in_which_packet)
{
    EXPECT_EQ(decode_with(v5, publish0("a/+")).error.text(),
              "PUBLISH: a topic name is empty, contains a wildcard or has too many levels");
}

}  // namespace
}  // namespace fulmar::mqtt
