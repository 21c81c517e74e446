// Sessions that outlive connections: the whole matrix. Item numbers are those of the checklist in
// docs/protocols/mqtt.md.
#include "tests/support/packet_script.hpp"

#include <gtest/gtest.h>

namespace fulmar::test {
namespace {

using namespace std::chrono_literals;

enum class ending { disconnect, lost, killed };

struct resume_case
{
    protocol_version version;
    bool clean_before;
    std::uint32_t expiry_s;  // v5
    ending end;
    std::chrono::seconds away;
    bool clean_after;
    bool present;
};

struct resume_matrix : testing::TestWithParam<resume_case>
{
};

scripted_packet connect_as(protocol_version version, bool clean, std::uint32_t expiry_s)
{
    auto packet = connect("client");
    if (!clean)
        packet.resuming();
    if (version == mqtt_v5 && expiry_s != 0)
        packet.expiry(expiry_s);
    return packet;
}

TEST_P(resume_matrix, items_031_034_session_present_is_the_truth)  // [MQTT-3.2.2-2, -3, 3.1.2-23, 4.1.0-2]
{
    auto const& row = GetParam();
    mqtt_test_broker broker;
    {
        packet_script first{broker, row.version};
        first.connects(connect_as(row.version, row.clean_before, row.expiry_s)).subscribes("a", 1);
        broker.advance(1h);  // expiry counts from the end of the connection, not from its beginning
        if (row.end == ending::disconnect)
            first.sends(disconnect()).expects_closed();
        else if (row.end == ending::lost)
            first.loses_connection();
        else
            broker.kill_and_restart();
    }
    packet_script publisher{broker};
    publisher.connects(connect("publisher")).sends(publish("a", "missed").qos1(1));
    broker.advance(row.away);
    packet_script again{broker, row.version};
    auto const answer = again.sends(connect_as(row.version, row.clean_after, row.expiry_s)).next();
    EXPECT_EQ(answer.reason, 0);
    EXPECT_EQ(answer.session_present, row.present && row.version != mqtt_v31);  // MQTT 3.1 has no such flag
    if (row.present)
        again.expects(publish("a", "missed").qos1(1));
    again.expects_nothing();
    if (!row.present) {  // and nothing of it is left
        publisher.sends(publish("a", "later").qos1(2));
        again.expects_nothing();
        if (row.clean_after || row.expiry_s == 0) {
            EXPECT_LE(broker.store.sessions().size(), 1U);
        }
    }
}

std::vector<resume_case> resume_cases()
{
    std::vector<resume_case> rows;
    for (auto const end : {ending::disconnect, ending::lost, ending::killed}) {
        for (bool const clean_before : {true, false}) {
            rows.push_back({mqtt_v5, clean_before, 0, end, 0s, false, false});
            rows.push_back({mqtt_v5, clean_before, 100, end, 99s, false, true});
            rows.push_back({mqtt_v5, clean_before, 100, end, 101s, false, false});
            rows.push_back({mqtt_v5, clean_before, 100, end, 50s, true, false});
            rows.push_back({mqtt_v5, clean_before, 0xFFFFFFFF, end, 6 * 24h, false, true});
        }
        for (auto const version : {mqtt_v311, mqtt_v31}) {
            rows.push_back({version, true, 0, end, 0s, false, false});
            rows.push_back({version, false, 0, end, 24h, false, true});
            rows.push_back({version, false, 0, end, 24h, true, false});
            rows.push_back({version, false, 0, end, 8 * 24h, false, false});  // limits::session_expiry_max_s
        }
    }
    return rows;
}

INSTANTIATE_TEST_SUITE_P(session_resume_protocol, resume_matrix, testing::ValuesIn(resume_cases()));

struct session_resume_protocol : testing::Test
{
    mqtt_test_broker broker;
    packet_script publisher{broker};

