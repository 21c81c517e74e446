// Broken packets and how connections end. Item numbers are those of the checklist in docs/protocols/mqtt.md.
#include "frontends/mqtt/protocol.hpp"
#include "tests/support/packet_script.hpp"

#include <gtest/gtest.h>

namespace fulmar::test {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;

struct broken_packet
{
    char const* what;
    std::string bytes;
    std::vector<int> codes;  // any of them, in v5
    bool in_v3 = true;       // just as broken in MQTT 3.1.1
};

struct broken_packets : testing::TestWithParam<broken_packet>
{
};

TEST_P(broken_packets, items_001_016_close_with_the_code_in_v5_and_silently_in_v3)  // [MQTT-4.13.1-1]
{
    auto const& row = GetParam();
    mqtt_test_broker broker;
    packet_script watcher{broker};
    watcher.connects(connect("watcher")).subscribes("#", 0);
    packet_script client{broker};
    client.connects(connect("c")).sends_bytes(row.bytes + publish("behind", "x").bytes(mqtt_v5));
    auto const answer = client.next();
    EXPECT_EQ(answer.type, packet_type::disconnect) << row.what;
    EXPECT_NE(std::find(row.codes.begin(), row.codes.end(), answer.reason), row.codes.end())
        << row.what << ": " << int{answer.reason};
    client.expects_closed();
    if (row.in_v3) {
        packet_script old{broker, mqtt_v311};
        old.connects(connect("o")).sends_bytes(row.bytes).expects_closed();
    }
    watcher.expects_nothing();
    EXPECT_EQ(broker.reports.size(), row.in_v3 ? 2U : 1U);
    EXPECT_EQ(broker.metrics().protocol_errors.get(), row.in_v3 ? 2U : 1U);
}

INSTANTIATE_TEST_SUITE_P(
    error_protocol, broken_packets,
    testing::Values(
        broken_packet{"1: reserved flags of PUBACK", "\x41\2\0\1"s, {0x81}},
        broken_packet{"1: reserved flags of PINGREQ", "\xC1\0"s, {0x81}},
        broken_packet{"2: PUBREL without its flags", "\x60\2\0\1"s, {0x81}},
        broken_packet{"2: SUBSCRIBE without its flags", "\x80\6\0\1\0\0\1a"s, {0x81}},
        broken_packet{"2: UNSUBSCRIBE without its flags", "\xA0\6\0\1\0\0\1a"s, {0x81}},
        broken_packet{"3: DISCONNECT with flags", "\xE1\0"s, {0x81}},
        broken_packet{"3: AUTH with flags", "\xF1\0"s, {0x81}}, broken_packet{"4: type 0", "\0\0"s, {0x81}},
        broken_packet{"4: a packet only servers send", "\x20\2\0\0"s, {0x82}},
        broken_packet{"5: a length of five bytes", "\x30\xFF\xFF\xFF\xFF\1"s, {0x81}},
        broken_packet{"5: an over-long length", "\xC0\x80\0"s, {0x81}},
        broken_packet{"6: bytes behind the last field", "\xC0\1x"s, {0x81}},
        broken_packet{"6: a topic that runs past the end", "\x30\3\0\5a"s, {0x81}},
        broken_packet{"7: a surrogate", "\x30\6\0\3\xED\xA0\x80\0"s, {0x81}},
        broken_packet{"7: over-long UTF-8", "\x30\5\0\2\xC0\x80\0"s, {0x81}},
        broken_packet{"8: U+0000", "\x30\5\0\2a\0\0"s, {0x81}},
        broken_packet{"10: a user property that is not UTF-8", "\x30\x0A\0\1a\6\x26\0\1k\0\1\xFF"s, {0x81}, false},
        broken_packet{"11: no property length", "\x30\3\0\1a"s, {0x81}, false},
        broken_packet{"12: an unknown property", "\x30\6\0\1a\2\x7F\0"s, {0x81}, false},
        broken_packet{"12: a property of another packet", "\x30\x09\0\1a\5\x11\0\0\0\1"s, {0x81, 0x82}, false},
        broken_packet{"13: a repeated property", "\x30\x08\0\1a\4\1\1\1\1"s, {0x82}, false},
        broken_packet{"14: a boolean of 2", "\x30\6\0\1a\2\1\2"s, {0x82}, false},
        broken_packet{"16: packet identifier 0", "\x32\6\0\1a\0\0\0"s, {0x81, 0x82}},
        broken_packet{"116: a DISCONNECT code of servers", "\xE0\1\x8E"s, {0x81, 0x82}, false}));

TEST(error_protocol, item_009_a_byte_order_mark_is_kept)  // [MQTT-1.5.4-3]
{
    mqtt_test_broker broker;
    packet_script client{broker};
    client.connects(connect("c"))
        .subscribes(
            "\xEF\xBB\xBF"
            "a",
            0);
    client
        .sends(publish("\xEF\xBB\xBF"
                       "a",
                       "x"))
        .expects(publish("\xEF\xBB\xBF"
                         "a",
                         "x"));
}

TEST(error_protocol, item_011_short_forms_are_accepted)  // [MQTT-2.2.2-1]
{
    mqtt_test_broker broker;
    packet_script client{broker};
    client.connects(connect("c"));
    client.sends_bytes("\x62\2\0\1"s).expects(pubcomp(1, reason_code::packet_identifier_not_found));
    client.sends_bytes("\x62\3\0\1\0"s).expects(pubcomp(1, reason_code::packet_identifier_not_found));
    client.sends_bytes("\xE0\1\0"s).expects_closed();
}

TEST(error_protocol, items_014_015_impossible_connect_properties_are_refused)
{
    mqtt_test_broker broker;
    for (auto const property : {property_id::receive_maximum, property_id::maximum_packet_size}) {
        packet_script client{broker};
        client.sends(connect("c").with(property, std::uint32_t{0}))
            .expects(connack(reason_code::protocol_error))
            .expects_closed();
    }
    packet_script client{broker};
    client.sends(connect("c").with(property_id::request_problem_information, 2))
        .expects(connack(reason_code::protocol_error))
        .expects_closed();
}

TEST(error_protocol, packets_may_arrive_byte_by_byte)
{
    mqtt_test_broker broker;
    packet_script client{broker};
    auto const everything = connect("c").bytes(mqtt_v5) + subscribe(1, {{"a", 0}}).bytes(mqtt_v5) +
                            publish("a", "x").qos1(2).bytes(mqtt_v5);
    for (auto const byte : everything)
        client.sends_bytes({&byte, 1});
    client.expects(connack(success))
        .expects(suback(1, {0}))
        .expects(publish("a", "x"))
        .expects(puback(2))
        .expects_nothing();
    EXPECT_EQ(client.connection().kept_bytes(), 0U);
}

TEST(error_protocol, item_116_nothing_is_done_after_disconnect)  // [MQTT-3.14.4-1, -2]
{
    mqtt_test_broker broker;
    packet_script watcher{broker}, client{broker};
    watcher.connects(connect("watcher")).subscribes("#", 0);
    client.connects(connect("c"))
        .sends_bytes(disconnect().bytes(mqtt_v5) + publish("a", "x").bytes(mqtt_v5))
        .expects_closed();
    watcher.expects_nothing();
}

TEST(error_protocol, item_117_kicked_clients_are_told_in_v5_and_closed_in_v3)
{
    mqtt_test_broker broker;
    packet_script client{broker}, old{broker, mqtt_v311};
    client.connects(connect("c"));
    old.connects(connect("o"));
    broker.shard().sessions().kick(broker::default_app, "c", true);
    broker.shard().sessions().kick(broker::default_app, "o", true);
    client.expects(disconnect(reason_code::administrative_action)).expects_closed();
    old.expects_closed();
}

TEST(error_protocol, item_121_a_draining_broker_says_goodbye_and_names_its_successor)
{
    mqtt_test_broker plain;
    packet_script client{plain}, old{plain, mqtt_v311}, late{plain};
    client.connects(connect("c"));
    old.connects(connect("o"));
    plain.drain();
    client.expects(disconnect(reason_code::server_shutting_down)).expects_closed();
    old.expects_closed();
    late.sends(connect("l"));
    EXPECT_EQ(late.next().reason, 0x88);
    late.expects_closed();

    mqtt_test_options options;
    options.settings.redirect = mqtt::redirection::when_draining;
    options.settings.server_reference = "b.example";
    mqtt_test_broker moving{options};
    packet_script moved{moving};
    moved.connects(connect("m"));
    moving.drain();
    moved.expects(disconnect(reason_code::use_another_server).with(property_id::server_reference, "b.example"))
        .expects_closed();
}

TEST(error_protocol, an_idle_connection_is_small) { EXPECT_LE(sizeof(mqtt::protocol), 250U); }

TEST(error_protocol, a_broken_peer_disturbs_nobody_else)
{
    mqtt_test_broker broker;
    packet_script good{broker};
    good.connects(connect("good")).subscribes("a", 1);
    for (int byte = 0; byte < 256; ++byte) {
        packet_script bad{broker};
        bad.connects(connect("bad")).sends_bytes(std::string(40, static_cast<char>(byte)));
    }
    good.sends(publish("a", "x").qos1(1));
    good.expects(publish("a", "x").qos1(1)).expects(puback(1)).expects_nothing();
}

}  // namespace
}  // namespace fulmar::test
