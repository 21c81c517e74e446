// Shared subscriptions. Item numbers are those of the checklist in docs/protocols/mqtt.md.
#include "tests/support/packet_script.hpp"

#include <gtest/gtest.h>
#include <set>

namespace fulmar::test {
namespace {

using namespace std::chrono_literals;

struct shared_subscription_protocol : testing::Test
{
    mqtt_test_broker broker;
    packet_script publisher{broker};
    packet_script one{broker};
    packet_script two{broker};

    void SetUp() override
    {
        publisher.connects(connect("publisher"));
        one.connects(connect("one"));
        two.connects(connect("two"));
    }

    std::uint16_t last_id = 0;
    void publishes(std::string const& payload, std::uint8_t level)
    {
        auto packet = publish("job", payload);
        if (level == 1)
            packet.qos1(++last_id);
        if (level == 2)
            packet.qos2(++last_id);
        publisher.sends(packet);
        if (level == 2)
            publisher.sends(pubrel(last_id));
        publisher.everything();
    }

    void finishes(packet_script& member, std::vector<scripted_packet> const& packets)
    {
        for (auto const& packet : packets) {
            if (packet.level == 1)
                member.sends(puback(packet.id));
            if (packet.level == 2)
                member.sends(pubrec(packet.id)).expects(pubrel(packet.id)).sends(pubcomp(packet.id));
        }
    }

