#include "frontends/sse/event.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fulmar::sse {
namespace {

using namespace std::string_view_literals;
using testing::HasSubstr;
using testing::Not;

std::string written(event_format format, std::string_view payload, std::string_view event = "",
                    std::string_view topic = "a/b", broker::log_sequence sequence = 7)
{
    broker::message_fields fields;
    fields.topic = topic;
    fields.payload = payload;
    fields.event = event;
    fields.published_at = 1'700'000'000'000;
    std::vector<char> out;
    append_event(format, *broker::message::make(std::move(fields)), sequence, out);
    return {out.begin(), out.end()};
}

TEST(sse_event, a_message_has_id_topic_event_and_data)
{
    EXPECT_EQ(written(event_format::raw, "hello", "greeting"), "id: 0.7\ntopic: a/b\nevent: greeting\ndata: hello\n\n");
    EXPECT_EQ(written(event_format::raw, "hello", "", "a/b", 0), "topic: a/b\ndata: hello\n\n");
}

TEST(sse_event, every_line_of_a_payload_is_a_data_field)
{
    EXPECT_EQ(written(event_format::raw, "a\nb\r\nc\rd\n", "", "t", 0),
              "topic: t\ndata: a\ndata: b\ndata: c\ndata: d\ndata: \n\n");
    EXPECT_EQ(written(event_format::raw, "", "", "t", 0), "topic: t\ndata: \n\n");
}

TEST(sse_event, nothing_that_a_publisher_chooses_begins_a_field)  // attack list B16
{
    auto const text = written(event_format::raw, "x\n\nid: 0.1\nevent: evil\rretry: 1", "a\nid: 0.2", "t\ndata: z", 0);
    EXPECT_EQ(
        text,
        "topic: tdata: z\nevent: aid: 0.2\ndata: x\ndata: \ndata: id: 0.1\ndata: event: evil\ndata: retry: 1\n\n");
}

TEST(sse_event, bytes_that_are_no_text_are_base64)
{
    EXPECT_EQ(written(event_format::raw, "\xff\x00\x01"sv, "", "t", 0), "topic: t\nencoding: base64\ndata: /wAB\n\n");
    EXPECT_THAT(written(event_format::json, "\xff"), HasSubstr(R"("data":"/w==","encoding":"base64")"));
}

TEST(sse_event, json_is_one_object_with_everything)
{
    EXPECT_EQ(written(event_format::json, "a\n\"b\"", "e"),
              "id: 0.7\nevent: e\ndata: {\"id\":\"0.7\",\"topic\":\"a/b\",\"event\":\"e\",\"data\":\"a\\n\\\"b\\\"\","
              "\"time\":1700000000000}\n\n");
    EXPECT_EQ(written(event_format::ndjson, "x", "", "a/b", 0),
              "{\"topic\":\"a/b\",\"data\":\"x\",\"time\":1700000000000}\n");
    EXPECT_THAT(written(event_format::ndjson, "a\nb\rc"), Not(HasSubstr("\nb")));
}

}  // namespace
}  // namespace fulmar::sse
