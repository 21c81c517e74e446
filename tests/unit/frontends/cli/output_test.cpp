#include "frontends/cli/output.hpp"

#include "frontends/cli/history.hpp"
#include "frontends/cli/publish.hpp"
#include "frontends/cli/subscribe.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fulmar::cli {
namespace {

namespace json = boost::json;
using testing::Contains;
using testing::Pair;

TEST(cli_output, nothing_that_commands_a_terminal_reaches_it)
{
    EXPECT_EQ(printable("plain, \xC3\xBC, tab\tand\nline"), "plain, \xC3\xBC, tab\tand\nline");
    EXPECT_EQ(printable("\x1b[31mred\x07\x7f\r"), "\\x1b[31mred\\x07\\x7f\\x0d");
    EXPECT_EQ(printable("\xC2\x9B"
                        "31m\xC2\xA0"),
              "\\xc2\\x9b31m\xC2\xA0")
        << "C1 controls are commands, too";
    EXPECT_EQ(printable(std::string_view{"\x00\xFF\x9B", 3}), "\\x00\\xff\\x9b");
    EXPECT_EQ(printable_line("a\nb\tc"),
              "a\\x0ab\\x09"
              "c");
}

TEST(cli_output, numbers_are_short)
{
    EXPECT_EQ(short_number(0), "0");
    EXPECT_EQ(short_number(999), "999");
    EXPECT_EQ(short_number(12.34), "12.3");
    EXPECT_EQ(short_number(999.99), "1.0 k");
    EXPECT_EQ(short_number(1'234'567), "1.2 M");
    EXPECT_EQ(short_number(512, "B"), "512 B");
    EXPECT_EQ(short_number(123'456, "B"), "123.5 kB");
}

TEST(cli_output, messages_are_read_as_the_broker_writes_them)
{
    auto const read = [](std::string_view text) { return read_message(json::parse(text).as_object()); };
    auto const text = read(R"({"id":"0.7","topic":"a","event":"e","data":"x","time":1769860800123})");
    ASSERT_TRUE(text);
    EXPECT_EQ(text->id, "0.7");
    EXPECT_EQ(text->event, "e");
    EXPECT_EQ(text->payload, "x");
    EXPECT_EQ(text->time, 1'769'860'800'123U);
    EXPECT_FALSE(text->binary);
    auto const binary = read(R"({"topic":"a","data":"AP8=","encoding":"base64","time":1})");
    ASSERT_TRUE(binary);
    EXPECT_TRUE(binary->binary);
    EXPECT_EQ(binary->payload, (std::string{"\0\xFF", 2}));
    EXPECT_FALSE(read(R"({"topics":[{"topic":"a","history":true}]})")) << "a notice, no message";
    EXPECT_FALSE(read(R"({"topic":1})"));
}

TEST(cli_requests, one_message_is_sent_as_it_is)
{
    publish_arguments arguments;
    arguments.topic = "a/b c";
    EXPECT_EQ(publish_question(arguments, "x").path, "/v1/publish?topic=a%2Fb%20c&qos=1");
    arguments.event = "e&f";
    arguments.qos = 0;
    arguments.retain = true;
    arguments.expiry_s = 60;
    arguments.content_type = "text/plain";
    auto const asked = publish_question(arguments, std::string_view{"\0\xFF", 2});
    EXPECT_EQ(asked.path, "/v1/publish?topic=a%2Fb%20c&event=e%26f&qos=0&retain=true&expiry=60");
    EXPECT_EQ(asked.body, (std::string{"\0\xFF", 2}));
    EXPECT_THAT(asked.fields, Contains(Pair("Content-Type", "text/plain")));
}

TEST(cli_requests, a_batch_has_one_object_a_line_and_keeps_bytes)
{
    publish_arguments arguments;
    arguments.topic = "a";
    arguments.event = "e";
    auto const asked = batch_question(arguments, {"one", "", "\xFF", "tw\"o"});
    EXPECT_EQ(asked.body, R"({"topic":"a","qos":1,"event":"e","data":"one"})"
                          "\n"
                          R"({"topic":"a","qos":1,"event":"e","data":""})"
                          "\n"
                          R"({"topic":"a","qos":1,"event":"e","data":"/w==","encoding":"base64"})"
                          "\n"
                          R"({"topic":"a","qos":1,"event":"e","data":"tw\"o"})"
                          "\n");
}

TEST(cli_requests, a_stream_comes_back_with_its_last_id)
{
    subscribe_arguments arguments;
    arguments.filters = {"a/#", "b"};
    arguments.history = 5;
    auto const first = stream_question(arguments, "");
    EXPECT_EQ(first.method, "POST");
    EXPECT_EQ(json::parse(first.body), json::parse(R"({"topics":["a/#","b"],"format":"json","history":5})"));
    EXPECT_EQ(first.fields.size(), 1U);
    EXPECT_THAT(stream_question(arguments, "0.42").fields, Contains(Pair("Last-Event-ID", "0.42")));
    arguments.session = "s";
    EXPECT_EQ(json::parse(stream_question(arguments, "").body).at("session"), "s");
}

TEST(cli_requests, history_is_asked_page_by_page)
{
    history_arguments arguments;
    arguments.topic = "news/a b";
    EXPECT_EQ(history_question(arguments, 10).path, "/v1/history/news/a%20b?limit=10");
    arguments.since = "0.4";
    arguments.before = "0.9";
    arguments.reverse = true;
    EXPECT_EQ(history_question(arguments, 1).path, "/v1/history/news/a%20b?limit=1&since=0.4&before=0.9&reverse=true");
}

TEST(cli_requests, refusals_say_whose_credentials_failed_and_what_to_do)
{
    target where;
    where.url = "http://b";
    auto const said = [&](unsigned status, std::string body) { return refusal_of(where, {status, std::move(body)}); };
    EXPECT_EQ(said(401, R"({"detail":"no"})").code, exit_code::refused);
    EXPECT_THAT(said(401, R"({"detail":"no"})").what, testing::HasSubstr("give --key and --secret, or --token"));
    where.authorization = "Bearer t.o.p";
    where.identity = "the token of --token";
    EXPECT_EQ(said(401, R"({"detail":"no"})").what, "http://b does not accept the token of --token: no");
    EXPECT_EQ(said(403, R"({"detail":"not allowed"})").what, "the token of --token: not allowed");
    EXPECT_THAT(said(404, "<html>").what, testing::HasSubstr("is this the broker's HTTP address?"));
    EXPECT_THAT(said(507, R"({"detail":"x"})").what, testing::HasSubstr("disk is full"));
    EXPECT_EQ(said(500, "").what, "HTTP status 500");
}

}  // namespace
}  // namespace fulmar::cli