    // Takes every PUBLISH that waits at `member`, and its payloads into `seen`.
    std::vector<scripted_packet> takes(packet_script& member, std::multiset<std::string>& seen)
    {
        broker.settle();
        std::vector<scripted_packet> out;
        while (auto packet = take_packet(member.connection().received, mqtt_v5)) {
            if (packet->type == packet_type::suback)
                continue;  // publishes may come before it
            EXPECT_EQ(packet->type, packet_type::publish) << packet->text(mqtt_v5);
            seen.insert(packet->payload);
            out.push_back(std::move(*packet));
        }
        return out;
    }
};

TEST_F(shared_subscription_protocol, item_098_each_message_goes_to_exactly_one_member)
{
    for (std::uint8_t level = 0; level <= 2; ++level) {
        auto const filter = "$share/g/" + std::string{level == 0 ? "job" : level == 1 ? "+" : "#"};
        one.subscribes(filter, level);
        two.subscribes(filter, level);
        std::multiset<std::string> seen;
        for (int i = 0; i < 20; ++i)
            publishes(std::to_string(i), level);
        auto const first = takes(one, seen);
        auto const second = takes(two, seen);
        EXPECT_EQ(seen.size(), 20U) << int{level};
        EXPECT_EQ(std::set<std::string>(seen.begin(), seen.end()).size(), 20U);
        EXPECT_FALSE(first.empty());
        EXPECT_FALSE(second.empty());
        for (auto const& packet : first)
            EXPECT_EQ(packet.level, level);
        finishes(one, first);
        finishes(two, second);
        one.sends(unsubscribe(9, {filter})).expects(unsuback(9, {0}));
        two.sends(unsubscribe(9, {filter})).expects(unsuback(9, {0}));
    }
}

TEST_F(shared_subscription_protocol, item_098_members_have_their_own_granted_level)  // [MQTT-4.8.2-3]
{
    one.subscribes("$share/g/job", 0);
    two.subscribes("$share/g/job", 2);
    for (int i = 0; i < 10; ++i)
        publishes(std::to_string(i), 1);
    std::multiset<std::string> seen;
    for (auto const& packet : takes(one, seen))
        EXPECT_EQ(packet.level, 0);
    for (auto const& packet : takes(two, seen))
        EXPECT_EQ(packet.level, 1);
    EXPECT_EQ(seen.size(), 10U);
}

TEST_F(shared_subscription_protocol, item_098_unacknowledged_qos_1_of_a_leaving_member_goes_to_another)
{
    one.subscribes("$share/g/job", 1);
    two.subscribes("$share/g/job", 1);
    for (int i = 0; i < 10; ++i)
        publishes(std::to_string(i), 1);
    std::multiset<std::string> gone, seen;
    auto const unfinished = takes(one, gone);
    EXPECT_FALSE(unfinished.empty());
    one.loses_connection();
    takes(two, seen);
    for (int i = 0; i < 10; ++i)
        EXPECT_EQ(seen.count(std::to_string(i)), 1U) << i;
}

TEST_F(shared_subscription_protocol, item_098_what_was_acknowledged_or_refused_is_finished)  // [MQTT-4.8.2-6]
{
    one.subscribes("$share/g/job", 1);
    two.subscribes("$share/g/job", 1);
    for (int i = 0; i < 10; ++i)
        publishes(std::to_string(i), 1);
    std::multiset<std::string> first, second, again;
    bool refuse = false;
    for (auto const& packet : takes(one, first))
        one.sends(puback(packet.id, std::exchange(refuse, !refuse) ? reason_code::unspecified_error : success));
    takes(two, second);
    one.loses_connection();
    takes(two, again);
    EXPECT_TRUE(again.empty());
}

TEST_F(shared_subscription_protocol, item_098_a_started_qos_2_delivery_stays_with_its_member)  // [MQTT-4.8.2-4, -5]
{
    packet_script durable{broker};
    durable.connects(connect("durable").expiry(100)).subscribes("$share/g/job", 2);
    publishes("x", 2);
    durable.expects(publish("job", "x").qos2(1));
    two.subscribes("$share/g/job", 2);
    durable.loses_connection();
    two.expects_nothing();
    packet_script back{broker};
    back.connects(connect("durable").resuming().expiry(100)).expects(publish("job", "x").qos2(1).dup());
    back.loses_connection();
    broker.advance(200s);  // the session ends: the message is dropped, never given to another
    two.expects_nothing();
}

TEST_F(shared_subscription_protocol, item_098_a_started_qos_2_delivery_ends_with_an_ephemeral_member)  // [MQTT-4.8.2-5]
{
    one.subscribes("$share/g/job", 2);
    publishes("x", 2);
    one.expects(publish("job", "x").qos2(1));
    two.subscribes("$share/g/job", 2);
    one.loses_connection();
    two.expects_nothing();
    EXPECT_EQ(broker.dropped(broker::drop_reason::session_ended), 1U);
}

TEST_F(shared_subscription_protocol,
       item_099_a_member_that_unsubscribes_completes_what_began_and_hands_on_the_rest)  // [MQTT-3.10.4-3]
{
    for (std::uint8_t level = 1; level <= 2; ++level) {
        packet_script narrow{broker};
        narrow.connects(connect("narrow").with(property_id::receive_maximum, 1)).subscribes("$share/g/job", level);
        for (int i = 0; i < 3; ++i)
            publishes(std::to_string(i), level);
        std::multiset<std::string> began, handed_on;
        auto const first = takes(narrow, began);
        EXPECT_EQ(first.size(), 1U);
        two.sends(subscribe(2, {{"$share/g/job", level}}));
        narrow.sends(unsubscribe(1, {"$share/g/job"})).expects(unsuback(1, {0}));
        finishes(narrow, first);
        narrow.expects_nothing();
        finishes(two, takes(two, handed_on));
        EXPECT_EQ(handed_on, (std::multiset<std::string>{"1", "2"})) << int{level};
        two.sends(unsubscribe(1, {"$share/g/job"})).expects(unsuback(1, {0}));
    }
}

TEST_F(shared_subscription_protocol, item_098_messages_wait_for_durable_members)
{
    {
        packet_script durable{broker};
        durable.connects(connect("durable").expiry(1000)).subscribes("$share/g/job", 1).loses_connection();
    }
    for (int i = 0; i < 5; ++i)
        publishes(std::to_string(i), 1);
    packet_script back{broker};
    back.connects(connect("durable").resuming().expiry(1000));
    std::multiset<std::string> seen;
    EXPECT_EQ(takes(back, seen).size(), 5U);
    EXPECT_EQ(std::set<std::string>(seen.begin(), seen.end()).size(), 5U);
}

TEST_F(shared_subscription_protocol, item_098_live_members_get_what_an_absent_one_would_have_got)
{
    {
        packet_script durable{broker};
        durable.connects(connect("durable").expiry(1000)).subscribes("$share/g/job", 1).loses_connection();
    }
    two.subscribes("$share/g/job", 1);
    for (int i = 0; i < 6; ++i)
        publishes(std::to_string(i), 1);
    std::multiset<std::string> seen;
    EXPECT_EQ(takes(two, seen).size(), 6U);
}

TEST_F(shared_subscription_protocol, item_098_groups_span_shards)
{
    mqtt_test_broker many{{.shards = 3}};
    packet_script sender{many, mqtt_v5, 0}, left{many, mqtt_v5, 1}, right{many, mqtt_v5, 2};
    sender.connects(connect("sender"));
    left.connects(connect("left")).subscribes("$share/g/job", 1);
    right.connects(connect("right")).subscribes("$share/g/job", 1);
    for (std::uint16_t i = 1; i <= 20; ++i)
        sender.sends(publish("job", std::to_string(i)).qos1(i)).expects(puback(i));
    auto const first = left.everything().size();
    auto const second = right.everything().size();
    EXPECT_EQ(first + second, 20U);
    EXPECT_GT(first, 0U);
    EXPECT_GT(second, 0U);
}

TEST_F(shared_subscription_protocol, two_groups_and_a_plain_subscription_each_get_a_copy)
{
    one.subscribes("$share/g/job", 1).subscribes("$share/h/job", 1).subscribes("job", 1);
    publishes("x", 1);
    EXPECT_EQ(one.everything().size(), 3U);
}

TEST_F(shared_subscription_protocol, item_096_no_local_on_a_shared_subscription_is_a_protocol_error)  // [MQTT-3.8.3-4]
{
    one.sends(subscribe(1, {{"$share/g/job", no_local}}))
        .expects(disconnect(reason_code::protocol_error))
        .expects_closed();
}

TEST_F(shared_subscription_protocol, item_097_malformed_shared_filters_are_refused)  // [MQTT-4.8.2-1, -2]
{
    one.sends(subscribe(
        1,
        {{"$share/", 0}, {"$share//x", 0}, {"$share/g", 0}, {"$share/g+/x", 0}, {"$share/g/", 0}, {"$share/g#/x", 0}}));
    one.expects(suback(1, {0x8F, 0x8F, 0x8F, 0x8F, 0x8F, 0x8F}));
    packet_script old{broker, mqtt_v311};
    old.connects(connect("old"))
        .sends(subscribe(1, {{"$share//x", 0}, {"$share/g/job", 1}}))
        .expects(suback(1, {0x80, 1}));
    publishes("x", 1);
    old.expects(publish("job", "x").qos1(1));
}

TEST_F(shared_subscription_protocol, item_088_a_shared_wildcard_does_not_match_dollar_topics)
{
    one.subscribes("$share/g/#", 0);
    broker.shard().routes().publish({broker::message::make({.topic = "$SYS/broker", .payload = "x"}), {}, 0, {}, 0});
    one.expects_nothing();
}

}  // namespace
}  // namespace fulmar::test
