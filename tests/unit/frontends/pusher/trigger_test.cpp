#include "frontends/pusher/trigger.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fulmar::pusher {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// What read_trigger hands over, with texts of its own.
struct taken
{
    refusal refused;
    std::string name, payload, socket_id;
    std::vector<std::string> channels;
    channel_attributes info;
};

taken read(std::string_view body, std::string_view parameters = "", broker::app const& app = {})
{
    taken out;
    out.refused = read_trigger(app, body, *query::parse(parameters, true), [&](std::vector<trigger> const& events) {
        auto const& event = events.at(0);
        out.name = event.name;
        out.payload = event.payload;
        out.socket_id = event.socket_id;
        out.channels.assign(event.channels.begin(), event.channels.end());
        out.info = event.info;
    });
    return out;
}

std::string why(std::string_view body)
{
    return std::to_string(read(body).refused.status) + " " + read(body).refused.why;
}

TEST(trigger, names_channels_data_socket_id_and_attributes_are_read)
{
    auto const found = read(R"({"name":"e","data":"{\"a\":\"\u00e9\"}","channels":["a","presence-b"],)"
                            R"("socket_id":"1.2","info":"user_count,subscription_count"})");
    ASSERT_FALSE(found.refused) << found.refused.why;
    EXPECT_EQ(found.name, "e");
    EXPECT_EQ(found.payload, "{\"a\":\"\xC3\xA9\"}");
    EXPECT_EQ(found.socket_id, "1.2");
    EXPECT_THAT(found.channels, ElementsAre("a", "presence-b"));
    EXPECT_TRUE(found.info.user_count && found.info.subscription_count);
}

