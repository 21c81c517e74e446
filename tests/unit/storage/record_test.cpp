#include "storage/record.hpp"

#include "storage/crc32c.hpp"
#include "storage/key.hpp"
#include "storage/row.hpp"

#include <gtest/gtest.h>

namespace fulmar::storage {
namespace {

using namespace broker;

message_ptr full_message()
{
    auto properties = std::make_unique<message_properties>();
    properties->payload_format = 1;
    properties->content_type = "text/plain";
    properties->response_topic = "answers/1";
    properties->correlation_data = std::string{"\0\xff", 2};
    properties->user = {{"a", "1"}, {"a", "2"}, {"", ""}};
    message_fields fields;
    fields.app = app_id{7};
    fields.topic = "rooms/1/temperature";
    fields.payload = std::string_view{"21\0 degrees", 11};
    fields.event = "measured";
    fields.level = qos::exactly_once;
    fields.retain = true;
    fields.publisher = 0xDEADBEEFCAFE0123;
    fields.published_at = 1'700'000'000'123;
    fields.expires_at = 1'700'000'060'123;
    fields.properties = std::move(properties);
    return message::make(std::move(fields));
}

std::string record_of(message const& m)
{
    std::string out;
    encode_record(m, out);
    return out;
}

TEST(crc32c, is_the_castagnoli_checksum)  // RFC 3720 B.4
{
    EXPECT_EQ(crc32c("123456789"), 0xE3069283U);
    EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAU);
    EXPECT_EQ(crc32c("456789", crc32c("123")), 0xE3069283U);
}

TEST(record, gives_back_every_field_of_a_message)
{
    auto const in = full_message();
    auto const out = decode_record(record_of(*in));
    ASSERT_TRUE(out);
    auto const& m = **out;
    EXPECT_EQ(m.app, in->app);
    EXPECT_EQ(m.topic(), in->topic());
    EXPECT_EQ(m.payload(), in->payload());
    EXPECT_EQ(m.event(), in->event());
    EXPECT_EQ(m.level, in->level);
    EXPECT_EQ(m.retain, in->retain);
    EXPECT_EQ(m.publisher, in->publisher);
    EXPECT_EQ(m.published_at, in->published_at);
    EXPECT_EQ(m.expires_at, in->expires_at);
    ASSERT_TRUE(m.properties);
    EXPECT_EQ(*m.properties, *in->properties);
}

TEST(record, of_a_plain_message_adds_few_bytes_to_topic_and_payload)
{
    message_fields fields;
    fields.topic = "a/b";
    fields.payload = "x";
    fields.published_at = 1'700'000'000'000;
    auto const m = message::make(std::move(fields));
    auto const record = record_of(*m);
    EXPECT_LE(record.size(), 4U + 16U);
    auto const out = decode_record(record);
    ASSERT_TRUE(out);
    EXPECT_EQ((*out)->publisher, 0U);
    EXPECT_EQ((*out)->expires_at, 0U);
    EXPECT_FALSE((*out)->properties);
}

TEST(record, with_any_single_flipped_bit_does_not_decode)
{
    auto record = record_of(*full_message());
    for (std::size_t bit = 0; bit < record.size() * 8; ++bit) {
        record[bit / 8] = static_cast<char>(record[bit / 8] ^ (1 << bit % 8));
        EXPECT_FALSE(decode_record(record)) << "bit " << bit;
        record[bit / 8] = static_cast<char>(record[bit / 8] ^ (1 << bit % 8));
    }
    EXPECT_TRUE(decode_record(record));
}

TEST(record, cut_or_extended_anywhere_does_not_decode)
{
    auto const record = record_of(*full_message());
    for (std::size_t size = 0; size < record.size(); ++size)
        EXPECT_FALSE(decode_record(std::span{record}.first(size))) << size;
    EXPECT_FALSE(decode_record(record + '\0'));
}

TEST(record, with_a_right_checksum_and_impossible_lengths_does_not_decode)
{
    // Everything after the header is replaced and the checksum made right, as a broken writer would.
    for (std::string body :
         {std::string{"\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12}, std::string{"\x03\x00\x00\x01t\x00", 6},
          std::string{"\x00\x00\x00\x00\x00", 5}, std::string{"\x40\x00\x00\x01t\x00\x00\x00\x00\xff\xff\x7f", 12}}) {
        std::string record{"\x01\0\0\0\0", 5};
        record += body;
        auto const crc = crc32c(std::string_view{record}.substr(5), crc32c(std::string_view{record}.substr(0, 1)));
        for (int i = 0; i < 4; ++i)
            record[1 + i] = static_cast<char>(crc >> (8 * i));
        EXPECT_FALSE(decode_record(record));
    }
}

TEST(key, sorts_as_its_numbers)
{
    EXPECT_LT(key::log(1).view(), key::log(256).view());
    EXPECT_LT(key::log(0xFF).view(), key::log(0x100).view());
    EXPECT_LT(key::index(filter_hash{1}, 0xFFFF).view(), key::index(filter_hash{2}, 1).view());
    EXPECT_EQ(key::parse_log(key::log(0x0102030405060708).view()), 0x0102030405060708U);
    EXPECT_FALSE(key::parse_log("short"));
    auto const entry = key::parse_index(key::index(filter_hash{9}, 10).view());
    ASSERT_TRUE(entry);
    EXPECT_EQ(entry->filter, filter_hash{9});
    EXPECT_EQ(entry->sequence, 10U);
    EXPECT_EQ(key::subscription_filter(key::subscription(session_id{5}, "a/#")), "a/#");
    key::inflight_entry const sent{session_id{3}, true, 65'535};
    EXPECT_EQ(key::parse_inflight(key::inflight(sent).view()), sent);
}

TEST(row, of_a_session_gives_back_its_will)
{
    session_record in;
    in.id = session_id{1};
    in.client_id = "sensor";
    in.user = "alice";
    in.expiry_s = 0xFFFFFFFF;
    in.disconnected_at = 5;
    in.will_due = 77;
    in.will.emplace();
    in.will->topic = "gone";
    in.will->payload = std::string{"\0", 1};
    in.will->level = qos::exactly_once;
    in.will->retain = true;
    in.will->delay_s = 9;
    in.will->expiry_s = 0;
    in.will->properties.user = {{"k", "v"}};
    auto const out = decode_session(session_id{1}, encode_session(in));
    ASSERT_TRUE(out);
    EXPECT_EQ(out->client_id, in.client_id);
    EXPECT_EQ(out->user, in.user);
    EXPECT_EQ(out->expiry_s, in.expiry_s);
    EXPECT_EQ(out->disconnected_at, 5U);
    EXPECT_EQ(out->will_due, 77U);
    ASSERT_TRUE(out->will);
    EXPECT_EQ(out->will->payload, in.will->payload);
    EXPECT_EQ(out->will->level, qos::exactly_once);
    EXPECT_EQ(out->will->expiry_s, std::optional<std::uint32_t>{0});
    EXPECT_EQ(out->will->properties, in.will->properties);
}

TEST(row, with_impossible_values_does_not_decode)
{
    EXPECT_FALSE(decode_session(session_id{1}, "\xff\xff\xff"));
    EXPECT_FALSE(decode_subscription("a", std::string{"\x08\x03", 2}));  // QoS 3
    EXPECT_FALSE(decode_inflight(1, std::string{"\x08\x07", 2}));        // unknown state
}

}  // namespace
}  // namespace fulmar::storage
