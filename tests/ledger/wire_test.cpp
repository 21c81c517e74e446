// The ledger's own codec: what it encodes is what the specification says, and packets are found however they are split.

#include "tests/ledger/mqtt_wire.hpp"

#include <gtest/gtest.h>

namespace fulmar::ledger {
namespace {

using namespace std::string_literals;

TEST(ledger_wire, connect_asks_for_a_session_that_lasts)
{
    EXPECT_EQ(encode_connect({.speaks = version::v3_1_1, .client_id = "ab"}),
              "\x10\x0e\x00\x04MQTT\x04\x00\x00\x00\x00\x02"s + "ab");
    EXPECT_EQ(encode_connect({.speaks = version::v5, .client_id = "ab", .expiry_s = 3'600, .receive_maximum = 20}),
              "\x10\x17\x00\x04MQTT\x05\x00\x00\x00\x08\x11\x00\x00\x0e\x10\x21\x00\x14\x00\x02"s + "ab");
}

TEST(ledger_wire, publish_carries_flags_topic_id_and_payload)
{
    EXPECT_EQ(encode_publish({version::v3_1_1, "a/b", "xyz", 1, 0x0102, false}),
              "\x32\x0a\x00\x03"s + "a/b\x01\x02xyz");
    EXPECT_EQ(encode_publish({version::v5, "a/b", "xyz", 2, 0x0102, true}),
              "\x3c\x0b\x00\x03"s + "a/b\x01\x02\x00xyz"s);
}

TEST(ledger_wire, packets_are_found_however_the_stream_is_split)
{
    auto const first = encode_publish({version::v5, "a/b", std::string(300, 'x'), 1, 5, true});
    auto const second = encode_ack(packet_type::puback, 77);
    auto const stream = first + second;
    for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
        packet_reader reader{version::v5};
        std::vector<packet_type> found;
        std::size_t payload_size = 0;
        for (auto const part : {std::string_view{stream}.substr(0, cut), std::string_view{stream}.substr(cut)}) {
            reader.feed(part);
            while (auto const p = reader.next()) {
                found.push_back(p->type);
                payload_size += p->payload.size();
            }
        }
        EXPECT_EQ(found, (std::vector{packet_type::publish, packet_type::puback})) << cut;
        EXPECT_EQ(payload_size, 300U);
        EXPECT_FALSE(reader.broken());
    }
}

TEST(ledger_wire, connack_says_session_present_and_receive_maximum)
{
    packet_reader reader{version::v5};
    reader.feed("\x20\x0d\x01\x00\x0a\x21\x00\x07\x12\x00\x02ze\x24\x01"s);
    auto const p = reader.next();
    ASSERT_TRUE(p);
    EXPECT_EQ(p->type, packet_type::connack);
    EXPECT_TRUE(p->session_present);
    EXPECT_EQ(p->receive_maximum, 7);
}

TEST(ledger_wire, a_server_that_sends_a_client_packet_or_nonsense_is_broken)
{
    for (auto const& bytes :
         {"\x82\x00"s, "\x30\xff\xff\xff\xff\x01"s, "\x40\x02\x00\x00"s, "\x36\x05\x00\x01"s + "a\x00\x01"s}) {
        packet_reader reader{version::v3_1_1};
        reader.feed(bytes);
        EXPECT_FALSE(reader.next());
        EXPECT_TRUE(reader.broken());
    }
}

}  // namespace
}  // namespace fulmar::ledger
