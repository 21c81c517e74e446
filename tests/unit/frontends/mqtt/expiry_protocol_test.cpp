// Message expiry, also against QoS 2: the whole table. Item numbers are those of the checklist in
// docs/protocols/mqtt.md.
#include "tests/support/packet_script.hpp"

#include <gtest/gtest.h>

namespace fulmar::test {
namespace {

using namespace std::chrono_literals;

constexpr auto expiry_of_message = property_id::message_expiry_interval;

enum class stage { not_started, published, released };

struct expiry_case
{
    std::uint8_t level;
    stage reached;  // before the client goes away
    bool expired;   // before it returns
    bool restart;   // of the broker, while it is away
};

struct expiry_matrix : testing::TestWithParam<expiry_case>
{
};

TEST_P(expiry_matrix, item_073_expiry_ends_what_was_not_started_and_nothing_else)  // [MQTT-3.3.2-5, 4.3.3-7, -13]
{
    auto const& row = GetParam();
    mqtt_test_broker broker;
    packet_script sender{broker};
    sender.connects(connect("sender"));
    auto const message = [&] {
        auto packet = publish("a", "x").with(expiry_of_message, 10);
        return row.level == 1 ? packet.qos1(1) : packet.qos2(1);
    };
    {
        packet_script first{broker};
        first.connects(connect("client").expiry(1000)).subscribes("a", 2);
        if (row.reached == stage::not_started)
            first.loses_connection();
        sender.sends(message());
        if (row.reached != stage::not_started) {
            EXPECT_EQ(first.next().payload, "x");
            if (row.reached == stage::released)
                first.sends(pubrec(1)).expects(pubrel(1));
            first.loses_connection();
        }
    }
    if (row.restart)
        broker.kill_and_restart();
    broker.advance(row.expired ? 11s : 4s);
    packet_script again{broker};
    again.connects(connect("client").resuming().expiry(1000));
    if (row.reached == stage::released) {
        again.expects(pubrel(1)).sends(pubcomp(1));
    } else if (row.reached == stage::published && row.level == 2) {
        auto const seen = again.next();
        EXPECT_EQ(seen.payload, "x");
        EXPECT_EQ(seen.id, 1);
        EXPECT_TRUE(seen.duplicate);
        again.sends(pubrec(1)).expects(pubrel(1)).sends(pubcomp(1));
    } else if (!row.expired) {
        auto const seen = again.next();
        ASSERT_NE(seen.find(expiry_of_message), nullptr);
        EXPECT_EQ(seen.find(expiry_of_message)->number, 6U);
    }
    if (row.level == 2 || !row.expired || row.reached == stage::not_started)
        again.expects_nothing();  // a started QoS 1 message that expired may come again or not
}

std::vector<expiry_case> expiry_cases()
{
    std::vector<expiry_case> rows;
    for (bool const expired : {false, true})
        for (bool const restart : {false, true}) {
            rows.push_back({1, stage::not_started, expired, restart});
            rows.push_back({1, stage::published, expired, restart});
            rows.push_back({2, stage::not_started, expired, restart});
            rows.push_back({2, stage::published, expired, restart});
            rows.push_back({2, stage::released, expired, restart});
        }
    return rows;
}

INSTANTIATE_TEST_SUITE_P(expiry_protocol, expiry_matrix, testing::ValuesIn(expiry_cases()));

struct expiry_protocol : testing::Test
{
    mqtt_test_broker broker;
    packet_script sender{broker};
    void SetUp() override { sender.connects(connect("sender")); }
};

TEST_F(expiry_protocol, item_073_as_a_receiver_we_finish_the_handshake_of_an_expired_message)  // [MQTT-4.3.3-13]
{
    sender.sends(publish("a", "x").qos2(1).with(expiry_of_message, 1))
        .expects(pubrec(1, reason_code::no_matching_subscribers));
    broker.advance(1h);
    sender.sends(publish("a", "x").qos2(1).dup().with(expiry_of_message, 1));
    EXPECT_EQ(sender.next().type, packet_type::pubrec);
    sender.sends(pubrel(1)).expects(pubcomp(1));
}

TEST_F(expiry_protocol, item_073_a_message_that_waits_for_quota_can_expire)
{
    packet_script slow{broker};
    slow.connects(connect("slow").with(property_id::receive_maximum, 1)).subscribes("a", 2);
    sender.sends(publish("a", "1").qos1(1))
        .sends(publish("a", "2").qos2(2).with(expiry_of_message, 5))
        .sends(publish("a", "3").qos1(3));
    slow.expects(publish("a", "1").qos1(1)).expects_nothing();
    broker.advance(6s);
    slow.sends(puback(1));
    EXPECT_EQ(slow.next().payload, "3");
    EXPECT_EQ(broker.dropped(broker::drop_reason::expired), 1U);
}

TEST_F(expiry_protocol, item_074_the_time_spent_waiting_is_subtracted)  // [MQTT-3.3.2-6]
{
    sender.sends(publish("r", "x").retained().with(expiry_of_message, 10));
    broker.advance(4s);
    packet_script reader{broker};
    reader.connects(connect("reader")).subscribes("r", 0);
    reader.expects(publish("r", "x").retained().with(expiry_of_message, 6));
    broker.advance(5'900ms);
    reader.subscribes("r", 0).expects(publish("r", "x").retained().with(expiry_of_message, 1));  // never 0
}

TEST_F(expiry_protocol, item_075_an_expiry_of_zero_means_now_or_never)
{
    packet_script here{broker};
    here.connects(connect("here")).subscribes("a", 1);
    {
        packet_script away{broker};
        away.connects(connect("away").expiry(100)).subscribes("a", 1).loses_connection();
    }
    sender.sends(publish("a", "x").qos1(1).with(expiry_of_message, std::uint32_t{0})).expects(puback(1));
    EXPECT_EQ(here.next().payload, "x");
    broker.advance(1s);
    packet_script back{broker};
    back.connects(connect("away").resuming().expiry(100)).expects_nothing();
}

}  // namespace
}  // namespace fulmar::test
