// SUBSCRIBE, UNSUBSCRIBE, matching and retained messages. Item numbers are those of the checklist in
// docs/protocols/mqtt.md.
#include "tests/support/packet_script.hpp"

#include <gtest/gtest.h>

namespace fulmar::test {
namespace {

using namespace std::chrono_literals;
using levels = std::vector<std::uint8_t>;

struct subscribe_protocol : testing::Test
{
    mqtt_test_broker broker;
    packet_script client{broker};
    packet_script publisher{broker};

    void SetUp() override
    {
        client.connects(connect("client"));
        publisher.connects(connect("publisher"));
    }
};

TEST_F(subscribe_protocol,
       item_076_retained_messages_are_replaced_and_deleted_by_an_empty_payload)  // [MQTT-3.3.1-5..-8]
{
    publisher.sends(publish("a", "1").retained()).sends(publish("a", "2").retained()).sends(publish("a", "3"));
    client.subscribes("a", 0).expects(publish("a", "2").retained()).expects_nothing();
    publisher.sends(publish("a", "").retained());
    client.expects(publish("a", ""));  // delivered live, never stored
    packet_script late{broker};
    late.connects(connect("late")).subscribes("a", 0).expects_nothing();
    EXPECT_EQ(broker.retained().size(), 0U);
    EXPECT_TRUE(broker.store.retained().empty());
}

TEST_F(subscribe_protocol, item_077_retain_handling_decides_when_retained_messages_are_sent)  // [MQTT-3.3.1-9..-11]
{
    publisher.sends(publish("a", "r").retained());
    client.subscribes("a", retained_never).expects_nothing();
    client.subscribes("a", retained_if_new).expects_nothing();  // that filter exists
    client.subscribes("a", 0).expects(publish("a", "r").retained());
    client.subscribes("a", 0).expects(publish("a", "r").retained());
    client.subscribes("+", retained_if_new).expects(publish("a", "r").retained()).expects_nothing();

    packet_script durable{broker};
    durable.connects(connect("d").expiry(100))
        .subscribes("a", 1 | retained_if_new)
        .expects(publish("a", "r").retained());
    durable.loses_connection();
    packet_script back{broker};
    back.connects(connect("d").resuming().expiry(100)).subscribes("a", 1 | retained_if_new).expects_nothing();
}

TEST_F(subscribe_protocol, item_078_retain_as_published_keeps_the_flag_of_live_messages)  // [MQTT-3.3.1-12, -13]
{
    client.subscribes("keep", as_published).subscribes("clear", 0);
    publisher.sends(publish("keep", "1").retained())
        .sends(publish("clear", "2").retained())
        .sends(publish("keep", "3"));
    client.expects(publish("keep", "1").retained()).expects(publish("clear", "2")).expects(publish("keep", "3"));
    packet_script late{broker};
    late.connects(connect("late")).subscribes("clear", 0).expects(publish("clear", "2").retained());
}

TEST_F(subscribe_protocol, item_079_shared_subscriptions_get_no_retained_messages)
{
    publisher.sends(publish("a", "r").retained());
    client.subscribes("$share/g/a", 0).expects_nothing();
}

TEST_F(subscribe_protocol, item_080_retained_messages_come_at_the_lower_of_both_levels)  // [MQTT-3.8.4-8]
{
    publisher.sends(publish("a", "r").qos1(1).retained()).expects(puback(1, reason_code::no_matching_subscribers));
    for (std::uint8_t granted = 0; granted <= 2; ++granted) {
        packet_script late{broker};
        late.connects(connect("late")).subscribes("a", granted);
        auto const seen = late.next();
        EXPECT_EQ(seen.level, std::min<int>(granted, 1));
        EXPECT_TRUE(seen.retain);
    }
}

TEST_F(subscribe_protocol, item_081_a_retained_copy_never_follows_a_newer_live_message)
{
    publisher.sends(publish("a", "old").retained());
    client.connection().block();
    client.sends(subscribe(1, {{"a", 0}}));
    publisher.sends(publish("a", "new").retained());
    client.connection().unblock();
    client.expects(suback(1, {0}));
    std::string last;
    for (auto const& text : client.everything())
        last = text;
    EXPECT_NE(last.find("\"new\""), std::string::npos) << last;
}

TEST_F(subscribe_protocol, item_082_a_wildcard_over_many_retained_messages_is_paged)
{
    constexpr int topics = 5000;
    for (int i = 0; i < topics; ++i)
        publisher.sends(publish("many/" + std::to_string(i), "r").retained());
    client.sends(subscribe(1, {{"many/#", 1}})).expects(suback(1, {1}));
    EXPECT_EQ(client.everything().size(), static_cast<std::size_t>(topics));
    packet_script stuck{broker};
    stuck.connects(connect("stuck"));
    stuck.connection().block();
    stuck.sends(subscribe(1, {{"many/#", 0}})).expects(suback(1, {0}));
    EXPECT_LE(stuck.everything().size(), static_cast<std::size_t>(topics));
}

TEST_F(subscribe_protocol, item_083_retained_replay_obeys_permissions_and_expiry)
{
    publisher.sends(publish("secret", "s").retained())
        .sends(publish("short", "x").retained().with(property_id::message_expiry_interval, 10));
    broker.authenticator.rules.no_receive = {"secret"};
    packet_script reader{broker};
    reader.connects(connect("reader")).subscribes("#", 0);
    reader.expects(publish("short", "x").retained().with(property_id::message_expiry_interval, 10)).expects_nothing();
    broker.advance(11s);
    reader.subscribes("short", 0).expects_nothing();
}

TEST_F(subscribe_protocol, items_084_085_malformed_requests_close)  // [MQTT-3.8.3-2, -5, 3.10.3-2]
{
    auto const closes = [&](protocol_version version, std::string const& bytes, std::vector<int> const& codes) {
        packet_script peer{broker, version};
        peer.connects(connect("peer")).sends_bytes(bytes);
        if (version == mqtt_v5) {
            auto const answer = peer.next();
            EXPECT_EQ(answer.type, packet_type::disconnect);
            EXPECT_NE(std::find(codes.begin(), codes.end(), answer.reason), codes.end()) << int{answer.reason};
        }
        peer.expects_closed();
    };
    for (auto const version : {mqtt_v5, mqtt_v311}) {
        closes(version, subscribe(1, {}).bytes(version), {0x81, 0x82});
        closes(version, unsubscribe(1, {}).bytes(version), {0x81, 0x82});
        closes(version, subscribe(1, {{"a", 3}}).bytes(version), {0x81, 0x82});  // QoS 3
        closes(version, subscribe(1, {{"a", 0x40}}).bytes(version), {0x81});     // reserved bits
        closes(version, subscribe(0, {{"a", 0}}).bytes(version), {0x81, 0x82});
    }
    closes(mqtt_v5, subscribe(1, {{"a", 0x30}}).bytes(mqtt_v5), {0x82, 0x81});  // Retain Handling 3
    closes(mqtt_v311, subscribe(1, {{"a", no_local}}).bytes(mqtt_v311), {});
}

TEST_F(subscribe_protocol, items_086_092_one_code_per_filter_in_order)  // [MQTT-4.7.1-1, -2, 3.8.4-5, -6, 3.9.3-1]
{
    auto const asked = [] {
        return subscribe(
            9, {{"ok", 2}, {"a/#/b", 0}, {"a#", 0}, {"a/b+", 1}, {"also/+/ok/#", 1}, {"+a", 0}, {"", 0}, {"/", 0}});
    };
    client.sends(asked()).expects(suback(9, {2, 0x8F, 0x8F, 0x8F, 1, 0x8F, 0x8F, 0}));
    packet_script old{broker, mqtt_v311};
    old.connects(connect("old"))
        .sends(subscribe(9, {{"ok", 2}, {"a/#/b", 0}, {"/", 1}}))
        .expects(suback(9, {2, 0x80, 1}));
    client.sends(subscribe(10, {{"a#", 0}})).expects(suback(10, {0x8F}));
}

TEST_F(subscribe_protocol, items_087_088_089_matching_follows_the_levels_exactly)  // [MQTT-4.7.1, 4.7.2-1, 4.7.3-4]
{
    struct row
    {
        char const* filter;
        char const* topic;
        bool matches;
    };
    for (auto const& [filter, topic, matches] : std::vector<row>{{"sport/#", "sport", true},
                                                                 {"sport/+", "sport", false},
                                                                 {"sport/+", "sport/", true},
                                                                 {"+/+", "/finance", true},
                                                                 {"/+", "/finance", true},
                                                                 {"+", "/finance", false},
                                                                 {"a//b", "a/b", false},
                                                                 {"a/+/b", "a//b", true},
                                                                 {"A", "a", false},
                                                                 {"a", "a/", false},
                                                                 {"\xC3\xA9", "e\xCC\x81", false},
                                                                 {"\xEF\xBB\xBF"
                                                                  "a",
                                                                  "a", false},
                                                                 {"#", "a/b/c", true}}) {
        packet_script one{broker};
        one.connects(connect("one")).subscribes(filter, 0);
        publisher.sends(publish(topic, "x"));
        EXPECT_EQ(one.everything().size(), matches ? 1U : 0U) << filter << " " << topic;
    }
}

TEST_F(subscribe_protocol, item_090_deep_and_long_topics_are_refused_not_crashed_on)  // [MQTT-4.7.3-3]
{
    std::string deep(3000, '/');
    client.sends(subscribe(1, {{deep, 0}})).expects(suback(1, {0x8F}));
    packet_script peer{broker};
    peer.connects(connect("peer")).sends(publish(deep, "x"));
    EXPECT_EQ(peer.next().reason, 0x90);
    std::string const longest(65'535, 'x');
    client.subscribes(longest, 0);
    publisher.sends(publish(longest, "x"));
    client.expects(publish(longest, "x"));
}

TEST_F(subscribe_protocol, item_091_subscribing_again_replaces_the_options)  // [MQTT-3.8.4-3]
{
    client.subscribes("a", 2).subscribes("a", 0 | no_local).subscribes("$share/g/a", 1);
    publisher.sends(publish("a", "x").qos1(1)).expects(puback(1));
    client.sends(publish("a", "own"));
    auto const seen = client.everything();
    // The plain one at QoS 0 without own messages, the shared one at QoS 1 with them.
    EXPECT_EQ(std::count(seen.begin(), seen.end(), publish("a", "x").text(mqtt_v5)), 1) << testing::PrintToString(seen);
    EXPECT_EQ(std::count(seen.begin(), seen.end(), publish("a", "x").qos1(1).text(mqtt_v5)), 1)
        << testing::PrintToString(seen);
    EXPECT_EQ(std::count(seen.begin(), seen.end(), publish("a", "own").text(mqtt_v5)), 1)
        << testing::PrintToString(seen);
}

TEST_F(subscribe_protocol, item_093_overlapping_subscriptions_give_one_copy_with_the_highest_level)  // [MQTT-3.3.4-2]
{
    client.sends(subscribe(1, {{"a/#", 0}, {"a/+", 2}, {"a/b", 1}})).expects(suback(1, {0, 2, 1}));
    publisher.sends(publish("a/b", "x").qos2(1)).expects(pubrec(1));
    client.expects(publish("a/b", "x").qos2(1)).expects_nothing();
}

TEST_F(subscribe_protocol, item_094_subscription_identifiers_come_with_each_match)  // [MQTT-3.3.4-3..-5]
{
    auto const id = property_id::subscription_identifier;
    client.sends(subscribe(1, {{"a/#", 0}}).with(id, 7)).sends(subscribe(2, {{"a/+", 0}}).with(id, 268'435'455));
    client.sends(subscribe(3, {{"a/b", 0}})).everything();
    publisher.sends(publish("a/b", "x"));
    auto const seen = client.next();
    EXPECT_EQ(seen.properties.size(), 2U) << seen.text(mqtt_v5);
    client.sends(subscribe(4, {{"a/#", 0}}).with(id, 8)).expects(suback(4, {0}));
    publisher.sends(publish("a", "y"));
    client.expects(publish("a", "y").with(id, 8)).expects_nothing();
    packet_script zero{broker}, huge{broker};
    zero.connects(connect("zero"))
        .sends(subscribe(1, {{"a", 0}}).with(id, std::uint32_t{0}))
        .expects(disconnect(reason_code::protocol_error));
    huge.connects(connect("huge"))
        .sends_bytes(raw_packet(0x82, std::string{"\0\1\6\x0B\x80\x80\x80\x80\1\0\1a\0", 13}));
    EXPECT_EQ(huge.next().reason, 0x81);
}

TEST_F(subscribe_protocol, item_094_identifiers_survive_with_the_session)
{
    packet_script durable{broker};
    durable.connects(connect("d").expiry(100))
        .sends(subscribe(1, {{"a", 1}}).with(property_id::subscription_identifier, 5));
    durable.expects(suback(1, {1})).loses_connection();
    publisher.sends(publish("a", "x").qos1(1)).expects(puback(1));
    packet_script back{broker};
    back.connects(connect("d").resuming().expiry(100));
    back.expects(publish("a", "x").qos1(1).with(property_id::subscription_identifier, 5));
}

TEST_F(subscribe_protocol, item_095_no_local_goes_by_client_id_also_for_queued_and_retained)  // [MQTT-3.8.3-3]
{
    packet_script self{broker};
    self.connects(connect("self").expiry(100)).subscribes("a", 1 | no_local);
    self.sends(publish("a", "own").qos1(1).retained());
    self.expects(puback(1)).expects_nothing();
    publisher.sends(publish("a", "other").qos1(1)).expects(puback(1));
    self.expects(publish("a", "other").qos1(1)).sends(puback(1)).loses_connection();
    packet_script again{broker};
    again.connects(connect("self").resuming().expiry(100)).subscribes("a", 1 | no_local).expects_nothing();
    again.sends(publish("a", "own again").qos1(2)).expects(puback(2)).expects_nothing();
}

TEST_F(subscribe_protocol, item_099_unsubscribe_compares_characters_and_says_what_did_not_exist)  // [MQTT-3.10.4-1..-3]
{
    client.subscribes("a/+", 1);
    client.sends(unsubscribe(1, {"a/b", "a/+", "A/+", "a/#/b"})).expects(unsuback(1, {0x11, 0, 0x11, 0x8F}));
    publisher.sends(publish("a/b", "x"));
    client.expects_nothing();
    packet_script old{broker, mqtt_v311};
    old.connects(connect("old")).sends(unsubscribe(1, {"never"})).expects(unsuback(1, {}));
}

TEST_F(subscribe_protocol, item_099_what_is_in_flight_completes_after_unsubscribe)
{
    client.subscribes("a", 2);
    publisher.sends(publish("a", "x").qos2(1)).expects(pubrec(1));
    client.expects(publish("a", "x").qos2(1)).sends(unsubscribe(1, {"a"})).expects(unsuback(1, {0}));
    client.sends(pubrec(1)).expects(pubrel(1)).sends(pubcomp(1)).expects_nothing();
}

TEST_F(subscribe_protocol, item_100_nothing_published_after_suback_is_missed_on_any_shard)
{
    mqtt_test_broker many{{.shards = 3}};
    packet_script here{many, mqtt_v5, 0}, there{many, mqtt_v5, 2};
    here.connects(connect("here")).subscribes("a/+", 1);
    there.connects(connect("there")).sends(publish("a/b", "x").qos1(1)).expects(puback(1));
    here.expects(publish("a/b", "x").qos1(1));
}

TEST_F(subscribe_protocol, item_101_denied_filters_are_refused_one_by_one_and_nothing_leaks_through_wildcards)
{
    broker.authenticator.rules.no_subscribe = {"secret"};
    broker.authenticator.rules.no_receive = {"secret"};
    packet_script reader{broker}, old{broker, mqtt_v311};
    reader.connects(connect("reader")).sends(subscribe(1, {{"a", 1}, {"secret", 1}, {"#", 0}, {"$share/g/secret", 0}}));
    reader.expects(suback(1, {1, 0x87, 0, 0x87}));
    old.connects(connect("old")).sends(subscribe(1, {{"secret", 1}, {"#", 0}})).expects(suback(1, {0x80, 0}));
    publisher.sends(publish("secret", "x")).sends(publish("b", "y"));
    reader.expects(publish("b", "y")).expects_nothing();
    old.expects(publish("b", "y")).expects_nothing();
}

TEST_F(subscribe_protocol, too_many_subscriptions_are_refused_with_quota_exceeded)
{
    mqtt_test_options options;
    options.limits.subscriptions_per_session = 2;
    mqtt_test_broker small{options};
    packet_script one{small};
    one.connects(connect("one"))
        .sends(subscribe(1, {{"a", 0}, {"b#", 0}, {"b", 0}, {"c", 0}, {"a", 1}}))
        .expects(suback(1, {0, 0x8F, 0, 0x97, 1}));
}

}  // namespace
}  // namespace fulmar::test
