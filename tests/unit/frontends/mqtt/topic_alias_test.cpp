#include "frontends/mqtt/topic_alias.hpp"

#include <gtest/gtest.h>

namespace fulmar::mqtt {
namespace {

TEST(mqtt_topic_alias, item_059_alias_zero_or_above_the_maximum_is_invalid)  // [MQTT-3.3.2-8, -9]
{
    inbound_aliases aliases{10};
    std::string_view topic = "a";
    EXPECT_EQ(aliases.resolve(0, topic), reason_code::topic_alias_invalid);
    EXPECT_EQ(aliases.resolve(11, topic), reason_code::topic_alias_invalid);
    EXPECT_EQ(aliases.resolve(10, topic), reason_code::success);
    inbound_aliases none{0};
    EXPECT_EQ(none.resolve(1, topic), reason_code::topic_alias_invalid);
}

TEST(mqtt_topic_alias, item_059_an_empty_topic_with_an_unbound_alias_is_a_protocol_error)
{
    inbound_aliases aliases{10};
    std::string_view topic;
    EXPECT_EQ(aliases.resolve(1, topic), reason_code::protocol_error);
    std::string_view other = "x";
    EXPECT_EQ(aliases.resolve(5, other), reason_code::success);
    EXPECT_EQ(aliases.resolve(3, topic), reason_code::protocol_error) << "below a bound one";
}

TEST(mqtt_topic_alias, item_059_a_bound_alias_stands_for_its_topic_until_it_is_bound_again)
{
    inbound_aliases aliases{10};
    std::string first = "room/1";
    std::string_view topic = first;
    ASSERT_EQ(aliases.resolve(2, topic), reason_code::success);
    EXPECT_EQ(topic, "room/1");
    first.assign("XXXXXX");  // the table keeps its own copy
    topic = {};
    ASSERT_EQ(aliases.resolve(2, topic), reason_code::success);
    EXPECT_EQ(topic, "room/1");
    topic = "room/2";
    ASSERT_EQ(aliases.resolve(2, topic), reason_code::success);
    topic = {};
    ASSERT_EQ(aliases.resolve(2, topic), reason_code::success);
    EXPECT_EQ(topic, "room/2");
}

TEST(mqtt_topic_alias, item_060_each_direction_has_its_own_table)  // [MQTT-3.3.2-7]
{
    inbound_aliases in{4};
    outbound_aliases out{4};
    std::string_view topic = "from/client";
    ASSERT_EQ(in.resolve(1, topic), reason_code::success);
    EXPECT_FALSE(out.choose("from/client").bound);
}

TEST(mqtt_topic_alias, item_115_the_first_use_carries_the_topic_and_later_ones_only_the_alias)  // [MQTT-3.3.2-12]
{
    outbound_aliases aliases{2};
    auto const first = aliases.choose("a");
    EXPECT_EQ(first.alias, 1);
    EXPECT_FALSE(first.bound);
    aliases.sent(first, "a");
    auto const second = aliases.choose("a");
    EXPECT_EQ(second.alias, 1);
    EXPECT_TRUE(second.bound);
}

TEST(mqtt_topic_alias, item_115_the_clients_maximum_is_never_exceeded)  // [MQTT-3.1.2-26, 3.3.2-11]
{
    outbound_aliases aliases{2};
    for (auto const* const topic : {"a", "b", "c"})
        aliases.sent(aliases.choose(topic), topic);
    EXPECT_EQ(aliases.choose("a").alias, 1);
    EXPECT_EQ(aliases.choose("b").alias, 2);
    EXPECT_EQ(aliases.choose("c").alias, 0);
    outbound_aliases none{0};  // [MQTT-3.1.2-27]
    EXPECT_EQ(none.choose("a").alias, 0);
}

TEST(mqtt_topic_alias, item_115_a_dropped_message_leaves_no_alias_bound)
{
    outbound_aliases aliases{2};
    (void)aliases.choose("dropped");  // too large, never sent
    auto const next = aliases.choose("kept");
    EXPECT_EQ(next.alias, 1);
    aliases.sent(next, "kept");
    EXPECT_FALSE(aliases.choose("dropped").bound);
}

}  // namespace
}  // namespace fulmar::mqtt
