// History asked for with a user property on SUBSCRIBE (docs/protocols/mqtt.md, "History").
#include "tests/support/packet_script.hpp"

#include <gtest/gtest.h>

namespace fulmar::test {
namespace {

using namespace std::chrono_literals;

scripted_packet at(std::uint64_t position, std::string topic, std::string payload)
{
    return publish(std::move(topic), std::move(payload)).with_user("position", "0." + std::to_string(position));
}

scripted_packet asks(std::string filter, std::uint8_t options, std::string name, std::string value)
{
    return subscribe(1, {{std::move(filter), options}}).with_user(std::move(name), std::move(value));
}

scripted_packet grants(std::uint8_t code, std::string value)
{
    return suback(1, {code}).with_user("history", std::move(value));
}

struct history_protocol : testing::Test
{
    mqtt_test_broker broker{{.history = {{{}, "news/#"}, {{}, "few/+", 0, 2}, {{}, "young/+", 60'000}}}};
    packet_script client{broker};
    packet_script publisher{broker};

    void SetUp() override
    {
        client.connects(connect("client"));
        publisher.connects(connect("publisher"));
    }

    std::uint16_t last_id = 0;
    void publishes(std::string const& topic, std::string const& payload, std::uint8_t level = 0)
    {
        auto packet = publish(topic, payload);
        if (level == 1)
            packet.qos1(++last_id);
        publisher.sends(packet);
        publisher.everything();
    }
    void publishes_numbers(std::string const& topic, int from, int to, std::uint8_t level = 0)
    {
        for (int i = from; i <= to; ++i)
            publishes(topic, std::to_string(i), level);
    }
};

TEST_F(history_protocol, the_newest_messages_follow_suback_in_order_and_carry_their_position)
{
    publishes_numbers("news/1", 1, 5);
    client.sends(asks("news/1", 0, "history", "3")).expects(grants(0, "0.2"));
    client.expects(at(3, "news/1", "3")).expects(at(4, "news/1", "4")).expects(at(5, "news/1", "5")).expects_nothing();
}

TEST_F(history_protocol, what_is_published_later_carries_its_position_too_and_comes_once)
{
    publishes("news/1", "1");
    client.sends(asks("news/1", 0, "history", "10")).expects(grants(0, "0.0")).expects(at(1, "news/1", "1"));
    publishes("news/1", "2");
    publishes("news/1", "3", 1);
    client.expects(at(2, "news/1", "2")).expects(at(3, "news/1", "3")).expects_nothing();
}

TEST_F(history_protocol, since_a_position_gives_what_follows_it)
{
    publishes_numbers("news/1", 1, 4);
    client.sends(asks("news/1", 0, "since", "0.2")).expects(grants(0, "0.2"));
    client.expects(at(3, "news/1", "3")).expects(at(4, "news/1", "4")).expects_nothing();
}

TEST_F(history_protocol, since_may_be_a_time_or_the_beginning)
{
    publishes("news/1", "old");
    broker.advance(100s);
    publishes("news/1", "new");
    client.sends(asks("news/1", 0, "since", "10s")).expects(grants(0, "0.0")).expects(at(2, "news/1", "new"));
    client.expects_nothing().sends(asks("news/+", 0, "since", "earliest")).expects(grants(0, "0.0"));
    client.expects(at(1, "news/1", "old")).expects(at(2, "news/1", "new")).expects_nothing();
}

TEST_F(history_protocol, history_of_nothing_gives_positions_from_now_on)
{
    publishes("news/1", "1");
    client.sends(asks("news/1", 0, "history", "0")).expects(grants(0, "0.1")).expects_nothing();
    publishes("news/1", "2");
    client.expects(at(2, "news/1", "2")).expects_nothing();
}

TEST_F(history_protocol, since_goes_before_history)
{
    publishes_numbers("news/1", 1, 3);
    client.sends(asks("news/1", 0, "history", "3").with_user("since", "0.2")).expects(grants(0, "0.2"));
    client.expects(at(3, "news/1", "3")).expects_nothing();
}

TEST_F(history_protocol, a_wildcard_filter_gets_only_what_it_matches)
{
    for (int i = 1; i <= 4; ++i) {
        publishes("news/a/" + std::to_string(i), "a");
        publishes("news/b/" + std::to_string(i), "b");
    }
    client.sends(asks("news/a/+", 0, "history", "2")).expects(grants(0, "0.4"));
    client.expects(at(5, "news/a/3", "a")).expects(at(7, "news/a/4", "a")).expects_nothing();
}

TEST_F(history_protocol, a_topic_without_history_is_subscribed_as_usual)
{
    client.sends(asks("other", 0, "history", "3")).expects(grants(0, "none"));
    publishes("other", "1");
    client.expects(publish("other", "1")).expects_nothing();
}

TEST_F(history_protocol, each_filter_of_a_packet_is_answered)
{
    publishes("news/1", "1");
    auto packet = subscribe(1, {{"other", 0}, {"bad/#/filter", 0}, {"news/1", 0}}).with_user("history", "1");
    auto const seen = client.sends(packet).next();
    EXPECT_EQ(seen.codes, (std::vector<std::uint8_t>{0, 0x8F, 0}));
    std::vector<std::string> values;
    for (auto const& property : seen.properties)
        values.push_back(property.text + "=" + property.second);
    EXPECT_EQ(values, (std::vector<std::string>{"history=none", "history=none", "history=0.0"}));
    client.expects(at(1, "news/1", "1")).expects_nothing();
}

TEST_F(history_protocol, values_that_mean_nothing_are_refused_and_explained)
{
    for (auto const& [name, value] : std::vector<std::pair<std::string, std::string>>{{"history", "ten"},
                                                                                      {"history", "-1"},
                                                                                      {"history", "1001"},
                                                                                      {"history", ""},
                                                                                      {"since", "0.x"},
                                                                                      {"since", ""}}) {
        auto const seen = client.sends(asks("news/1", 0, name, value)).next();
        EXPECT_EQ(seen.codes, std::vector<std::uint8_t>{0x83}) << name << "=" << value;
        EXPECT_NE(seen.find(property_id::reason_string), nullptr);
    }
    client.sends(asks("news/1", 0, "history", "1").with_user("history", "2")).expects(suback(1, {0x83}));
    publishes("news/1", "1");
    client.expects_nothing();
}

TEST_F(history_protocol, a_shared_subscription_has_no_history)
{
    publishes("news/1", "1");
    client.sends(subscribe(1, {{"$share/g/news/1", 0}, {"news/2", 0}}).with_user("history", "1"));
    auto const seen = client.next();
    EXPECT_EQ(seen.codes, (std::vector<std::uint8_t>{0x83, 0}));
    EXPECT_NE(seen.find(property_id::reason_string), nullptr);
    client.expects_nothing();
}

TEST_F(history_protocol, what_may_not_be_read_is_not_replayed)
{
    publishes("news/1", "1");
    publishes("news/secret", "s");
    broker.authenticator.rules.no_receive = {"news/secret"};
    packet_script reader{broker};
    reader.connects(connect("reader")).sends(asks("news/+", 0, "history", "1")).expects(grants(0, "0.0"));
    reader.expects(at(1, "news/1", "1")).expects_nothing();
}

TEST_F(history_protocol, the_rule_limits_what_one_topic_gives)
{
    publishes_numbers("few/1", 1, 5);
    client.sends(asks("few/1", 0, "history", "10")).expects(grants(0, "0.3"));
    client.expects(at(4, "few/1", "4")).expects(at(5, "few/1", "5")).expects_nothing();
    client.sends(asks("few/1", 0, "since", "0.1")).expects(grants(0, "gap 0.3"));
    client.expects(at(4, "few/1", "4")).expects(at(5, "few/1", "5")).expects_nothing();
    publishes("young/1", "old");
    broker.advance(61s);
    publishes("young/1", "new");
    client.sends(asks("young/1", 0, "since", "earliest")).expects(grants(0, "0.0"));
    client.expects(at(7, "young/1", "new")).expects_nothing();
}

TEST_F(history_protocol, a_position_of_another_log_is_a_gap)
{
    publishes("news/1", "1");
    client.sends(asks("news/1", 0, "since", "0.99")).expects(grants(0, "gap 0.1")).expects_nothing();
    publishes("news/1", "2");
    client.expects(at(2, "news/1", "2"));
}

TEST_F(history_protocol, the_level_is_the_lower_of_both_and_receive_maximum_is_respected)
{
    publishes_numbers("news/1", 1, 3, 1);
    publishes("news/1", "4", 0);
    packet_script slow{broker};
    slow.connects(connect("slow").with(property_id::receive_maximum, 1));
    slow.sends(asks("news/1", 2, "history", "10")).expects(grants(2, "0.0"));
    for (std::uint16_t i = 1; i <= 3; ++i) {
        auto const seen = slow.next();
        EXPECT_EQ(seen.payload, std::to_string(i));
        EXPECT_EQ(seen.level, 1);
        slow.expects_nothing().sends(puback(seen.id));
    }
    slow.expects(at(4, "news/1", "4")).expects_nothing();
}

TEST_F(history_protocol, thousands_of_messages_come_as_the_window_allows_and_live_ones_follow_them)
{
    constexpr int stored = 3'000;
    publishes_numbers("news/1", 1, stored, 1);
    client.sends(asks("news/1", 1, "since", "earliest")).expects(grants(1, "0.0"));
    publishes("news/1", std::to_string(stored + 1), 1);
    for (int i = 1; i <= stored + 1; ++i) {
        auto const seen = client.next();
        ASSERT_EQ(seen.payload, std::to_string(i));
        client.sends(puback(seen.id));
    }
    client.expects_nothing();
}

TEST_F(history_protocol, a_client_that_does_not_read_is_not_filled_up)
{
    std::string const payload(10'000, 'x');
    for (int i = 0; i < 300; ++i)
        publishes("news/1", payload);
    client.connection().block();
    client.sends(asks("news/1", 0, "since", "earliest"));
    EXPECT_LE(client.connection().backlog_bytes(), 1'700'000U) << "the outbox and one page";
    for (int i = 0; i < 300; ++i)
        publishes("news/1", payload);
    EXPECT_LE(client.connection().backlog_bytes(), 1'700'000U) << "what is new stays in the log, too";
    client.connection().unblock();
    client.expects(grants(0, "0.0"));
    for (std::uint64_t i = 1; i <= 600; ++i)
        client.expects(at(i, "news/1", payload));
    client.expects_nothing();
    EXPECT_EQ(broker.dropped(broker::drop_reason::outbox_full), 0U);
}

TEST_F(history_protocol, retained_messages_come_first_and_say_so)
{
    publisher.sends(publish("news/1", "1").retained());
    publisher.sends(publish("news/1", "2").retained());
    client.sends(asks("news/1", 0, "history", "10")).expects(grants(0, "0.0"));
    client.expects(publish("news/1", "2").retained());
    client.expects(at(1, "news/1", "1")).expects(at(2, "news/1", "2")).expects_nothing();
    client.sends(asks("news/1", retained_never, "history", "1")).expects(grants(0, "0.1"));
    client.expects(at(2, "news/1", "2")).expects_nothing();
}

TEST_F(history_protocol, a_durable_session_gets_the_past_then_its_queue_each_message_once)
{
    publishes_numbers("news/1", 1, 2, 1);
    packet_script durable{broker};
    durable.connects(connect("d").expiry(100)).sends(asks("news/1", 1, "history", "10")).expects(grants(1, "0.0"));
    publishes("news/1", "3", 1);
    publishes("news/1", "4", 0);
    for (int i = 1; i <= 4; ++i) {
        auto const seen = durable.next();
        EXPECT_EQ(seen.payload, std::to_string(i));
        ASSERT_EQ(seen.properties.size(), 1U);
        EXPECT_EQ(seen.properties.front().second, "0." + std::to_string(i));
        if (seen.level == 1)
            durable.sends(puback(seen.id));
    }
    durable.expects_nothing().loses_connection();
    publishes("news/1", "5", 1);
    packet_script back{broker};
    back.connects(connect("d").resuming().expiry(100));
    auto const seen = back.next();
    EXPECT_EQ(seen.payload, "5");
    EXPECT_TRUE(seen.properties.empty()) << "the past was asked for by the connection before";
    back.expects_nothing();
}

TEST_F(history_protocol, the_queue_of_a_durable_session_waits_until_the_past_was_told)
{
    publishes_numbers("news/1", 1, 3, 1);
    packet_script durable{broker};
    durable.connects(connect("d").expiry(100).with(property_id::receive_maximum, 1));
    durable.sends(asks("news/1", 1, "history", "10")).expects(grants(1, "0.0"));
    publishes("news/1", "4", 1);
    for (int i = 1; i <= 4; ++i) {
        auto const seen = durable.next();
        EXPECT_EQ(seen.payload, std::to_string(i));
        durable.sends(puback(seen.id));
    }
    durable.expects_nothing();
}

TEST_F(history_protocol, of_two_subscriptions_that_match_a_message_comes_once)
{
    client.sends(asks("news/#", 0, "history", "5")).expects(grants(0, "0.0"));
    publishes("news/1", "1");
    client.expects(at(1, "news/1", "1"));
    client.sends(asks("news/1", 0, "history", "5")).expects(grants(0, "0.0")).expects(at(1, "news/1", "1"));
    client.subscribes("+/1", 0);
    publishes("news/1", "2");
    publishes("news/2", "3");
    client.expects(at(2, "news/1", "2")).expects(at(3, "news/2", "3")).expects_nothing();
}

TEST_F(history_protocol, no_local_and_subscription_identifiers_count_for_the_past_too)
{
    client.sends(publish("news/1", "own"));
    publishes("news/1", "other");
    client.sends(asks("news/1", no_local, "history", "5").with(property_id::subscription_identifier, 7));
    client.expects(grants(0, "0.0"));
    auto wanted = publish("news/1", "other").with(property_id::subscription_identifier, 7);
    client.expects(wanted.with_user("position", "0.2")).expects_nothing();
}

TEST_F(history_protocol, unsubscribe_ends_it_and_a_later_subscription_is_like_any_other)
{
    publishes_numbers("news/1", 1, 2);
    client.sends(asks("news/1", 0, "history", "1")).expects(grants(0, "0.1")).expects(at(2, "news/1", "2"));
    client.sends(unsubscribe(2, {"news/1"})).expects(unsuback(2, {0}));
    publishes("news/1", "3");
    client.expects_nothing().subscribes("news/1", 0);
    publishes("news/1", "4");
    client.expects(publish("news/1", "4")).expects_nothing();
}

TEST_F(history_protocol, subscribing_again_without_asking_loses_and_repeats_nothing)  // [MQTT-3.8.4-3]
{
    publishes_numbers("news/1", 1, 2, 1);
    packet_script slow{broker};
    slow.connects(connect("slow").with(property_id::receive_maximum, 1));
    slow.sends(asks("news/1", 1, "history", "10")).expects(grants(1, "0.0"));
    auto const first = slow.next();
    slow.subscribes("news/1", 1).sends(puback(first.id));
    auto const second = slow.next();
    EXPECT_EQ(second.payload, "2");
    slow.sends(puback(second.id)).expects_nothing();
}

TEST_F(history_protocol, what_is_being_committed_while_the_past_is_read_comes_once)
{
    publishes("news/1", "1");
    broker.store.hold();
    publisher.sends(publish("news/1", "2"));
    client.sends(asks("news/1", 0, "history", "10"));
    client.expects(grants(0, "0.0"));
    publisher.sends(publish("news/1", "3"));
    broker.store.confirm_all();
    client.expects(at(1, "news/1", "1")).expects(at(2, "news/1", "2")).expects(at(3, "news/1", "3")).expects_nothing();
}

TEST_F(history_protocol, too_many_requests_of_one_session_are_refused)
{
    for (int i = 0; i < 64; ++i)
        client.sends(asks("news/" + std::to_string(i), 0, "history", "1")).expects(grants(0, "0.0"));
    client.sends(asks("news/64", 0, "history", "1")).expects(suback(1, {0x97}));
    client.sends(asks("news/1", 0, "history", "1")).expects(grants(0, "0.0"));
}

TEST_F(history_protocol, expired_messages_are_not_replayed)
{
    publisher.sends(publish("news/1", "short").with(property_id::message_expiry_interval, 10));
    publishes("news/1", "long");
    broker.advance(11s);
    client.sends(asks("news/1", 0, "history", "10")).expects(grants(0, "0.1"));
    client.expects(at(2, "news/1", "long")).expects_nothing();
}

TEST_F(history_protocol, other_shards_have_the_same_history)
{
    mqtt_test_broker two{{.shards = 2, .history = {{{}, "news/#"}}}};
    packet_script writer{two, mqtt_v5, 1};
    packet_script reader{two, mqtt_v5, 0};
    writer.connects(connect("w")).sends(publish("news/1", "1"));
    reader.connects(connect("r")).sends(asks("news/1", 0, "history", "10")).expects(grants(0, "0.0"));
    writer.sends(publish("news/1", "2"));
    reader.expects(at(1, "news/1", "1")).expects(at(2, "news/1", "2")).expects_nothing();
}

}  // namespace
}  // namespace fulmar::test
