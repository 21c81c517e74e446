// The checks that make a measurement a proof: they must notice what they are there for.
#include "bench/load/order_check.hpp"
#include "bench/load/publisher.hpp"
#include "bench/load/stamp.hpp"

#include <gtest/gtest.h>

namespace fulmar::load {
namespace {

using verdict = stream_check::verdict;

TEST(stamp, survives_the_way_and_notices_every_changed_byte)
{
    for (std::size_t const size : {24U, 25U, 31U, 64U, 100U, 1024U}) {
        auto payload = blank_payload(size, 1);
        write_stamp(payload, {7, 1'234'567'890'123, -5});
        stamp read;
        ASSERT_TRUE(read_stamp(payload, size, read));
        EXPECT_EQ(read.publisher, 7U);
        EXPECT_EQ(read.sequence, 1'234'567'890'123U);
        EXPECT_EQ(read.sent_at_ns, -5);
        for (std::size_t i = 0; i < size; ++i) {
            auto changed = payload;
            changed[i] = static_cast<char>(changed[i] ^ 0x10);
            EXPECT_FALSE(read_stamp(changed, size, read)) << "byte " << i << " of " << size;
        }
        EXPECT_FALSE(read_stamp(std::string_view{payload}.substr(1), size, read));
        EXPECT_FALSE(read_stamp(payload + "x", size, read));
    }
}

TEST(stamp, notices_swapped_words)
{
    auto payload = blank_payload(256, 1);
    write_stamp(payload, {1, 2, 3});
    stamp read;
    for (std::size_t i = 28; i + 40 <= 256; i += 8) {
        auto changed = payload;
        changed.replace(i, 8, payload.substr(i + 32, 8));
        changed.replace(i + 32, 8, payload.substr(i, 8));
        EXPECT_FALSE(changed != payload && read_stamp(changed, 256, read)) << i;
    }
}

TEST(stream_check, finds_nothing_wrong_with_a_whole_stream)
{
    stream_check stream;
    order_faults faults;
    for (std::uint64_t i = 0; i < 100; ++i)
        EXPECT_EQ(stream.note(i, faults), verdict::expected);
    stream.finish(100, faults);
    EXPECT_EQ(faults.missing + faults.duplicates + faults.reordered, 0U);
}

TEST(stream_check, counts_a_loss_in_the_middle_and_one_at_the_end)
{
    stream_check stream;
    order_faults faults;
    EXPECT_EQ(stream.note(0, faults), verdict::expected);
    EXPECT_EQ(stream.note(3, faults), verdict::early);
    stream.finish(6, faults);
    EXPECT_EQ(faults.missing, 4U);
    EXPECT_EQ(faults.duplicates, 0U);
}

TEST(stream_check, tells_a_duplicate_from_a_late_message)
{
    stream_check stream;
    order_faults faults;
    for (auto const sequence : {0U, 1U, 3U})
        (void)stream.note(sequence, faults);
    EXPECT_EQ(stream.note(2, faults), verdict::late);
    EXPECT_EQ(stream.note(2, faults), verdict::duplicate);
    EXPECT_EQ(stream.note(1, faults), verdict::duplicate);
    EXPECT_EQ(stream.note(4, faults), verdict::expected);
    EXPECT_EQ(faults.missing, 0U);
    EXPECT_EQ(faults.reordered, 1U);
    EXPECT_EQ(faults.duplicates, 2U);
}

publisher_settings settings_with(std::uint8_t qos, std::size_t window, std::uint32_t receivers, bool by_ack)
{
    publisher_settings settings;
    settings.topic = "t";
    settings.qos = qos;
    settings.window = window;
    settings.receivers = receivers;
    settings.window_by_ack = by_ack;
    return settings;
}

struct publisher_window : testing::Test
{
    swarm all{broker_address{}};
    client connection;
};

TEST_F(publisher_window, holds_what_some_receiver_has_not_got)
{
    publisher p{settings_with(0, 2, 2, false), connection};
    p.publish(all, 0);
    p.publish(all, 0);
    EXPECT_FALSE(p.may_publish());
    EXPECT_FALSE(p.on_received(0));
    EXPECT_FALSE(p.on_received(1));
    EXPECT_FALSE(p.on_received(1));  // 1 is complete, but 0 is not
    EXPECT_FALSE(p.may_publish());
    EXPECT_TRUE(p.on_received(0));
    EXPECT_TRUE(p.may_publish());
    EXPECT_EQ(p.complete(), 2U);
}

TEST_F(publisher_window, of_a_durable_publisher_holds_what_is_not_acknowledged)
{
    publisher p{settings_with(1, 3, 1, true), connection};
    for (int i = 0; i < 3; ++i)
        p.publish(all, 100);
    EXPECT_FALSE(p.may_publish());
    EXPECT_EQ(p.on_acknowledged(1, 150), 50);
    EXPECT_TRUE(p.may_publish());
    EXPECT_EQ(p.on_acknowledged(1, 150), -1);  // twice
    EXPECT_EQ(p.on_acknowledged(9, 150), -1);  // never sent
    EXPECT_EQ(p.unacknowledged(), 2U);
}

TEST_F(publisher_window, packet_identifiers_go_round)
{
    publisher p{settings_with(1, 1, 1, true), connection};
    for (std::uint64_t i = 0; i < 200'000; ++i) {
        ASSERT_TRUE(p.may_publish());
        p.publish(all, 0);
        ASSERT_GE(p.on_acknowledged(static_cast<std::uint16_t>(i % 65'534 + 1), 1), 0) << i;
    }
    EXPECT_EQ(p.unacknowledged(), 0U);
}

}  // namespace
}  // namespace fulmar::load
