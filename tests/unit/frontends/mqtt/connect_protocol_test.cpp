// CONNECT and CONNACK. Item numbers are those of the checklist in docs/protocols/mqtt.md.
#include "tests/support/packet_script.hpp"

#include <gtest/gtest.h>

namespace fulmar::test {
namespace {

using namespace std::chrono_literals;

std::string v5_connect_body(std::uint8_t flags, std::string_view rest)
{
    return std::string{"\0\4MQTT\5", 7} + static_cast<char>(flags) + std::string{"\0\0\0", 3}.append(rest);
}

TEST(connect_protocol, item_018_anything_but_connect_first_closes_without_a_word)  // [MQTT-3.1.0-1, 3.14.0-1]
{
    mqtt_test_broker broker;
    for (auto const& first : {publish("a", "x"), pingreq(), subscribe(1, {{"a", 0}}), disconnect()}) {
        packet_script client{broker};
        client.sends(first).expects_closed();
    }
    EXPECT_EQ(broker.reports.size(), 4U);
}

TEST(connect_protocol, item_019_second_connect_is_a_protocol_error_and_fires_the_will)  // [MQTT-3.1.0-2]
{
    mqtt_test_broker broker;
    packet_script watcher{broker};
    watcher.connects(connect("watcher")).subscribes("will", 0);
    packet_script client{broker};
    client.connects(connect("c").will("will", "gone"));
    client.sends(connect("c")).expects(disconnect(reason_code::protocol_error)).expects_closed();
    watcher.expects(publish("will", "gone"));

    packet_script old{broker, mqtt_v311};
    old.connects(connect("d").will("will", "gone too")).sends(connect("d")).expects_closed();
    watcher.expects(publish("will", "gone too"));
}

TEST(connect_protocol, item_020_no_connect_within_ten_seconds_closes)
{
    mqtt_test_broker broker;
    packet_script silent{broker};
    packet_script slow{broker};
    slow.sends_bytes(connect("c").bytes(mqtt_v5).substr(0, 9));
    broker.advance(9'900ms);
    silent.expects_nothing();
    slow.expects_nothing();
    broker.advance(200ms);
    silent.expects_closed();
    slow.expects_closed();
}

TEST(connect_protocol, item_020_an_authenticator_that_does_not_answer_does_not_hold_the_connection)
{
    mqtt_test_broker broker;
    broker.authenticator.held = true;
    packet_script client{broker};
    client.sends(connect("c")).expects_nothing();
    broker.advance(10'100ms);
    client.expects(connack(reason_code::server_unavailable)).expects_closed();
    broker.authenticator.answer_all();  // too late: nobody is there
    broker.settle();
}

TEST(connect_protocol, item_021_unknown_protocol_levels_are_refused_in_a_known_format)  // [MQTT-3.1.2-1, -2]
{
    mqtt_test_broker broker;
    packet_script later{broker, mqtt_v5};
    later.sends_bytes(raw_packet(0x10, std::string{"\0\4MQTT\6\2\0\0\0\0\1c", 14}))
        .expects(connack(reason_code::unsupported_protocol_version));
    later.expects_closed();
    packet_script unknown{broker};
    unknown.sends_bytes(raw_packet(0x10, std::string{"\0\4XMPP\5\2\0\0\0\0\1c", 14}));
    auto const answer = unknown.everything();
    EXPECT_TRUE(answer.empty() ||
                answer == std::vector<std::string>{connack(reason_code::unsupported_protocol_version).text(mqtt_v5)});
    unknown.expects_closed();
}

TEST(connect_protocol, item_022_name_and_level_must_belong_together)  // [v3 MQTT-3.1.2-2]
{
    mqtt_test_broker broker;
    packet_script v31{broker, mqtt_v31};
    v31.connects(connect("c31"));
    packet_script mixed{broker, mqtt_v311};
    mixed.sends_bytes(raw_packet(0x10, std::string{"\0\4MQTT\3\2\0\0\0\1c", 13}));
    EXPECT_FALSE(mixed.connection().open());
    packet_script other{broker, mqtt_v311};
    other.sends_bytes(raw_packet(0x10, std::string{"\0\6MQIsdp\4\2\0\0\0\1c", 15}));
    EXPECT_FALSE(other.connection().open());
    EXPECT_EQ(broker.metrics().connect_failures.get(), 2U);
}

TEST(connect_protocol, items_023_024_reserved_and_contradicting_flags_are_malformed)  // [MQTT-3.1.2-3, -11..-13]
{
    mqtt_test_broker broker;
    for (unsigned const flags :
         {0x03U, 0x0AU, 0x22U, 0x1EU}) {  // reserved; will QoS or retain without will; will QoS 3
        packet_script client{broker};
        client.sends_bytes(
            raw_packet(0x10, v5_connect_body(static_cast<std::uint8_t>(flags), std::string{"\0\1c\0\0\1w\0\1x", 10})));
        client.expects(connack(reason_code::malformed_packet)).expects_closed();
        packet_script old{broker, mqtt_v311};
        old.sends_bytes(raw_packet(
            0x10, std::string{"\0\4MQTT\4", 7} + static_cast<char>(flags) + std::string{"\0\0\0\1c\0\1w\0\1x", 11}));
        old.expects_closed();
    }
}

TEST(connect_protocol,
     item_025_v5_takes_a_password_without_a_user_name_and_v3_does_not)  // [MQTT-3.1.2-16..-19, v3 3.1.2-22]
{
    mqtt_test_broker broker;
    auto only_password = connect("c");
    only_password.password = "secret";
    packet_script client{broker};
    client.connects(only_password);
    packet_script old{broker, mqtt_v311};
    old.sends(only_password).expects_closed();
}

TEST(connect_protocol, item_026_an_empty_client_id_is_assigned_one_where_the_version_allows_it)  // [MQTT-3.1.3-6..-8]
{
    mqtt_test_broker broker;
    packet_script clean{broker};
    EXPECT_NE(clean.sends(connect("")).next().find(property_id::assigned_client_identifier), nullptr);
    packet_script resuming{broker};
    EXPECT_NE(resuming.sends(connect("").resuming()).next().find(property_id::assigned_client_identifier), nullptr);
    packet_script old{broker, mqtt_v311};
    old.connects(connect(""));
    packet_script old_resuming{broker, mqtt_v311};
    old_resuming.sends(connect("").resuming());
    auto refused = old_resuming.next();
    EXPECT_EQ(refused.reason, 2U);  // identifier rejected [v3 MQTT-3.1.3-8]
    old_resuming.expects_closed();
}

TEST(connect_protocol, item_026_empty_client_ids_can_be_forbidden)
{
    mqtt_test_options options;
    options.settings.allow_zero_length_client_id = false;
    mqtt_test_broker broker{options};
    packet_script client{broker};
    client.sends(connect("")).expects(connack(reason_code::client_identifier_not_valid)).expects_closed();
}

TEST(connect_protocol, item_027_assigned_ids_differ_and_are_told_only_to_those_who_need_one)  // [MQTT-3.2.2-16]
{
    mqtt_test_broker broker;
    packet_script one{broker}, two{broker}, named{broker};
    auto const first = one.sends(connect("")).next().find(property_id::assigned_client_identifier)->text;
    auto const second = two.sends(connect("")).next().find(property_id::assigned_client_identifier)->text;
    EXPECT_NE(first, second);
    EXPECT_EQ(first.substr(0, 7), "fulmar-");
    EXPECT_EQ(first.size(), 7U + 32U);
    EXPECT_EQ(named.sends(connect("mine")).next().find(property_id::assigned_client_identifier), nullptr);
}

TEST(connect_protocol, item_028_long_and_unusual_client_ids_work)  // [MQTT-3.1.3-5]
{
    mqtt_test_broker broker;
    for (auto const& id :
         {std::string{"aZ0123456789012345678901"}, std::string(300, 'x'), std::string{"Gerät #1/+ .*>"}}) {
        packet_script client{broker};
        client.connects(connect(id));
        packet_script old{broker, mqtt_v311};
        old.connects(connect(id + "3"));
    }
}

TEST(connect_protocol, item_029_packets_behind_connect_are_processed_in_order_after_success)  // [MQTT-3.1.4-6]
{
    mqtt_test_broker broker;
    broker.authenticator.held = true;
    packet_script client{broker};
    client.sends_bytes(connect("c").bytes(mqtt_v5) + subscribe(1, {{"a", 1}}).bytes(mqtt_v5) +
                       publish("a", "x").qos1(2).bytes(mqtt_v5) + pingreq().bytes(mqtt_v5).substr(0, 1));
    client.expects_nothing();
    EXPECT_TRUE(client.connection().paused());
    broker.authenticator.answer_all();
    client.expects(connack(success))
        .expects(suback(1, {1}))
        .expects(publish("a", "x").qos1(1))
        .expects(puback(2))
        .expects_nothing();
    EXPECT_FALSE(client.connection().paused());
    client.sends_bytes(pingreq().bytes(mqtt_v5).substr(1)).expects(pingresp());
}

TEST(connect_protocol, item_029_nothing_behind_a_refused_connect_is_processed)
{
    mqtt_test_broker broker;
    broker.authenticator.passwords = {{"u", "right"}};
    packet_script watcher{broker};
    watcher.connects(connect("w").login("u", "right")).subscribes("#", 0);
    for (bool const held : {false, true}) {
        broker.authenticator.held = held;
        packet_script client{broker};
        client.sends_bytes(connect("c").login("u", "wrong").will("a", "will").bytes(mqtt_v5) +
                           publish("a", "x").retained().bytes(mqtt_v5));
        broker.authenticator.answer_all();
        client.expects(connack(reason_code::bad_user_name_or_password)).expects_closed();
    }
    watcher.expects_nothing();
    EXPECT_EQ(broker.retained().size(), 0U);
}

TEST(connect_protocol, items_031_032_refusals_carry_no_session_present_and_close)  // [MQTT-3.2.2-6, -7]
{
    mqtt_test_broker broker;
    packet_script first{broker};
    first.connects(connect("c").resuming().expiry(100)).sends(disconnect()).expects_closed();
    broker.authenticator.unavailable = broker::errc::authentication_unavailable;
    packet_script again{broker};
    auto const answer = again.sends(connect("c").resuming().expiry(100)).next();
    EXPECT_TRUE(mqtt::is_error(static_cast<reason_code>(answer.reason)));
    EXPECT_FALSE(answer.session_present);
    again.expects_closed();
}

TEST(connect_protocol, item_036_a_capped_session_expiry_is_told)
{
    mqtt_test_options options;
    options.limits.session_expiry_max_s = 3600;
    mqtt_test_broker broker{options};
    packet_script greedy{broker}, modest{broker};
    greedy.sends(connect("g").expiry(0xFFFFFFFF))
        .expects(connack(success).with(property_id::session_expiry_interval, 3600));
    EXPECT_EQ(modest.sends(connect("m").expiry(3600)).next().find(property_id::session_expiry_interval), nullptr);
}

TEST(connect_protocol, item_037_server_keep_alive_replaces_the_clients)  // [MQTT-3.1.2-21, 3.2.2-21, -22]
{
    mqtt_test_options options;
    options.settings.keep_alive_max_s = 60;
    mqtt_test_broker broker{options};
    packet_script none{broker}, longer{broker}, shorter{broker};
    none.sends(connect("n")).expects(connack(success).with(property_id::server_keep_alive, 60));
    longer.sends(connect("l").keep_alive(600)).expects(connack(success).with(property_id::server_keep_alive, 60));
    EXPECT_EQ(shorter.sends(connect("s").keep_alive(30)).next().find(property_id::server_keep_alive), nullptr);
    broker.advance(44s);
    shorter.expects_nothing();
    broker.advance(2s);
    shorter.expects(disconnect(reason_code::keep_alive_timeout)).expects_closed();
    none.expects_nothing();
    broker.advance(45s);
    none.expects(disconnect(reason_code::keep_alive_timeout)).expects_closed();
    longer.expects(disconnect(reason_code::keep_alive_timeout)).expects_closed();
}

TEST(connect_protocol, item_038_silence_of_one_and_a_half_keep_alives_closes_and_fires_the_will)  // [MQTT-3.1.2-22]
{
    mqtt_test_broker broker;
    packet_script watcher{broker};
    watcher.connects(connect("w")).subscribes("will", 0);
    packet_script client{broker}, old{broker, mqtt_v311}, forever{broker};
    client.connects(connect("c").keep_alive(10).will("will", "c"));
    old.connects(connect("o").keep_alive(10).will("will", "o"));
    forever.connects(connect("f"));
    broker.advance(14s);
    client.sends(pingreq()).expects(pingresp());  // any packet counts
    old.sends(publish("a", "x"));
    broker.advance(14s);
    client.expects_nothing();
    old.expects_nothing();
    old.sends_bytes(publish("a", "x").bytes(mqtt_v311).substr(0, 3));  // part of a packet does not
    broker.advance(1'100ms);
    client.expects(disconnect(reason_code::keep_alive_timeout)).expects_closed();
    old.expects_closed();
    watcher.expects(publish("will", "c")).expects(publish("will", "o"));
    broker.advance(24h);
    forever.expects_nothing();
    EXPECT_EQ(broker.metrics().keep_alive_timeouts.get(), 2U);
}

TEST(connect_protocol, item_041_response_information_is_given_only_when_asked_for)  // [MQTT-3.1.2-28]
{
    mqtt_test_options options;
    options.settings.response_information_prefix = "reply/";
    mqtt_test_broker broker{options};
    packet_script asking{broker}, quiet{broker};
    asking.sends(connect("a").with(property_id::request_response_information, 1));
    asking.expects(connack(success).with(property_id::response_information, "reply/a"));
    EXPECT_EQ(quiet.sends(connect("q")).next().find(property_id::response_information), nullptr);
}

TEST(connect_protocol, item_042_no_reason_strings_for_those_who_do_not_want_them)  // [MQTT-3.1.2-29]
{
    mqtt_test_broker broker;
    broker.authenticator.rules.no_publish = {"secret"};
    packet_script client{broker};
    client.connects(connect("c").with(property_id::request_problem_information, std::uint32_t{0}));
    auto const refused = client.sends(publish("secret", "x").qos1(1)).next();
    EXPECT_EQ(refused.text(mqtt_v5), puback(1, reason_code::not_authorized).text(mqtt_v5));
}

TEST(connect_protocol, item_043_reason_strings_never_exceed_the_clients_maximum_packet_size)  // [MQTT-3.14.2-3]
{
    mqtt_test_broker broker;
    for (std::uint32_t const maximum : {40U, 200U}) {
        packet_script client{broker};
        client.connects(connect("c" + std::to_string(maximum)).with(property_id::maximum_packet_size, maximum));
        client.sends(publish("a", "x").with(property_id::topic_alias, std::uint32_t{0}));
        EXPECT_LE(client.connection().received.size(), maximum);
        client.expects(disconnect(reason_code::topic_alias_invalid)).expects_closed();
    }
}

TEST(connect_protocol, item_044_limits_are_announced_and_wills_beyond_them_refused)  // [MQTT-3.2.2-9..-13]
{
    mqtt_test_options options;
    options.settings.max_qos = 1;
    options.settings.retain_available = false;
    mqtt_test_broker broker{options};
    packet_script client{broker};
    client.sends(connect("c"))
        .expects(
            connack(success).with(property_id::maximum_qos, 1).with(property_id::retain_available, std::uint32_t{0}));
    client.sends(subscribe(1, {{"a", 2}})).expects(suback(1, {1}));
    client.sends(publish("a", "x").qos2(1)).expects(disconnect(reason_code::qos_not_supported)).expects_closed();
    packet_script retaining{broker};
    retaining.connects(connect("r"))
        .sends(publish("a", "x").retained())
        .expects(disconnect(reason_code::retain_not_supported));
    packet_script will_qos{broker}, will_retain{broker};
    will_qos.sends(connect("q").will("w", "x", 2)).expects(connack(reason_code::qos_not_supported)).expects_closed();
    will_retain.sends(connect("s").will("w", "x", 0, true))
        .expects(connack(reason_code::retain_not_supported))
        .expects_closed();
}

TEST(connect_protocol, item_045_features_switched_off_are_announced_and_refused)
{
    mqtt_test_options options;
    options.settings.wildcards_available = false;
    options.settings.subscription_identifiers_available = false;
    options.settings.shared_subscriptions_available = false;
    mqtt_test_broker broker{options};
    auto const refused = [&](scripted_packet const& what, reason_code reason) {
        packet_script client{broker};
        client.sends(connect("c"))
            .expects(connack(success)
                         .with(property_id::wildcard_subscription_available, std::uint32_t{0})
                         .with(property_id::subscription_identifier_available, std::uint32_t{0})
                         .with(property_id::shared_subscription_available, std::uint32_t{0}));
        client.sends(what).expects(disconnect(reason)).expects_closed();
    };
    refused(subscribe(1, {{"a/+", 0}}), reason_code::wildcard_subscriptions_not_supported);
    refused(subscribe(1, {{"a", 0}}).with(property_id::subscription_identifier, 5),
            reason_code::subscription_identifiers_not_supported);
    refused(subscribe(1, {{"$share/g/a", 0}}), reason_code::shared_subscriptions_not_supported);
    packet_script old{broker, mqtt_v311};
    old.connects(connect("o"))
        .sends(subscribe(1, {{"a/#", 0}, {"a", 1}, {"$share/g/a", 0}}))
        .expects(suback(1, {0x80, 1, 0x80}));
}

TEST(connect_protocol, connack_announces_the_limits_of_the_server)
{
    mqtt_test_options options;
    options.limits.receive_maximum = 20;
    options.settings.maximum_packet_size = 5000;
    options.settings.topic_alias_maximum = 7;
    mqtt_test_broker broker{options};
    packet_script client{broker};
    client.sends(connect("c"))
        .expects(connack(success)
                     .with(property_id::receive_maximum, 20)
                     .with(property_id::maximum_packet_size, 5000)
                     .with(property_id::topic_alias_maximum, 7));
}

TEST(connect_protocol, item_121_a_redirecting_broker_names_the_other_server)
{
    mqtt_test_options options;
    options.settings.redirect = mqtt::redirection::permanently;
    options.settings.server_reference = "other.example:1883";
    mqtt_test_broker broker{options};
    packet_script client{broker};
    client.sends(connect("c"))
        .expects(connack(reason_code::server_moved).with(property_id::server_reference, "other.example:1883"));
    client.expects_closed();
    packet_script old{broker, mqtt_v311};
    EXPECT_EQ(old.sends(connect("o")).next().reason, 3U);
    old.expects_closed();
}

}  // namespace
}  // namespace fulmar::test