    void SetUp() override { publisher.connects(connect("publisher").expiry(10'000)); }

    void publishes(std::string const& payload, std::uint8_t level = 1)
    {
        auto const id = ++last_id;
        auto packet = publish("a", payload);
        if (level == 1)
            publisher.sends(packet.qos1(id));
        else
            publisher.sends(packet.qos2(id)).sends(pubrel(id));
        publisher.everything();
    }
    std::uint16_t last_id = 0;

    static scripted_packet resume() { return connect("client").resuming().expiry(1000); }
};

TEST_F(session_resume_protocol, item_033_clean_start_discards_everything_of_the_old_session)  // [MQTT-3.1.2-4]
{
    packet_script watcher{broker};
    watcher.connects(connect("watcher")).subscribes("will", 0);
    {
        packet_script old{broker};
        old.connects(resume().will("will", "delayed").will_delay(100)).subscribes("a", 2).subscribes("$share/g/s", 1);
        publishes("inflight", 2);
        old.expects(publish("a", "inflight").qos2(1)).loses_connection();
    }
    watcher.expects_nothing();
    packet_script fresh{broker};
    auto const answer = fresh.sends(connect("client").expiry(1000)).next();
    EXPECT_FALSE(answer.session_present);
    watcher.expects(publish("will", "delayed"));  // the old session ended, and with it the delay
    publishes("later");
    publisher.sends(publish("s", "shared").qos1(500)).everything();
    fresh.expects_nothing();
    fresh.sends(unsubscribe(1, {"a", "$share/g/s"})).expects(unsuback(1, {0x11, 0x11}));
}

TEST_F(session_resume_protocol,
       a_clean_start_is_confirmed_when_the_store_has_forgotten_the_old_session)  // [MQTT-3.1.2-4]
{
    for (auto const still_connected : {false, true}) {
        packet_script old{broker};
        old.connects(resume()).subscribes("a", 1);
        if (!still_connected)
            old.loses_connection();
        broker.store.hold();
        packet_script fresh{broker};
        fresh.sends(connect("client").expiry(1000)).expects_nothing();
        broker.store.confirm_all();
        EXPECT_FALSE(fresh.next().session_present);
        broker.store.release();
        fresh.sends(disconnect().with(property_id::session_expiry_interval, std::uint32_t{0})).expects_closed();
    }
}

TEST_F(session_resume_protocol,
       item_035_disconnect_can_change_the_expiry_but_not_raise_it_from_zero)  // [MQTT-3.14.2-2]
{
    auto const expiry = property_id::session_expiry_interval;
    {
        packet_script lowered{broker};
        lowered.connects(resume()).sends(disconnect().with(expiry, std::uint32_t{0})).expects_closed();
    }
    {
        packet_script raised{broker};
        auto const answer = raised.sends(connect("client").resuming().expiry(5)).next();
        EXPECT_FALSE(answer.session_present);
        raised.sends(disconnect().with(expiry, 500)).expects_closed();
    }
    broker.advance(499s);
    packet_script back{broker};
    auto const answer = back.sends(connect("client").resuming()).next();
    EXPECT_TRUE(answer.session_present);
    back.sends(disconnect().with(expiry, 5)).expects(disconnect(reason_code::protocol_error)).expects_closed();
}

TEST_F(session_resume_protocol,
       items_030_105_106_unacknowledged_publishes_come_again_with_dup_after_connack)  // [MQTT-4.4.0-1, 3.3.1-1]
{
    for (bool const restart : {false, true}) {
        packet_script first{broker};
        first.connects(connect("client").expiry(1000)).subscribes("a", 2);
        publishes("1", 1);
        publishes("2", 2);
        publishes("3", 2);
        publishes("4", 1);
        first.expects(publish("a", "1").qos1(1)).expects(publish("a", "2").qos2(2)).expects(publish("a", "3").qos2(3));
        first.expects(publish("a", "4").qos1(4)).sends(pubrec(2)).expects(pubrel(2));
        broker.advance(1h);
        first.expects_nothing();  // never again while connected
        if (restart) {
            broker.kill_and_restart();
        } else {
            first.loses_connection();
        }
        packet_script again{broker};
        auto const answer = again.sends(resume()).next();
        EXPECT_EQ(answer.type, packet_type::connack);
        EXPECT_TRUE(answer.session_present);
        auto seen = again.everything();
        ASSERT_EQ(seen.size(), 4U) << testing::PrintToString(seen);
        auto const release = std::find(seen.begin(), seen.end(), pubrel(2).text(mqtt_v5));
        ASSERT_NE(release, seen.end()) << testing::PrintToString(seen);
        seen.erase(release);
        // A restart forgets which QoS 1 identifiers were used: only QoS 2 must keep them, and DUP of QoS 1 may be lost.
        if (!restart) {
            EXPECT_EQ(seen[0], publish("a", "1").qos1(1).dup().text(mqtt_v5));
            EXPECT_EQ(seen[2], publish("a", "4").qos1(4).dup().text(mqtt_v5));
        }
        EXPECT_NE(seen[0].find("\"1\""), std::string::npos);
        EXPECT_EQ(seen[1], publish("a", "3").qos2(3).dup().text(mqtt_v5));
        EXPECT_NE(seen[2].find("\"4\""), std::string::npos);
        if (restart)
            return;
        again.sends(disconnect().with(property_id::session_expiry_interval, std::uint32_t{0})).expects_closed();
    }
}

TEST_F(session_resume_protocol, a_qos_2_delivery_stays_completed_when_an_older_one_is_acknowledged_after_it)
{
    packet_script first{broker};
    first.connects(connect("client").expiry(1000)).subscribes("a", 2);
    publishes("1", 1);
    publishes("2", 2);
    first.expects(publish("a", "1").qos1(1)).expects(publish("a", "2").qos2(2));
    first.sends(pubrec(2)).expects(pubrel(2)).sends(pubcomp(2)).sends(puback(1)).expects_nothing();
    broker.kill_and_restart();
    packet_script again{broker};
    again.connects(resume());
    again.expects_nothing();
}

TEST_F(session_resume_protocol, qos_2_deliveries_completed_around_a_crash_stay_completed_over_the_next_one)
{
    packet_script first{broker};
    first.connects(connect("client").expiry(1000)).subscribes("a", 2);
    publishes("1", 1);
    publishes("2", 2);
    publishes("3", 2);
    first.expects(publish("a", "1").qos1(1)).expects(publish("a", "2").qos2(2)).expects(publish("a", "3").qos2(3));
    first.sends(pubrec(2)).expects(pubrel(2)).sends(pubcomp(2)).sends(pubrec(3)).expects(pubrel(3));
    broker.kill_and_restart();
    for (auto const answers_release : {true, false}) {
        packet_script again{broker};
        again.connects(resume());
        auto const seen = again.everything();  // the QoS 1 message, and PUBREL until it is answered
        EXPECT_EQ(seen.size(), answers_release ? 2U : 1U) << testing::PrintToString(seen);
        if (answers_release)
            again.sends(pubcomp(3)).expects_nothing();
        broker.kill_and_restart();
    }
}

TEST_F(session_resume_protocol, item_108_order_holds_from_the_queue_to_live_delivery)  // [MQTT-4.6.0-5, -6]
{
    packet_script first{broker};
    first.connects(connect("client").expiry(1000).with(property_id::receive_maximum, 3)).subscribes("a", 2);
    int sent = 0;
    for (int i = 0; i < 5; ++i)
        publishes(std::to_string(++sent), static_cast<std::uint8_t>(1 + i % 2));
    first.loses_connection();
    for (int i = 0; i < 700; ++i)  // more than fit in memory
        publishes(std::to_string(++sent), static_cast<std::uint8_t>(1 + i % 2));
    packet_script again{broker};
    again.connects(resume().with(property_id::receive_maximum, 7));
    int seen_messages = 0;
    int last[3] = {0, 0, 0};  // by QoS: the specification orders each of them
    for (int round = 0; round < 800 && seen_messages < sent; ++round) {
        if (round % 10 == 5 && sent < 750)
            publishes(std::to_string(++sent));
        broker.settle();
        while (auto const seen = take_packet(again.connection().received, mqtt_v5)) {
            if (seen->type == packet_type::pubrel) {
                again.sends(pubcomp(seen->id));
                continue;
            }
            auto const number = std::stoi(seen->payload);
            ASSERT_GT(number, last[seen->level]);
            last[seen->level] = number;
            ++seen_messages;
            again.sends(seen->level == 1 ? puback(seen->id) : pubrec(seen->id));
        }
    }
    EXPECT_EQ(seen_messages, sent);
    again.expects_nothing();
}

TEST_F(session_resume_protocol, item_108_a_restart_keeps_the_order_of_the_queue)
{
    {
        packet_script first{broker};
        first.connects(connect("client").expiry(1000)).subscribes("a", 1).loses_connection();
    }
    for (int i = 0; i < 20; ++i)
        publishes(std::to_string(i));
    broker.kill_and_restart();
    packet_script again{broker};
    again.connects(resume());
    for (std::uint16_t i = 0; i < 20; ++i)
        again.expects(publish("a", std::to_string(i)).qos1(static_cast<std::uint16_t>(i + 1)));
}

TEST(session_resume_protocol_shards, item_109_nothing_is_lost_while_a_session_moves)  // [MQTT-4.5.0-1]
{
    for (int steps = 0; steps < 40; ++steps) {
        mqtt_test_broker broker{{.shards = 3}};
        packet_script publisher{broker, mqtt_v5, 1};
        publisher.connects(connect("publisher"));
        packet_script old{broker, mqtt_v5, 0};
        old.connects(connect("client").expiry(1000)).subscribes("a", 1);
        packet_script fresh{broker, mqtt_v5, 2};
        fresh.connection().feed(connect("client").resuming().expiry(1000).bytes(mqtt_v5));
        for (int i = 0; i < steps; ++i)
            broker.shard(static_cast<std::size_t>(i % 3)).io().restart(),
                broker.shard(static_cast<std::size_t>(i % 3)).io().poll_one();
        publisher.connection().feed(publish("a", "1").qos1(1).bytes(mqtt_v5));
        publisher.connection().feed(publish("a", "2").qos1(2).bytes(mqtt_v5));
        auto const answer = fresh.next();
        EXPECT_TRUE(answer.session_present) << steps;
        EXPECT_EQ(fresh.next().payload, "1") << steps;
        EXPECT_EQ(fresh.next().payload, "2") << steps;
        fresh.expects_nothing();
        publisher.expects(puback(1)).expects(puback(2));
    }
}

TEST_F(session_resume_protocol, item_104_packet_identifiers_wrap_without_zero)  // [MQTT-2.2.1-4]
{
    packet_script client{broker};
    client.connects(connect("client")).subscribes("a", 1);
    std::uint16_t expected = 1;
    for (int i = 0; i < 65'540; ++i) {
        publisher.connection().feed(publish("a", "x").qos1(1).bytes(mqtt_v5));
        broker.settle();
        publisher.connection().received.clear();
        auto const seen = take_packet(client.connection().received, mqtt_v5);
        ASSERT_TRUE(seen);
        ASSERT_EQ(seen->id, expected);
        client.connection().feed(puback(seen->id).bytes(mqtt_v5));
        expected = expected == 65'535 ? std::uint16_t{1} : static_cast<std::uint16_t>(expected + 1);
    }
}

TEST_F(session_resume_protocol, item_112_qos_0_is_not_kept_for_those_who_are_away)
{
    {
        packet_script first{broker};
        first.connects(connect("client").expiry(1000)).subscribes("a", 1).loses_connection();
    }
    publisher.sends(publish("a", "0"));
    publishes("1");
    packet_script again{broker};
    again.connects(resume()).expects(publish("a", "1").qos1(1)).expects_nothing();
}

TEST_F(session_resume_protocol, item_114_a_connected_session_does_not_expire)  // [MQTT-4.1.0-1]
{
    packet_script client{broker};
    client.connects(connect("client").expiry(10)).subscribes("a", 1);
    broker.advance(1h);
    publishes("x");
    client.expects(publish("a", "x").qos1(1));
}

TEST_F(session_resume_protocol, item_113_the_queue_limit_skips_the_oldest_and_counts_them)
{
    mqtt_test_options options;
    options.limits.session_queue_messages = 10;
    mqtt_test_broker small{options};
    packet_script sender{small};
    sender.connects(connect("sender"));
    {
        packet_script first{small};
        first.connects(connect("client").expiry(1000)).subscribes("a", 1).loses_connection();
    }
    for (std::uint16_t i = 1; i <= 25; ++i)
        sender.sends(publish("a", std::to_string(i)).qos1(i)).expects(puback(i));
    packet_script again{small};
    again.connects(resume());
    auto const seen = again.everything();
    EXPECT_EQ(seen.size(), 10U);
    ASSERT_FALSE(seen.empty());
    EXPECT_NE(seen.front().find("\"16\""), std::string::npos) << seen.front();
    EXPECT_EQ(small.dropped(broker::drop_reason::queue_limit), 15U);
}

TEST_F(session_resume_protocol, a_session_belongs_to_the_user_who_made_it)
{
    {
        packet_script first{broker};
        first.connects(connect("client").expiry(1000).login("alice", "")).loses_connection();
    }
    packet_script thief{broker};
    thief.sends(connect("client").resuming().login("bob", ""))
        .expects(connack(reason_code::not_authorized))
        .expects_closed();
    packet_script owner{broker};
    EXPECT_TRUE(owner.sends(connect("client").resuming().login("alice", "")).next().session_present);
}

}  // namespace
}  // namespace fulmar::test
