// Publishing and receiving through the core, on one shard and across shards.
#include "tests/support/core_broker.hpp"

#include <gmock/gmock.h>

namespace {

using namespace fulmar::broker;
using namespace fulmar::test;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::uint32_t hour = 3600;

// Every combination of shards for publisher and subscriber.
class across_shards : public testing::TestWithParam<std::pair<std::size_t, std::size_t>>
{
protected:
    core_broker broker{3};
    std::size_t const from = GetParam().first;
    std::size_t const to = GetParam().second;
};

INSTANTIATE_TEST_SUITE_P(core, across_shards,
                         testing::Values(std::pair{0U, 0U}, std::pair{0U, 1U}, std::pair{1U, 0U}, std::pair{2U, 1U}));

TEST_P(across_shards, a_publish_reaches_matching_subscribers_in_order_at_every_qos)
{
    for (int const level : {0, 1, 2}) {
        core_client subscriber{broker, to, "s"};
        core_client publisher{broker, from, "p"};
        subscriber.connect().subscribe("a/+", level);
        publisher.connect().publish("a/1", "one", level).publish("b/1", "no", level).publish("a/2", "two", level);
        EXPECT_THAT(subscriber.received, ElementsAre("a/1=one", "a/2=two")) << "QoS " << level;
    }
}

TEST_P(across_shards, nothing_is_missed_from_the_moment_a_subscription_is_answered)  // [MQTT-3.8.4-1], item 100
{
    core_client subscriber{broker, to, "s"};
    subscriber.connect().subscribe("t", 1);
    ASSERT_THAT(subscriber.granted, SizeIs(1));
    broker.publish(from, core_broker::make("t", "x", 1));
    EXPECT_THAT(subscriber.received, ElementsAre("t=x"));
}

TEST_P(across_shards, a_durable_session_receives_what_it_missed_and_then_goes_on_live)
{
    core_client::connect_options const durable{false, hour};
    core_client subscriber{broker, to, "s"};
    subscriber.connect(durable).subscribe("t", 1);
    broker.publish(from, core_broker::make("t", "1", 1));
    subscriber.disconnect();
    broker.publish(from, core_broker::make("t", "2", 1));
    broker.publish(from, core_broker::make("t", "3", 1));
    subscriber.connect(durable);
    EXPECT_TRUE(subscriber.present);
    broker.publish(from, core_broker::make("t", "4", 1));
    EXPECT_THAT(subscriber.received, ElementsAre("t=1", "t=2", "t=3", "t=4"));
}

TEST_P(across_shards, a_session_moves_to_the_shard_of_its_next_connection_and_loses_nothing)
{
    core_client::connect_options const durable{false, hour};
    core_client here{broker, from, "s"};
    core_client there{broker, to, "s"};
    here.connect(durable).subscribe("t", 1).disconnect();
    broker.publish(2, core_broker::make("t", "1", 1));
    there.connect(durable);
    broker.publish(2, core_broker::make("t", "2", 1));
    EXPECT_TRUE(there.present);
    there.disconnect();
    broker.publish(2, core_broker::make("t", "3", 1));
    here.connect(durable);
    EXPECT_THAT(there.received, ElementsAre("t=1", "t=2"));
    EXPECT_THAT(here.received, ElementsAre("t=3"));
}

TEST_P(across_shards, a_second_connection_takes_the_session_over)  // [MQTT-3.1.4-3]
{
    core_client::connect_options const durable{false, hour};
    core_client first{broker, from, "s"};
    core_client second{broker, to, "s"};
    first.connect(durable).subscribe("t", 1);
    second.connect(durable);
    EXPECT_EQ(first.ended, session_end::taken_over);
    EXPECT_FALSE(first.online());
    EXPECT_TRUE(second.present);
    broker.publish(0, core_broker::make("t", "x", 1));
    EXPECT_THAT(second.received, ElementsAre("t=x"));
    EXPECT_THAT(first.received, IsEmpty());
}

TEST_P(across_shards, the_session_of_another_user_cannot_be_taken)
{
    core_client owner{broker, from, "s"};
    core_client thief{broker, to, "s"};
    owner.connect({false, hour, 65'535, std::nullopt, "alice"});
    thief.connect({false, hour, 65'535, std::nullopt, "mallory"});
    EXPECT_EQ(thief.refused, errc::not_authorized);
    EXPECT_TRUE(owner.online());
}

TEST_P(across_shards, each_message_of_a_shared_subscription_goes_to_one_member)
{
    core_client one{broker, from, "one"};
    core_client two{broker, to, "two"};
    one.connect().subscribe("$share/g/t", 1);
    two.connect().subscribe("$share/g/t", 1);
    for (int i = 0; i < 10; ++i)
        broker.publish(0, core_broker::make("t", std::to_string(i), 1));
    EXPECT_THAT(one.received, SizeIs(5));
    EXPECT_THAT(two.received, SizeIs(5));
}

TEST_P(across_shards, what_a_member_did_not_acknowledge_goes_to_another_when_it_leaves)  // item 98
{
    core_client leaving{broker, from, "leaving"};
    core_client staying{broker, to, "staying"};
    leaving.acknowledges = false;
    leaving.connect().subscribe("$share/g/t", 1);
    broker.publish(0, core_broker::make("t", "1", 1));
    broker.publish(0, core_broker::make("t", "2", 1));
    ASSERT_THAT(leaving.received, SizeIs(2));
    staying.connect().subscribe("$share/g/t", 1);
    leaving.disconnect();
    EXPECT_THAT(staying.received, ElementsAre("t=1", "t=2"));
}

TEST_P(across_shards, a_durable_shared_subscription_keeps_messages_while_all_members_are_away)
{
    core_client::connect_options const durable{false, hour};
    core_client member{broker, from, "m"};
    member.connect(durable).subscribe("$share/g/t", 1).disconnect();
    broker.publish(to, core_broker::make("t", "1", 1));
    broker.publish(to, core_broker::make("t", "2", 1));
    member.connect(durable);
    EXPECT_THAT(member.received, ElementsAre("t=1", "t=2"));
}

TEST_P(across_shards, an_ungraceful_end_publishes_the_will)  // [MQTT-3.1.2-8]
{
    core_client watcher{broker, to, "w"};
    watcher.connect().subscribe("gone", 1);
    core_client dying{broker, from, "d"};
    will_record will;
    will.topic = "gone";
    will.payload = "d";
    will.level = qos::at_least_once;
    dying.connect({true, 0, 65'535, will, {}});
    dying.disconnect(true);
    EXPECT_THAT(watcher.received, ElementsAre("gone=d"));
}

// --- one shard ---------------------------------------------------------------------------------------

TEST(core_delivery, a_durable_publish_is_acknowledged_only_after_the_commit)
{
    core_broker broker;
    core_client subscriber{broker, 0, "s"};
    core_client publisher{broker, 0, "p"};
    subscriber.connect({false, hour}).subscribe("t", 1);
    publisher.connect();
    broker.store.hold();
    publisher.publish("t", "x", 1).publish("other", "y", 1);
    EXPECT_THAT(publisher.answers, IsEmpty()) << "the answer to the second would overtake the first [MQTT-4.6.0-2]";
    EXPECT_THAT(subscriber.received, IsEmpty());
    broker.store.confirm_all();
    broker.settle();
    EXPECT_THAT(publisher.answers, ElementsAre("puback 1", "puback 2"));
    EXPECT_THAT(subscriber.received, ElementsAre("t=x"));
    broker.store.release();
}

TEST(core_delivery, a_publish_that_nobody_durable_wants_is_acknowledged_at_once)
{
    core_broker broker;
    core_client publisher{broker, 0, "p"};
    publisher.connect();
    broker.store.hold();
    publisher.publish("t", "x", 1);
    EXPECT_THAT(publisher.answers, ElementsAre("puback 1"));
    broker.store.release();
}

TEST(core_delivery, a_failed_commit_is_told_to_the_publisher)
{
    core_broker broker;
    core_client subscriber{broker, 0, "s"};
    core_client publisher{broker, 0, "p"};
    subscriber.connect({false, hour}).subscribe("t", 1);
    publisher.connect();
    broker.store.fail_next(errc::store_failed);
    publisher.publish("t", "x", 1);
    ASSERT_THAT(publisher.answers, SizeIs(1));
    EXPECT_EQ(publisher.answers[0], "puback 1 " + make_error_code(errc::store_failed).message());
    EXPECT_THAT(subscriber.received, IsEmpty());
}

TEST(core_delivery, the_receive_maximum_of_a_client_is_never_exceeded)  // [MQTT-3.3.4-9]
{
    core_broker broker;
    core_client subscriber{broker, 0, "s"};
    subscriber.acknowledges = false;
    subscriber.connect({true, 0, 2}).subscribe("t", 1);
    for (int i = 1; i <= 5; ++i)
        broker.publish(0, core_broker::make("t", std::to_string(i), 1));
    EXPECT_THAT(subscriber.received, ElementsAre("t=1", "t=2"));
    subscriber.acknowledge_everything();
    EXPECT_THAT(subscriber.received, ElementsAre("t=1", "t=2", "t=3", "t=4"));
}

TEST(core_delivery, a_slow_durable_session_reads_from_the_log_and_joins_the_stream_without_gap_or_repetition)
{
    limits few;
    few.durable_pending_messages = 4;
    core_broker broker{1, few};
    core_client subscriber{broker, 0, "s"};
    subscriber.acknowledges = false;
    subscriber.connect({false, hour, 3}).subscribe("t", 1);
    std::vector<std::string> expected;
    for (int i = 0; i < 200; ++i) {
        broker.publish(0, core_broker::make("t", std::to_string(i), 1));
        expected.push_back("t=" + std::to_string(i));
        if (i % 7 == 0)
            subscriber.acknowledge_everything();
    }
    while (subscriber.received.size() < expected.size()) {
        auto const before = subscriber.received.size();
        subscriber.acknowledge_everything();
        ASSERT_GT(subscriber.received.size(), before) << "stuck";
    }
    EXPECT_EQ(subscriber.received, expected);
}

TEST(core_delivery, a_slow_ephemeral_session_is_closed_when_its_memory_limit_is_reached)
{
    limits few;
    few.session_pending_messages = 10;
    core_broker broker{1, few};
    core_client subscriber{broker, 0, "s"};
    subscriber.acknowledges = false;
    subscriber.connect({true, 0, 1}).subscribe("t", 1);
    for (int i = 0; i < 12; ++i)
        broker.publish(0, core_broker::make("t", "x", 1));
    EXPECT_EQ(subscriber.ended, session_end::slow_consumer);
    EXPECT_GT(broker.dropped(drop_reason::session_ended), 0U);
}

TEST(core_delivery, unacknowledged_messages_are_sent_again_with_their_identifiers)  // [MQTT-4.4.0-1]
{
    core_broker broker;
    core_client subscriber{broker, 0, "s"};
    subscriber.acknowledges = false;
    subscriber.connect({false, hour}).subscribe("t", 1);
    broker.publish(0, core_broker::make("t", "1", 1));
    broker.publish(0, core_broker::make("t", "2", 1));
    auto const ids = subscriber.ids;
    subscriber.disconnect();
    subscriber.received.clear();
    subscriber.ids.clear();
    subscriber.connect({false, hour});
    EXPECT_THAT(subscriber.received, ElementsAre("+t=1", "+t=2"));
    EXPECT_EQ(subscriber.ids, ids);
}

TEST(core_delivery, after_a_kill_everything_acknowledged_to_the_publisher_reaches_the_session)
{
    core_broker broker;
    {
        core_client subscriber{broker, 0, "s"};
        core_client publisher{broker, 0, "p"};
        subscriber.connect({false, hour}).subscribe("t", 1).disconnect();
        publisher.connect().publish("t", "1", 1).publish("t", "2", 2);
        EXPECT_THAT(publisher.answers, ElementsAre("puback 1", "pubrec 2"));
    }
    broker.kill_and_restart();
    core_client subscriber{broker, 0, "s"};
    subscriber.connect({false, hour});
    EXPECT_TRUE(subscriber.present);
    EXPECT_THAT(subscriber.received, ElementsAre("t=1", "t=2"));
}

TEST(core_delivery,
     a_repeated_qos2_publish_is_answered_again_and_not_routed_even_after_a_restart)  // [MQTT-4.3.3-10], item 69
{
    core_broker broker;
    auto const publish_seven = [&](core_client& publisher) {
        publisher.session().publish(core_broker::make("t", "x", 2), 7);
        broker.settle();
    };
    {
        core_client subscriber{broker, 0, "s"};
        core_client publisher{broker, 0, "p"};
        subscriber.connect({false, hour}).subscribe("t", 1);
        publisher.connect({false, hour});
        publish_seven(publisher);
        publish_seven(publisher);
        EXPECT_THAT(publisher.answers, ElementsAre("pubrec 7", "pubrec 7"));
        EXPECT_THAT(subscriber.received, ElementsAre("t=x"));
        broker.advance(std::chrono::seconds{1});
    }
    broker.kill_and_restart();
    core_client subscriber{broker, 0, "s"};
    core_client publisher{broker, 0, "p"};
    subscriber.connect({false, hour});
    publisher.connect({false, hour});
    publish_seven(publisher);
    publisher.session().release(7);
    broker.settle();
    EXPECT_THAT(publisher.answers, ElementsAre("pubrec 7", "pubcomp 7"));
    publish_seven(publisher);  // the identifier is free again: a new message [MQTT-4.3.2-5]
    EXPECT_THAT(subscriber.received, ElementsAre("t=x"));
}

TEST(core_delivery, a_qos2_message_is_delivered_once_although_the_broker_dies_between_any_two_packets)
{
    core_broker broker;
    {
        core_client subscriber{broker, 0, "s"};
        subscriber.acknowledges = false;
        subscriber.connect({false, hour}).subscribe("t", 2);
        broker.publish(0, core_broker::make("t", "x", 2));
        ASSERT_THAT(subscriber.ids, ElementsAre(1));
        (void)subscriber.session().acknowledge(acknowledgement::pubrec, 1, false);
        broker.settle();
        EXPECT_THAT(subscriber.answers, ElementsAre("pubrel 1"));
    }
    broker.kill_and_restart();
    core_client subscriber{broker, 0, "s"};
    subscriber.connect({false, hour});
    EXPECT_THAT(subscriber.received, IsEmpty()) << "PUBLISH must not follow PUBREL [MQTT-4.3.3-6]";
    EXPECT_THAT(subscriber.answers, ElementsAre("pubrel 1"));
    subscriber.disconnect();
    broker.kill_and_restart();
    core_client again{broker, 0, "s"};
    again.connect({false, hour});
    EXPECT_THAT(again.received, IsEmpty());
    EXPECT_THAT(again.answers, IsEmpty());
}

TEST(core_delivery, a_session_expires_after_its_interval_also_across_a_restart)  // [MQTT-3.1.2-23], item 34
{
    core_broker broker;
    {
        core_client subscriber{broker, 0, "s"};
        subscriber.connect({false, 60}).subscribe("t", 1);
    }
    broker.advance(std::chrono::seconds{59});
    broker.kill_and_restart();
    EXPECT_TRUE(broker.store.session("s").has_value());
    broker.advance(std::chrono::seconds{2});
    EXPECT_FALSE(broker.store.session("s").has_value());
    core_client subscriber{broker, 0, "s"};
    subscriber.connect({false, 60});
    EXPECT_FALSE(subscriber.present);
}

TEST(core_delivery, a_delayed_will_is_cancelled_by_a_new_connection_and_fires_otherwise)  // [MQTT-3.1.3-9]
{
    core_broker broker;
    core_client watcher{broker, 0, "w"};
    watcher.connect().subscribe("gone", 1);
    will_record will;
    will.topic = "gone";
    will.payload = "d";
    will.delay_s = 10;
    core_client dying{broker, 0, "d"};
    dying.connect({false, hour, 65'535, will, {}});
    dying.disconnect(true);
    broker.advance(std::chrono::seconds{9});
    dying.connect({false, hour, 65'535, will, {}});
    broker.advance(std::chrono::seconds{9});
    EXPECT_THAT(watcher.received, IsEmpty());
    dying.disconnect(true);
    broker.advance(std::chrono::seconds{11});
    EXPECT_THAT(watcher.received, ElementsAre("gone=d"));
}

TEST(core_delivery, retained_messages_follow_a_subscription_and_an_empty_one_removes_them)  // [MQTT-3.3.1-5..-7]
{
    core_broker broker{2};
    broker.publish(0, core_broker::make("t/1", "one", 1, true));
    broker.publish(1, core_broker::make("t/2", "two", 1, true));
    core_client subscriber{broker, 1, "s"};
    subscriber.connect().subscribe("t/#", 1);
    EXPECT_THAT(subscriber.received, testing::UnorderedElementsAre("!t/1=one", "!t/2=two"));
    broker.publish(0, core_broker::make("t/1", "", 1, true));
    core_client late{broker, 0, "l"};
    late.connect().subscribe("t/#", 0);
    EXPECT_THAT(late.received, ElementsAre("!t/2=two"));
    EXPECT_EQ(subscriber.received.back(), "t/1=") << "the empty message itself is delivered live";
}

TEST(core_delivery, ten_thousand_retained_messages_respect_the_window)  // item 82
{
    core_broker broker;
    for (int i = 0; i < 10'000; ++i)
        broker.shard(0).routes().publish({core_broker::make("t/" + std::to_string(i), "x", 1, true), {}, 0, {}, 0});
    broker.settle();
    core_client subscriber{broker, 0, "s"};
    subscriber.connect({true, 0, 10}).subscribe("#", 1);
    EXPECT_THAT(subscriber.received, SizeIs(10'000));
}

TEST(core_delivery, nothing_follows_an_unsubscribe)  // [MQTT-3.10.4-2]
{
    core_broker broker;
    core_client subscriber{broker, 0, "s"};
    subscriber.acknowledges = false;
    subscriber.connect({false, hour, 1}).subscribe("t", 1);
    for (int i = 1; i <= 3; ++i)
        broker.publish(0, core_broker::make("t", std::to_string(i), 1));
    subscriber.unsubscribe("t");
    subscriber.acknowledge_everything();
    EXPECT_THAT(subscriber.received, ElementsAre("t=1"));
    EXPECT_EQ(broker.store.session("s")->subscriptions.size(), 0U);
}

TEST(core_delivery, messages_that_retention_removed_are_counted_as_lost)
{
    core_broker broker;
    core_client subscriber{broker, 0, "s"};
    subscriber.connect({false, hour}).subscribe("t", 1).disconnect();
    for (int i = 1; i <= 4; ++i)
        broker.publish(0, core_broker::make("t", std::to_string(i), 1));
    broker.store.trim_to(2);
    subscriber.connect({false, hour});
    EXPECT_THAT(subscriber.received, ElementsAre("t=3", "t=4"));
    EXPECT_EQ(broker.dropped(drop_reason::retention), 2U);
}

}  // namespace