TEST(trigger, one_channel_may_be_named_alone_and_twice_the_same_is_once)
{
    EXPECT_THAT(read(R"({"name":"e","data":"","channel":"a"})").channels, ElementsAre("a"));
    EXPECT_THAT(read(R"({"name":"e","data":"","channels":["a","b","a"]})").channels, ElementsAre("a", "b"));
    EXPECT_THAT(read(R"({"name":"e","data":"","channels":["#server-to-user-7"]})").channels,
                ElementsAre("#server-to-user-7"));
}

TEST(trigger, what_the_body_leaves_out_may_stand_in_the_query)
{
    auto const found = read("", "name=e&data=d&channels[]=a&channels[]=b");
    ASSERT_FALSE(found.refused) << found.refused.why;
    EXPECT_THAT(found.channels, ElementsAre("a", "b"));
    EXPECT_EQ(read(R"({"name":"body","data":"d","channel":"a"})", "name=query").name, "body");
}

TEST(trigger, null_is_as_good_as_left_out)
{
    EXPECT_FALSE(
        read(R"({"name":"e","data":"d","channels":["a"],"socket_id":null,"info":null,"channel":null})").refused);
}

TEST(trigger, what_is_wrong_is_said)
{
    EXPECT_THAT(why("{"), HasSubstr("400 the body is not JSON"));
    EXPECT_THAT(why("[]"), HasSubstr("400 the body must be a JSON object"));
    EXPECT_THAT(why(R"({"data":"","channel":"a"})"), HasSubstr("Missing required parameter: name"));
    EXPECT_THAT(why(R"({"name":"e","channel":"a"})"), HasSubstr("Missing required parameter: data"));
    EXPECT_THAT(why(R"({"name":"e","data":""})"), HasSubstr("Missing required parameter: channels"));
    EXPECT_THAT(why(R"({"name":"e","data":{},"channel":"a"})"), HasSubstr("'data' must be a string"));
    EXPECT_THAT(why(R"({"name":"e","data":"","channels":"a"})"), HasSubstr("'channels' must be a list"));
    EXPECT_THAT(why(R"({"name":"e","data":"","channels":[1]})"), HasSubstr("'channels' must be a list of strings"));
    EXPECT_THAT(why(R"({"name":"e","data":"","channel":"a b"})"), HasSubstr("Invalid channel name 'a b'"));
    EXPECT_THAT(why(R"({"name":"e","data":"","channel":"#a"})"), HasSubstr("Invalid channel name"));
    EXPECT_THAT(why(R"({"name":"e","data":"","channel":"a/b"})"), HasSubstr("Invalid channel name"));
    EXPECT_THAT(why(R"({"name":"e","data":"","channel":"a","socket_id":"x"})"), HasSubstr("Invalid socket_id"));
    EXPECT_THAT(why(R"({"name":"e","data":"","channel":"a","info":"age"})"), HasSubstr("Unknown attribute 'age'"));
    EXPECT_THAT(why(R"({"name":"pusher:error","data":"","channel":"a"})"), HasSubstr("reserved"));
    EXPECT_THAT(why(R"({"name":"pusher_internal:x","data":"","channel":"a"})"), HasSubstr("reserved"));
}

TEST(trigger, deeply_nested_and_invalid_text_is_refused_without_harm)
{
    EXPECT_EQ(read(std::string(100'000, '[')).refused.status, 400U);
    EXPECT_EQ(read(R"({"name":"e","data":"","channel":"a","x":)" + std::string(40, '[') + std::string(40, ']') + "}")
                  .refused.status,
              400U);
    EXPECT_EQ(read("{\"name\":\"\xFF\",\"data\":\"\",\"channel\":\"a\"}").refused.status, 400U);
    EXPECT_EQ(read(R"({"name":"\ud800","data":"","channel":"a"})").refused.status, 400U);
}

TEST(trigger, limits_are_those_of_the_app)
{
    broker::app app;
    auto const with_data = [](std::size_t bytes, std::string const& channel) {
        return R"({"name":"e","data":")" + std::string(bytes, 'x') + R"(","channel":")" + channel + R"("})";
    };
    EXPECT_EQ(read(with_data(10'240, "a"), "", app).refused.status, 0U);
    EXPECT_EQ(read(with_data(10'241, "a"), "", app).refused.status, 413U);
    EXPECT_EQ(read(with_data(13'900, "private-encrypted-a"), "", app).refused.status, 0U);
    EXPECT_EQ(read(with_data(14'000, "private-encrypted-a"), "", app).refused.status, 413U);
    EXPECT_EQ(read(with_data(1, std::string(201, 'c')), "", app).refused.status, 400U);
    app.limits.channels_per_trigger = 2;
    EXPECT_THAT(read(R"({"name":"e","data":"","channels":["a","b","c"]})", "", app).refused.why,
                HasSubstr("Cannot trigger on more than 2 channels"));
    EXPECT_EQ(read("", "name=e&data=d&channels[]=a&channels[]=b&channels[]=c", app).refused.status, 400U);
    app.limits.event_name_bytes = 3;
    EXPECT_EQ(read(R"({"name":"long","data":"","channel":"a"})", "", app).refused.status, 400U);
    EXPECT_EQ(read(R"({"name":"","data":"","channel":"a"})", "", app).refused.status, 400U);
}

TEST(batch, all_events_are_read_or_none)
{
    std::vector<std::string> names;
    auto const take = [&](std::vector<trigger> const& events) {
        for (auto const& event : events)
            names.emplace_back(event.name);
    };
    broker::app const app;
    auto const good = R"({"batch":[{"name":"1","data":"","channel":"a"},{"name":"2","data":"","channel":"b"}]})";
    EXPECT_FALSE(read_batch(app, good, take));
    EXPECT_THAT(names, ElementsAre("1", "2"));
    names.clear();
    auto const refused = read_batch(app, R"({"batch":[{"name":"1","data":"","channel":"a"},{"name":"2"}]})", take);
    EXPECT_EQ(refused.why, "batch[1]: Missing required parameter: data");
    EXPECT_TRUE(names.empty());
    EXPECT_THAT(read_batch(app, R"({"batch":{}})", take).why, HasSubstr("Missing required parameter: batch"));
    EXPECT_THAT(read_batch(app, R"({"batch":[1]})", take).why, HasSubstr("must be a JSON object"));
    EXPECT_THAT(read_batch(app, "", take).why, HasSubstr("not JSON"));
}

TEST(batch, more_than_ten_events_are_too_large)
{
    std::string body = R"({"batch":[)";
    for (int i = 0; i < 11; ++i)
        body += std::string{i == 0 ? "" : ","} + R"({"name":"e","data":"","channel":"a"})";
    EXPECT_THAT(read_batch({}, body + "]}", [](auto const&) { FAIL(); }).why, HasSubstr("Batch too large"));
}

}  // namespace
}  // namespace fulmar::pusher
