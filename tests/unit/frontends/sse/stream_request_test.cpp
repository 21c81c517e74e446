#include "frontends/sse/stream_request.hpp"

#include <gtest/gtest.h>

namespace fulmar::sse {
namespace {

using kind = starting_point::kind;
constexpr broker::wall_ms now = 1'700'000'000'000;

read_request read(std::string query, std::vector<net::http_field> headers = {}, std::string body = "")
{
    net::http_request request;
    request.method = body.empty() ? "GET" : "POST";
    request.query = std::move(query);
    request.headers = std::move(headers);
    request.body = std::move(body);
    return read_stream_request(request, 3, now);
}

TEST(sse_request, topics_are_repeatable_and_decoded)
{
    auto const got = read("topic=a%2Fb&topic=c/%23&topic=a/b");
    ASSERT_TRUE(got.wanted);
    EXPECT_EQ(got.wanted->topics, (std::vector<std::string>{"a/b", "c/#"}));
    EXPECT_EQ(got.wanted->begin.what, kind::now);
    EXPECT_EQ(got.wanted->format, event_format::raw);
}

TEST(sse_request, what_is_no_request_is_refused)
{
    for (auto const* const query :
         {"", "topic=", "topic=a/#/b", "topic=%ff", "topic=%0", "topic=a%00b", "topic=$share/g/a",
          "topic=a&history=1001", "topic=a&history=-1", "topic=a&history=x", "topic=a&since=yesterday",
          "topic=a&since=0.01", "topic=a&format=xml", "topic=1&topic=2&topic=3&topic=4",
          "topic=a&since=0.99999999999999999999"})
        EXPECT_FALSE(read(query).wanted) << query;
}

TEST(sse_request, it_says_where_to_begin)
{
    EXPECT_EQ(read("topic=a&since=0.17").wanted->begin.sequence, 17U);
    EXPECT_EQ(read("topic=a&since=earliest").wanted->begin.what, kind::earliest);
    EXPECT_EQ(read("topic=a&since=latest").wanted->begin.what, kind::now);
    EXPECT_EQ(read("topic=a&since=10m").wanted->begin.time, now - 600'000);
    EXPECT_EQ(read("topic=a&since=1600000000").wanted->begin.time, 1'600'000'000'000U);
    EXPECT_EQ(read("topic=a&since=2020-09-13T12:26:40Z").wanted->begin.time, 1'600'000'000'000U);
    EXPECT_EQ(read("topic=a&history=5").wanted->begin.count, 5U);
    EXPECT_EQ(read("topic=a&history=5&since=0.3").wanted->begin.what, kind::cursor);
}

TEST(sse_request, last_event_id_counts_before_everything_else)
{
    auto const got = read("topic=a&history=5&since=0.3", {{"Last-Event-ID", "0.9"}});
    EXPECT_EQ(got.wanted->begin.what, kind::cursor);
    EXPECT_EQ(got.wanted->begin.sequence, 9U);
    EXPECT_EQ(read("topic=a&last_event_id=0.8").wanted->begin.sequence, 8U);
    // Not ours: something is missing, but the page must not be stuck with an error that it cannot see.
    EXPECT_EQ(read("topic=a", {{"Last-Event-ID", "17-0"}}).wanted->begin.sequence, broker::log_end);
}

TEST(sse_request, a_session_has_a_name)
{
    EXPECT_EQ(read("topic=a&session=A-z_09").wanted->session, "A-z_09");
    EXPECT_EQ(read("", {}, R"({"topics":["a"],"session":"s"})").wanted->session, "s");
    EXPECT_EQ(read("topic=a&session=" + std::string(64, 'x')).wanted->session.size(), 64U);
    for (auto const& name :
         {std::string{}, std::string(65, 'x'), std::string{"a.b"}, std::string{"%00"}, std::string{"%c3%a4"}})
        EXPECT_FALSE(read("topic=a&session=" + name).wanted) << name;
    EXPECT_FALSE(read("", {}, R"({"topics":["a"],"session":""})").wanted);
    EXPECT_FALSE(read("", {}, R"({"topics":["a"],"session":1})").wanted);
}

TEST(sse_request, the_last_id_of_a_stream_that_was_taken_over_says_so)
{
    auto const got = read("topic=a&session=s", {{"Last-Event-ID", taken_over_id(7)}});
    EXPECT_TRUE(got.wanted->came_back);
    EXPECT_TRUE(got.wanted->was_taken_over);
    EXPECT_EQ(got.wanted->begin.sequence, 7U);
    EXPECT_FALSE(read("topic=a&session=s", {{"Last-Event-ID", "0.7"}}).wanted->was_taken_over);
    EXPECT_FALSE(read("topic=a&since=0.7").wanted->came_back);
}

TEST(sse_request, the_form_may_be_negotiated)
{
    EXPECT_EQ(read("topic=a", {{"Accept", "text/html, application/x-ndjson"}}).wanted->format, event_format::ndjson);
    EXPECT_EQ(read("topic=a&format=json").wanted->format, event_format::json);
}

TEST(sse_request, a_body_may_say_the_same)
{
    auto const got = read("", {}, R"({"history":7,"topics":["a","b/+"],"format":"json"})");
    ASSERT_TRUE(got.wanted) << got.problem;
    EXPECT_EQ(got.wanted->topics, (std::vector<std::string>{"a", "b/+"}));
    EXPECT_EQ(got.wanted->begin.count, 7U);
    for (auto const* const body :
         {"[]", "{", R"({"topics":"a"})", R"({"topics":[1]})", R"({"topics":["a"],"history":-1})",
          R"({"topics":["a"],"other":1})", R"({"topics":["a"],"history":1e999})"})
        EXPECT_FALSE(read("", {}, body).wanted) << body;
}

}  // namespace
}  // namespace fulmar::sse
