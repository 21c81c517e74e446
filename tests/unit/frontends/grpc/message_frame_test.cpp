#include "frontends/grpc/message_frame.hpp"

#include <gtest/gtest.h>

namespace fulmar::grpc {
namespace {

broker::message_ptr made(broker::message_fields fields) { return broker::message::make(std::move(fields)); }

v1::SubscribeResponse parsed(std::vector<char> const& bytes)
{
    v1::SubscribeResponse out;
    EXPECT_TRUE(out.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())));
    return out;
}

TEST(grpc_message_frame, frames_one_after_the_other_are_one_answer)
{
    std::vector<char> bytes;
    broker::message_fields first;
    first.topic = "a/b";
    first.payload = std::string_view{"\0\xff", 2};
    first.event = "e";
    first.published_at = 1'700'000'000'123;
    auto properties = std::make_unique<broker::message_properties>();
    properties->content_type = "text/plain";
    first.properties = std::move(properties);
    append_frame(*made(std::move(first)), 300, bytes);
    append_frame(*made({}), 0, bytes);
    auto const answer = parsed(bytes);
    ASSERT_EQ(answer.messages_size(), 2);
    auto const& message = answer.messages(0);
    EXPECT_EQ(message.topic(), "a/b");
    EXPECT_EQ(message.payload(), (std::string{"\0\xff", 2}));
    EXPECT_EQ(message.event(), "e");
    EXPECT_EQ(message.content_type(), "text/plain");
    EXPECT_EQ(message.published_at_ms(), 1'700'000'000'123);
    EXPECT_EQ(message.position(), "0.300");
    EXPECT_EQ(answer.messages(1).ByteSizeLong(), 0U);
}

TEST(grpc_message_frame, a_frame_is_what_protocol_buffers_would_write)
{
    for (std::size_t const size : {0, 1, 100, 127, 128, 16'383, 16'384, 300'000}) {
        std::string const payload(size, 'x');
        broker::message_fields fields;
        fields.topic = "topic";
        fields.payload = payload;
        fields.published_at = size;
        auto const m = made(std::move(fields));
        std::vector<char> bytes;
        append_frame(*m, size, bytes);
        v1::SubscribeResponse wanted;
        fill_message({size, m}, *wanted.add_messages());
        EXPECT_EQ(std::string(bytes.begin(), bytes.end()), wanted.SerializeAsString()) << size;
    }
}

TEST(grpc_message_frame, names_of_other_protocols_that_are_no_text_are_left_out)
{
    broker::message_fields fields;
    fields.topic = "t";
    fields.event = "\xff";
    auto properties = std::make_unique<broker::message_properties>();
    properties->content_type = "\xfe";
    fields.properties = std::move(properties);
    auto const m = made(std::move(fields));
    std::vector<char> bytes;
    append_frame(*m, 0, bytes);
    auto const answer = parsed(bytes);
    ASSERT_EQ(answer.messages_size(), 1);
    EXPECT_EQ(answer.messages(0).event(), "");
    EXPECT_EQ(answer.messages(0).content_type(), "");
    EXPECT_EQ(answer.messages(0).topic(), "t");
}

}  // namespace
}  // namespace fulmar::grpc
