// PUBLISH from clients and towards them. Item numbers are those of the checklist in docs/protocols/mqtt.md.
#include "tests/support/packet_script.hpp"

#include <gtest/gtest.h>

namespace fulmar::test {
namespace {

using namespace std::chrono_literals;

struct publish_protocol : testing::Test
{
    mqtt_test_broker broker;
    packet_script client{broker};
    packet_script watcher{broker};

    void SetUp() override
    {
        client.connects(connect("client"));
        watcher.connects(connect("watcher")).subscribes("#", 2);
    }

    void closes(scripted_packet const& what, reason_code reason)
    {
        packet_script peer{broker};
        peer.connects(connect("peer")).sends(what).expects(disconnect(reason)).expects_closed();
        packet_script old{broker, mqtt_v311};
        if (what.properties.empty())
            old.connects(connect("old")).sends(what).expects_closed();
        watcher.expects_nothing();
    }
};

TEST_F(publish_protocol, item_017_qos_0_has_no_packet_identifier)  // [MQTT-2.2.1-2]
{
    client.sends_bytes(raw_packet(0x30, std::string{"\0\1a\0\0\5", 6}));  // empty properties, then two payload bytes
    watcher.expects(publish("a", std::string{"\0\5", 2}));
}

TEST_F(publish_protocol, item_054_qos_3_is_malformed)  // [MQTT-3.3.1-4]
{
    auto broken = publish("a", "x").qos1(1);
    broken.level = 3;
    closes(broken, reason_code::malformed_packet);
}

TEST_F(publish_protocol, item_055_dup_at_qos_0_is_an_error)  // [MQTT-3.3.1-2]
{
    packet_script peer{broker};
    peer.connects(connect("peer")).sends(publish("a", "x").dup());
    auto const answer = peer.next();
    EXPECT_EQ(answer.type, packet_type::disconnect);
    EXPECT_TRUE(answer.reason == 0x81 || answer.reason == 0x82);
    peer.expects_closed();
    watcher.expects_nothing();
}

TEST_F(publish_protocol, item_056_dup_is_not_passed_on)  // [MQTT-3.3.1-3]
{
    client.sends(publish("a", "x").qos1(1).dup()).expects(puback(1));
    watcher.expects(publish("a", "x").qos1(1));
}

TEST_F(publish_protocol, item_057_wildcards_in_a_topic_name_close)  // [MQTT-3.3.2-2]
{
    for (auto const* const topic : {"a/#", "+/a", "#", "a+b"}) {
        packet_script peer{broker};
        peer.connects(connect("peer")).sends(publish(topic, "x"));
        auto const answer = peer.next();
        EXPECT_TRUE(answer.reason == 0x90 || answer.reason == 0x81) << topic;
        peer.expects_closed();
    }
    watcher.expects_nothing();
}

TEST_F(publish_protocol, item_058_an_empty_topic_without_an_alias_closes)  // [MQTT-4.7.3-1]
{
    closes(publish("", "x"), reason_code::protocol_error);
}

TEST_F(publish_protocol, item_059_topic_aliases_bind_and_rebind_and_are_checked)  // [MQTT-3.3.2-8, -9]
{
    client.sends(publish("a", "1").with(property_id::topic_alias, 1));
    client.sends(publish("", "2").with(property_id::topic_alias, 1));
    client.sends(publish("b", "3").with(property_id::topic_alias, 1));
    client.sends(publish("", "4").with(property_id::topic_alias, 1));
    watcher.expects(publish("a", "1")).expects(publish("a", "2")).expects(publish("b", "3")).expects(publish("b", "4"));
    closes(publish("a", "x").with(property_id::topic_alias, std::uint32_t{0}), reason_code::topic_alias_invalid);
    closes(publish("a", "x").with(property_id::topic_alias, 65), reason_code::topic_alias_invalid);
    closes(publish("", "x").with(property_id::topic_alias, 2), reason_code::protocol_error);
}

TEST_F(publish_protocol, item_060_aliases_end_with_the_connection)  // [MQTT-3.3.2-7]
{
    client.sends(publish("a", "1").with(property_id::topic_alias, 1)).loses_connection();
    watcher.expects(publish("a", "1"));
    packet_script again{broker};
    again.connects(connect("client").resuming());
    again.sends(publish("", "2").with(property_id::topic_alias, 1))
        .expects(disconnect(reason_code::protocol_error))
        .expects_closed();
}

TEST_F(publish_protocol, item_061_a_refused_publish_binds_its_alias)
{
    broker.authenticator.rules.no_publish = {"secret"};
    packet_script peer{broker};
    peer.connects(connect("peer"));
    peer.sends(publish("secret", "1").qos1(1).with(property_id::topic_alias, 1))
        .expects(puback(1, reason_code::not_authorized));
    peer.sends(publish("", "2").qos1(2).with(property_id::topic_alias, 1))
        .expects(puback(2, reason_code::not_authorized));
    watcher.expects_nothing();
}

TEST_F(publish_protocol, item_062_a_client_must_not_send_subscription_identifiers)  // [MQTT-3.3.4-6]
{
    closes(publish("a", "x").with(property_id::subscription_identifier, 1), reason_code::protocol_error);
}

TEST_F(publish_protocol, item_063_response_topics_are_topic_names)  // [MQTT-3.3.2-13, -14]
{
    for (auto const* const topic : {"a/#", "+", ""}) {
        packet_script peer{broker};
        peer.connects(connect("peer")).sends(publish("a", "x").with(property_id::response_topic, topic));
        auto const answer = peer.next();
        EXPECT_EQ(answer.type, packet_type::disconnect) << topic;
        EXPECT_TRUE(answer.reason == 0x82 || answer.reason == 0x90) << topic << " " << int{answer.reason};
    }
    watcher.expects_nothing();
}

TEST_F(publish_protocol,
       item_064_properties_are_passed_on_unaltered_live_retained_and_queued)  // [MQTT-3.3.2-4, -15..-20]
{
    packet_script away{broker};
    away.connects(connect("away").resuming().expiry(1000)).subscribes("a", 1).loses_connection();
    auto const full = [] {
        return publish("a", "{}")
            .with(property_id::payload_format_indicator, 1)
            .with(property_id::content_type, "application/json")
            .with(property_id::response_topic, "reply/here")
            .with(property_id::correlation_data, std::string{"\0\1\2", 3})
            .with_user("k", "2")
            .with_user("k", "1")
            .with_user("k", "2")
            .with_user("", "");
    };
    client.sends(full().qos1(1).retained()).expects(puback(1));
    auto const same = [&](scripted_packet seen) {
        auto wanted = full().properties;
        auto const before = [](auto const& x, auto const& y) { return x.id < y.id; };
        std::stable_sort(seen.properties.begin(), seen.properties.end(), before);
        std::stable_sort(wanted.begin(), wanted.end(), before);
        EXPECT_EQ(seen.properties, wanted) << seen.text(mqtt_v5);
        EXPECT_EQ(seen.payload, "{}");
    };
    same(watcher.next());
    packet_script late{broker};
    late.connects(connect("late")).sends(subscribe(1, {{"a", 0}})).expects(suback(1, {0}));
    same(late.next());
    packet_script back{broker};
    back.connects(connect("away").resuming().expiry(1000));
    same(back.next());
    broker.kill_and_restart();
    packet_script after{broker};
    after.connects(connect("after")).sends(subscribe(1, {{"a", 0}})).expects(suback(1, {0}));
    same(after.next());
}

TEST_F(publish_protocol, item_065_payloads_that_claim_to_be_utf8_are_checked)
{
    auto const lie = [] { return publish("a", "\xC0\x80").with(property_id::payload_format_indicator, 1); };
    client.sends(lie().qos1(1)).expects(puback(1, reason_code::payload_format_invalid));
    client.sends(lie().qos2(2)).expects(pubrec(2, reason_code::payload_format_invalid));
    watcher.expects_nothing();
    client.sends(lie()).expects(disconnect(reason_code::payload_format_invalid)).expects_closed();
    packet_script will{broker};
    will.sends(connect("will").will("a", "\xC0\x80").will_with(property_id::payload_format_indicator, 1));
    will.expects(connack(reason_code::payload_format_invalid)).expects_closed();
}

TEST_F(publish_protocol, item_067_puback_comes_after_the_store_confirms)  // [MQTT-4.3.2-4]
{
    packet_script durable{broker};
    durable.connects(connect("durable").resuming().expiry(1000)).subscribes("a", 1);
    broker.store.hold();
    client.sends(publish("a", "x").qos1(1)).sends(publish("b", "y").qos1(2)).expects_nothing();
    broker.store.confirm_all();
    client.expects(puback(1)).expects(puback(2));
}

TEST_F(publish_protocol, item_067_no_matching_subscribers_is_said_in_v5)  // [MQTT-3.4.2-1]
{
    watcher.sends(disconnect());
    client.sends(publish("a", "x").qos1(1)).expects(puback(1, reason_code::no_matching_subscribers));
    client.sends(publish("a", "x").qos2(2)).expects(pubrec(2, reason_code::no_matching_subscribers));
}

TEST_F(publish_protocol, item_067_refused_publishes_are_told_in_v5_and_acknowledged_in_v3)  // [v3 MQTT-3.3.5-2]
{
    broker.authenticator.rules.no_publish = {"secret"};
    packet_script peer{broker};
    peer.connects(connect("peer"));
    peer.sends(publish("secret", "0")).sends(publish("secret", "1").qos1(1)).sends(publish("secret", "2").qos2(2));
    peer.expects(puback(1, reason_code::not_authorized))
        .expects(pubrec(2, reason_code::not_authorized))
        .expects_nothing();
    packet_script old{broker, mqtt_v311};
    old.connects(connect("old"));
    old.sends(publish("secret", "0")).sends(publish("secret", "1").qos1(1)).sends(publish("secret", "2").qos2(2));
    old.expects(puback(1)).expects(pubrec(2)).sends(pubrel(2)).expects(pubcomp(2)).expects_nothing();
    watcher.expects_nothing();
    EXPECT_EQ(broker.metrics().publishes_refused.get(), 6U);
}

TEST_F(publish_protocol, item_067_refused_v3_publishes_can_close_instead)
{
    mqtt_test_options options;
    options.settings.v3_refused_publish_closes = true;
    mqtt_test_broker strict{options};
    strict.authenticator.rules.no_publish = {"secret"};
    packet_script old{strict, mqtt_v311};
    old.connects(connect("old")).sends(publish("secret", "1").qos1(1)).expects_closed();
}

TEST_F(publish_protocol, item_088_clients_cannot_publish_below_dollar)  // [MQTT-4.7.2-1]
{
    client.sends(publish("$SYS/fake", "x").qos1(1)).expects(puback(1, reason_code::not_authorized));
    packet_script sys{broker};
    sys.connects(connect("sys")).subscribes("$SYS/#", 0);
    client.sends(publish("$SYS/fake", "x")).expects_nothing();
    sys.expects_nothing();
}

TEST_F(publish_protocol, a_full_store_refuses_durable_publishes_and_lets_the_others_pass)
{
    packet_script durable{broker};
    durable.connects(connect("durable").resuming().expiry(1000)).subscribes("a", 1);
    broker.store.set_state(broker::store_state::full);
    client.sends(publish("a", "x").qos1(1)).expects(puback(1, reason_code::quota_exceeded));
    client.sends(publish("a", "x").qos2(2)).expects(pubrec(2, reason_code::quota_exceeded));
    client.sends(publish("b", "x").qos1(3)).expects(puback(3));
    packet_script old{broker, mqtt_v311};
    old.connects(connect("old")).sends(publish("a", "x").qos1(1)).expects_closed();
    broker.store.set_state(broker::store_state::healthy);
    client.sends(publish("a", "x").qos1(4)).expects(puback(4));
}

TEST_F(publish_protocol, a_failed_store_refuses_durable_publishes)
{
    packet_script durable{broker};
    durable.connects(connect("durable").resuming().expiry(1000)).subscribes("a", 1);
    broker.store.set_state(broker::store_state::failed);
    client.sends(publish("a", "x").qos1(1)).expects(puback(1, reason_code::implementation_specific_error));
}

// What another front-end sees of the messages of one topic.
class event_watcher final : public broker::subscriber
{
public:
    std::vector<std::string> events;

private:
    [[nodiscard]] broker::wire_variant const* shared_variant() const noexcept override { return nullptr; }
    void take_run(broker::frame_run const&, std::uint32_t, std::uint32_t) override {}
    void deliver(broker::message_ptr const& m, broker::matched_subscription const&) override
    {
        events.emplace_back(m->event());
    }
    [[nodiscard]] bool may_receive(std::string_view) const override { return true; }
    [[nodiscard]] std::uint64_t publisher_hash() const noexcept override { return 0; }
};

TEST_F(publish_protocol, the_user_property_event_names_the_event_for_other_protocols)
{
    event_watcher other;
    broker.shard().routes().subscribe(broker::default_app, other, "a", {}, false, {});
    client.sends(publish("a", "1"));
    client.sends(publish("a", "2").with_user("k", "v").with_user("event", "first").with_user("event", "second"));
    watcher.expects(publish("a", "1"));
    watcher.expects(publish("a", "2").with_user("k", "v").with_user("event", "first").with_user("event", "second"));
    EXPECT_EQ(other.events, (std::vector<std::string>{"", "first"}));
    broker.shard().routes().unsubscribe(broker::default_app, other, "a");
}

}  // namespace
}  // namespace fulmar::test
