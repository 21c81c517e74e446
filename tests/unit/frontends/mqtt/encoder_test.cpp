#include "frontends/mqtt/encoder.hpp"

#include "broker/message.hpp"
#include "frontends/mqtt/decoder.hpp"
#include "frontends/mqtt/publish_variant.hpp"
#include "tests/unit/frontends/mqtt/packet_bytes.hpp"

#include <gtest/gtest.h>

namespace fulmar::mqtt {
namespace {

using namespace test;
constexpr auto v31 = protocol_version::v3_1;
constexpr auto v4 = protocol_version::v3_1_1;
constexpr auto v5 = protocol_version::v5;
using rc = reason_code;

peer_limits limits_of(protocol_version version, std::size_t maximum = packet_bytes_max)
{
    return {.version = version, .maximum_packet_size = static_cast<std::uint32_t>(maximum)};
}

// What `encode(out)` wrote, or "refused" if it returned false.
template <class Encode>
std::string written(Encode&& encode)
{
    std::string out = "before";
    bool const done = encode(out);
    EXPECT_EQ(out.substr(0, 6), "before");
    EXPECT_TRUE(done || out.size() == 6U) << "refused, and yet something was written";
    return done ? out.substr(6) : "refused";
}

std::vector<broker::user_property> const some_user{{"k", "v"}, {"k2", "v2"}};
std::string const some_user_bytes = user("k", "v") + user("k2", "v2");

broker::message_ptr plain_message(std::string_view topic = "a/b", std::string_view payload = "payload")
{
    broker::message_fields fields;
    fields.topic = topic;
    fields.payload = payload;
    return broker::message::make(std::move(fields));
}

broker::message_ptr rich_message(broker::wall_ms expires_at = 0)
{
    auto properties = std::make_unique<broker::message_properties>();
    properties->payload_format = 1;
    properties->content_type = "text/plain";
    properties->response_topic = "re";
    properties->correlation_data = std::string{};
    properties->user = {{"z", "1"}, {"a", "2"}, {"z", "1"}};
    broker::message_fields fields;
    fields.topic = "a/b";
    fields.payload = "x";
    fields.expires_at = expires_at;
    fields.properties = std::move(properties);
    return broker::message::make(std::move(fields));
}

std::string const rich_bytes = raw({0x01, 1}) + u8(0x03) + text("text/plain") + u8(0x08) + text("re") + u8(0x09) +
                               text("") + user("z", "1") + user("a", "2") + user("z", "1");

// The whole packet, both ways of encoding it, and the size known before: all must agree.
std::string publish_bytes(publish_fields const& fields, protocol_version version)
{
    std::vector<char> whole;
    encode_publish(fields, version, whole);
    std::string split;
    encode_publish_head(fields, version, split);
    split += fields.message.payload();
    EXPECT_EQ(split, std::string(whole.begin(), whole.end()));
    EXPECT_EQ(publish_size(fields, version), split.size());
    return split;
}

TEST(mqtt_encoder, connack_is_written_in_each_version)  // [MQTT-3.2.2-1]
{
    connack_fields const yes{.session_present = true};
    EXPECT_EQ(written([&](auto& out) { return encode_connack(yes, limits_of(v31), out); }), raw({0x20, 2, 0, 0}));
    EXPECT_EQ(written([&](auto& out) { return encode_connack(yes, limits_of(v4), out); }), raw({0x20, 2, 1, 0}));
    EXPECT_EQ(written([&](auto& out) { return encode_connack(yes, limits_of(v5), out); }), raw({0x20, 3, 1, 0, 0}));
}

TEST(mqtt_encoder, mqtt_3_gets_no_connack_for_reasons_it_has_no_code_for)  // v3 [MQTT-3.2.2-6]
{
    connack_fields const f{.reason = rc::retain_not_supported};
    EXPECT_EQ(written([&](auto& out) { return encode_connack(f, limits_of(v4), out); }), "refused");
    EXPECT_EQ(written([&](auto& out) { return encode_connack(f, limits_of(v5), out); }), raw({0x20, 3, 0, 0x9A, 0}));
}

TEST(mqtt_encoder, connack_carries_every_property)
{
    connack_fields f;
    f.session_expiry_interval_s = 1;
    f.receive_maximum = 2;
    f.maximum_qos = 1;
    f.retain_available = false;
    f.maximum_packet_size = 3;
    f.assigned_client_id = "id";
    f.topic_alias_maximum = 4;
    f.wildcard_subscription_available = true;
    f.subscription_identifier_available = false;
    f.shared_subscription_available = true;
    f.server_keep_alive_s = 5;
    f.response_information = "ri";
    f.server_reference = "sr";
    f.authentication_method = "am";
    f.authentication_data = "ad";
    f.why = {"rs", some_user};
    auto const expected = u8(0x11) + u32(1) + u8(0x21) + u16(2) + raw({0x24, 1, 0x25, 0}) + u8(0x27) + u32(3) +
                          u8(0x12) + text("id") + u8(0x22) + u16(4) + raw({0x28, 1, 0x29, 0, 0x2A, 1}) + u8(0x13) +
                          u16(5) + u8(0x1A) + text("ri") + u8(0x1C) + text("sr") + u8(0x15) + text("am") + u8(0x16) +
                          text("ad") + u8(0x1F) + text("rs") + some_user_bytes;
    EXPECT_EQ(written([&](auto& out) { return encode_connack(f, limits_of(v5), out); }),
              packet_of(0x20, raw({0, 0}) + props(expected)));
}

TEST(mqtt_encoder, item_031_session_present_is_zero_with_every_error)  // [MQTT-3.2.2-6]
{
    connack_fields const f{.session_present = true, .reason = rc::not_authorized};
    EXPECT_EQ(written([&](auto& out) { return encode_connack(f, limits_of(v5), out); }), raw({0x20, 3, 0, 0x87, 0}));
    EXPECT_EQ(written([&](auto& out) { return encode_connack(f, limits_of(v4), out); }), raw({0x20, 2, 0, 5}));
}

TEST(mqtt_encoder, item_011_acknowledgements_of_success_are_short)
{
    for (auto const type : {packet_type::puback, packet_type::pubrec, packet_type::pubrel, packet_type::pubcomp}) {
        auto const first = (static_cast<unsigned>(type) << 4U) | (type == packet_type::pubrel ? 2U : 0U);
        for (auto const version : {v31, v4, v5}) {
            EXPECT_EQ(
                written([&](auto& out) { return encode_ack(type, 0x1234, rc::success, limits_of(version), out); }),
                raw({first, 2, 0x12, 0x34}));
        }
        auto const code = rc::packet_identifier_not_found;
        EXPECT_EQ(written([&](auto& out) { return encode_ack(type, 1, code, limits_of(v5), out); }),
                  raw({first, 3, 0, 1, 0x92}));
        EXPECT_EQ(written([&](auto& out) { return encode_ack(type, 1, code, limits_of(v4), out); }),
                  raw({first, 2, 0, 1}));
    }
}

TEST(mqtt_encoder, item_042_nothing_is_explained_to_clients_that_do_not_want_it)  // [MQTT-3.1.2-29]
{
    auto peer = limits_of(v5);
    peer.problem_information = false;
    explanation const why{"because", some_user};
    rc const codes[]{rc::not_authorized};
    EXPECT_EQ(
        written([&](auto& out) { return encode_ack(packet_type::puback, 1, rc::not_authorized, peer, out, why); }),
        raw({0x40, 3, 0, 1, 0x87}));
    EXPECT_EQ(written([&](auto& out) { return encode_suback(1, codes, peer, out, why); }),
              raw({0x90, 4, 0, 1, 0, 0x87}));
    EXPECT_EQ(written([&](auto& out) { return encode_unsuback(1, codes, peer, out, why); }),
              raw({0xB0, 4, 0, 1, 0, 0x87}));
    auth_fields const auth{.reason = rc::continue_authentication, .authentication_method = "m", .why = why};
    EXPECT_EQ(written([&](auto& out) { return encode_auth(auth, peer, out); }),
              packet_of(0xF0, u8(0x18) + props(u8(0x15) + text("m"))));
    EXPECT_EQ(written([&](auto& out) { return encode_disconnect(rc::protocol_error, peer, out, why); }),
              packet_of(0xE0, u8(0x82) + props(u8(0x1F) + text("because") + some_user_bytes)));
    connack_fields const refused{.reason = rc::banned, .why = why};
    EXPECT_EQ(written([&](auto& out) { return encode_connack(refused, peer, out); }),
              packet_of(0x20, raw({0, 0x8A}) + props(u8(0x1F) + text("because") + some_user_bytes)));
}

// For every Maximum Packet Size from nothing to enough: what is sent fits, and holds as much explanation as fits.
template <class Encode>
void expect_explained_as_far_as_it_fits(Encode&& encode)
{
    std::string whole;
    ASSERT_TRUE(encode(limits_of(v5), explanation{"reason", some_user}, whole));
    std::string bare;
    ASSERT_TRUE(encode(limits_of(v5), explanation{}, bare));
    ASSERT_GT(whole.size(), bare.size() + 20);
    for (std::size_t maximum = 0; maximum <= whole.size(); ++maximum) {
        std::string out;
        bool const sent = encode(limits_of(v5, maximum), explanation{"reason", some_user}, out);
        EXPECT_EQ(sent, maximum >= bare.size()) << maximum;
        EXPECT_LE(out.size(), maximum);
        if (sent && maximum >= bare.size() + 11) {
            EXPECT_NE(out.find("reason"), std::string::npos) << maximum;
        }
        EXPECT_EQ(out == whole, maximum == whole.size());
    }
}

// [MQTT-3.2.2-19, -20, 3.4.2-2, -3, 3.5.2-2, -3, 3.6.2-2, -3, 3.7.2-2, -3, 3.9.2-1, -2, 3.11.2-1, -2]
// [MQTT-3.14.2-3, -4, 3.15.2-2, -3]
TEST(mqtt_encoder, item_043_explanations_are_left_out_where_they_would_not_fit)
{
    expect_explained_as_far_as_it_fits([](peer_limits const& peer, explanation const& why, std::string& out) {
        return encode_connack({.reason = rc::banned, .why = why}, peer, out);
    });
    for (auto const type : {packet_type::puback, packet_type::pubrec, packet_type::pubrel, packet_type::pubcomp}) {
        expect_explained_as_far_as_it_fits([&](peer_limits const& peer, explanation const& why, std::string& out) {
            return encode_ack(type, 7, rc::success, peer, out, why);
        });
    }
    rc const codes[]{rc::granted_qos_1, rc::not_authorized};
    expect_explained_as_far_as_it_fits([&](peer_limits const& peer, explanation const& why, std::string& out) {
        return encode_suback(7, codes, peer, out, why);
    });
    expect_explained_as_far_as_it_fits([&](peer_limits const& peer, explanation const& why, std::string& out) {
        return encode_unsuback(7, codes, peer, out, why);
    });
    expect_explained_as_far_as_it_fits([](peer_limits const& peer, explanation const& why, std::string& out) {
        return encode_disconnect(rc::quota_exceeded, peer, out, why);
    });
    expect_explained_as_far_as_it_fits([](peer_limits const& peer, explanation const& why, std::string& out) {
        return encode_auth({.reason = rc::success, .authentication_method = "m", .why = why}, peer, out);
    });
}

TEST(mqtt_encoder, item_092_suback_has_one_code_per_filter_in_order)  // [MQTT-3.8.4-6, 3.9.3-1]
{
    rc const codes[]{rc::granted_qos_2, rc::topic_filter_invalid, rc::success};
    EXPECT_EQ(written([&](auto& out) { return encode_suback(258, codes, limits_of(v5), out); }),
              raw({0x90, 6, 1, 2, 0, 2, 0x8F, 0}));
    EXPECT_EQ(written([&](auto& out) { return encode_suback(258, codes, limits_of(v4), out); }),
              raw({0x90, 5, 1, 2, 2, 0x80, 0}));
}

TEST(mqtt_encoder, unsuback_has_codes_in_mqtt_5_only)  // [MQTT-3.11.3-1, -2]
{
    rc const codes[]{rc::success, rc::no_subscription_existed};
    EXPECT_EQ(written([&](auto& out) { return encode_unsuback(5, codes, limits_of(v5), out); }),
              raw({0xB0, 5, 0, 5, 0, 0, 0x11}));
    EXPECT_EQ(written([&](auto& out) { return encode_unsuback(5, codes, limits_of(v4), out); }), raw({0xB0, 2, 0, 5}));
}

TEST(mqtt_encoder, pingresp_is_two_bytes)
{
    std::string out;
    encode_pingresp(out);
    EXPECT_EQ(out, raw({0xD0, 0}));
}

TEST(mqtt_encoder, item_117_mqtt_3_clients_never_get_disconnect_or_auth)
{
    EXPECT_EQ(written([](auto& out) { return encode_disconnect(rc::protocol_error, limits_of(v4), out); }), "refused");
    EXPECT_EQ(written([](auto& out) { return encode_auth({}, limits_of(v31), out); }), "refused");
    EXPECT_EQ(written([](auto& out) { return encode_disconnect(rc::protocol_error, limits_of(v5), out); }),
              raw({0xE0, 1, 0x82}));
    EXPECT_EQ(written([](auto& out) { return encode_disconnect(rc::success, limits_of(v5), out); }), raw({0xE0, 0}));
}

TEST(mqtt_encoder, item_121_disconnect_names_another_server)
{
    EXPECT_EQ(
        written([](auto& out) { return encode_disconnect(rc::server_moved, limits_of(v5), out, {}, "other:1883"); }),
        packet_of(0xE0, u8(0x9D) + props(u8(0x1C) + text("other:1883"))));
    EXPECT_EQ(
        written([](auto& out) { return encode_disconnect(rc::server_moved, limits_of(v5, 5), out, {}, "other"); }),
        raw({0xE0, 1, 0x9D}));
}

TEST(mqtt_encoder, a_publish_is_written_in_each_version)  // [MQTT-3.3.2-1, 4.3.1-1]
{
    auto const m = plain_message();
    publish_fields f{.message = *m};
    EXPECT_EQ(publish_bytes(f, v4), packet_of(0x30, text("a/b") + "payload"));
    EXPECT_EQ(publish_bytes(f, v5), packet_of(0x30, text("a/b") + props() + "payload"));
    f.level = qos::exactly_once;
    f.id = 0xBEEF;
    f.duplicate = true;
    f.retain = true;
    EXPECT_EQ(publish_bytes(f, v31), packet_of(0x3D, text("a/b") + u16(0xBEEF) + "payload"));
    EXPECT_EQ(publish_bytes(f, v5), packet_of(0x3D, text("a/b") + u16(0xBEEF) + props() + "payload"));
}

TEST(mqtt_encoder, item_064_properties_are_forwarded_unaltered_and_in_order)  // [MQTT-3.3.2-4, -15..-18, -20]
{
    auto const m = rich_message();
    EXPECT_EQ(publish_bytes({.message = *m}, v5), packet_of(0x30, text("a/b") + props(rich_bytes) + "x"));
    EXPECT_EQ(publish_bytes({.message = *m}, v4), packet_of(0x30, text("a/b") + "x"));
}

TEST(mqtt_encoder, item_074_the_message_expiry_is_what_is_left_and_never_zero)  // [MQTT-3.3.2-6]
{
    auto const m = rich_message(100'000);
    publish_fields f{.message = *m};
    f.now = 40'000;
    EXPECT_EQ(publish_bytes(f, v5), packet_of(0x30, text("a/b") + props(u8(0x02) + u32(60) + rich_bytes) + "x"));
    f.now = 100'001;
    EXPECT_EQ(publish_bytes(f, v5), packet_of(0x30, text("a/b") + props(u8(0x02) + u32(1) + rich_bytes) + "x"));
}

TEST(mqtt_encoder, item_094_all_subscription_identifiers_are_sent)  // [MQTT-3.3.4-3..-5]
{
    auto const m = plain_message();
    std::uint32_t const identifiers[]{1, 128, 268'435'455};
    publish_fields f{.message = *m};
    f.subscription_identifiers = identifiers;
    auto const expected = raw({0x0B, 1, 0x0B, 0x80, 1, 0x0B, 0xFF, 0xFF, 0xFF, 0x7F});
    EXPECT_EQ(publish_bytes(f, v5), packet_of(0x30, text("a/b") + props(expected) + "payload"));
    EXPECT_EQ(publish_bytes(f, v4), packet_of(0x30, text("a/b") + "payload"));
}

TEST(mqtt_encoder, item_115_a_bound_alias_replaces_the_topic)
{
    auto const m = plain_message();
    publish_fields f{.message = *m};
    f.topic_alias = 300;
    EXPECT_EQ(publish_bytes(f, v5), packet_of(0x30, text("a/b") + props(u8(0x23) + u16(300)) + "payload"));
    f.omit_topic = true;
    EXPECT_EQ(publish_bytes(f, v5), packet_of(0x30, text("") + props(u8(0x23) + u16(300)) + "payload"));
    EXPECT_EQ(publish_bytes(f, v4), packet_of(0x30, text("a/b") + "payload")) << "MQTT 3 has no aliases";
}

TEST(mqtt_encoder, item_039_the_size_is_known_before_anything_is_written)  // [MQTT-3.1.2-24]
{
    for (std::size_t const payload : {0U, 100U, 117U, 118U, 119U, 16'371U, 16'372U, 2'097'150U}) {
        auto const m = plain_message("a/b", std::string(payload, 'p'));
        publish_fields const f{.message = *m};
        auto const size = publish_bytes(f, v5).size();
        EXPECT_TRUE(fits(size, limits_of(v5, size)));
        EXPECT_FALSE(fits(size, limits_of(v5, size - 1)));
    }
}

TEST(mqtt_encoder, an_event_name_travels_as_a_user_property)
{
    broker::message_fields fields;
    fields.topic = "t";
    fields.event = "greeting";
    auto const m = broker::message::make(std::move(fields));
    EXPECT_EQ(publish_bytes({.message = *m}, v5), packet_of(0x30, text("t") + props(user("event", "greeting"))));
    EXPECT_EQ(publish_bytes({.message = *m}, v4), packet_of(0x30, text("t")));
}

TEST(mqtt_encoder, shared_frames_are_whole_packets_one_after_the_other)
{
    publish_variants const variants;
    auto const m = plain_message();
    auto const packet = packet_of(0x31, text("a/b") + "payload");
    std::vector<char> run;
    for (int i = 0; i < 2; ++i)
        variants.get(v31, net::wire::framing_kind::plain).encode(*m, true, 0, run);
    EXPECT_EQ(std::string(run.begin(), run.end()), packet + packet);
    EXPECT_EQ(&variants.get(v31, net::wire::framing_kind::plain), &variants.get(v4, net::wire::framing_kind::plain));
}

TEST(mqtt_encoder, item_123_shared_frames_over_websocket_are_binary_and_unmasked)  // [MQTT-6.0.0-1]
{
    publish_variants const variants;
    auto const& variant = variants.get(v5, net::wire::framing_kind::websocket_binary);
    auto const framed = [&](std::size_t payload) {
        auto const m = plain_message("t", std::string(payload, 'p'));
        std::vector<char> run;
        variant.encode(*m, false, 0, run);
        auto const packet = packet_of(0x30, text("t") + props() + std::string(payload, 'p'));
        EXPECT_EQ(std::string(run.end() - static_cast<std::ptrdiff_t>(packet.size()), run.end()), packet);
        return std::pair{std::string(run.begin(), run.end() - static_cast<std::ptrdiff_t>(packet.size())),
                         packet.size()};
    };
    EXPECT_EQ(framed(119), (std::pair{raw({0x82, 125}), std::size_t{125}}));
    EXPECT_EQ(framed(120), (std::pair{raw({0x82, 126, 0, 126}), std::size_t{126}}));
    EXPECT_EQ(framed(65'527).first, raw({0x82, 126, 0xFF, 0xFF}));
    EXPECT_EQ(framed(65'528).first, raw({0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0}));
}

TEST(mqtt_encoder, what_is_encoded_decodes_to_the_same)
{
    auto const m = rich_message(5'000);
    publish_fields f{.message = *m};
    f.level = qos::at_least_once;
    f.id = 12;
    auto const bytes = publish_bytes(f, v5);
    auto const d = decode(span_of(bytes), v5, {});
    ASSERT_EQ(d.status, decode_status::complete) << d.error.text();
    auto const& p = std::get<publish_packet>(d.content);
    EXPECT_EQ(p.topic, "a/b");
    EXPECT_EQ(p.id, 12);
    EXPECT_EQ(p.payload, "x");
    EXPECT_EQ(p.properties.content_type, "text/plain");
    EXPECT_EQ(p.properties.message_expiry_interval_s, 5U);
    EXPECT_EQ(p.properties.user.size(), 3U);
}

}  // namespace
}  // namespace fulmar::mqtt
