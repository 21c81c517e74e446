#include "frontends/net/http_answer_parser.hpp"

#include <gtest/gtest.h>

namespace fulmar::net {
namespace {

constexpr std::size_t head_max = 512;

struct outcome
{
    answer_fault fault = answer_fault::none;
    bool done = false;
    bool reusable = false;
    unsigned status = 0;
    std::string body;
};

outcome read(std::string_view answer, std::size_t step = 1, std::uint64_t body_max = 1'000, bool ends = false)
{
    http_answer_parser parser{head_max, body_max};
    outcome out;
    while (!answer.empty() && out.fault == answer_fault::none) {
        out.fault = parser.feed(answer.substr(0, step));
        answer.remove_prefix(std::min(step, answer.size()));
    }
    if (ends && out.fault == answer_fault::none)
        out.fault = parser.finish();
    out.done = out.fault == answer_fault::none && parser.done();
    out.reusable = parser.reusable();
    out.status = parser.head_done() ? parser.status() : 0;
    out.body = parser.body();
    return out;
}

TEST(http_answer_parser, a_body_has_the_length_that_the_head_says)  // RFC 9112 §6.2
{
    for (std::size_t const step : {1U, 7U, 1'000U}) {
        auto const got = read("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", step);
        EXPECT_TRUE(got.done);
        EXPECT_TRUE(got.reusable);
        EXPECT_EQ(got.status, 200U);
        EXPECT_EQ(got.body, "hello");
    }
}

TEST(http_answer_parser, chunks_are_joined_and_the_trailer_is_no_field)  // RFC 9112 §7.1
{
    for (std::size_t const step : {1U, 7U, 1'000U}) {
        http_answer_parser parser{head_max, 100};
        std::string_view answer =
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nX: y\r\n\r\n";
        for (; !answer.empty(); answer.remove_prefix(std::min(step, answer.size())))
            ASSERT_EQ(parser.feed(answer.substr(0, step)), answer_fault::none);
        EXPECT_TRUE(parser.done());
        EXPECT_EQ(parser.body(), "hello");
        EXPECT_EQ(parser.fields().size(), 1U);
    }
}

TEST(http_answer_parser, the_last_chunk_may_be_the_first)
{
    for (std::size_t const step : {1U, 1'000U}) {
        auto const got = read("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", step);
        EXPECT_TRUE(got.done);
        EXPECT_TRUE(got.reusable);
        EXPECT_EQ(got.body, "");
    }
}

TEST(http_answer_parser, what_has_come_of_a_chunk_is_not_held_back)
{
    http_answer_parser parser{head_max, 100};
    ASSERT_EQ(parser.feed("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhell"), answer_fault::none);
    EXPECT_EQ(parser.body(), "hell");
    ASSERT_EQ(parser.feed("o"), answer_fault::none);
    EXPECT_EQ(parser.body(), "hello");
}

TEST(http_answer_parser, without_a_length_the_connection_ends_the_body)  // RFC 9112 §6.3
{
    auto const open = read("HTTP/1.1 200 OK\r\n\r\nhello");
    EXPECT_FALSE(open.done);
    EXPECT_EQ(open.body, "hello");
    auto const ended = read("HTTP/1.1 200 OK\r\n\r\nhello", 1, 1'000, true);
    EXPECT_TRUE(ended.done);
    EXPECT_FALSE(ended.reusable);
}

TEST(http_answer_parser, an_answer_that_is_cut_off_is_told_from_a_whole_one)
{
    EXPECT_EQ(read("", 1, 10, true).fault, answer_fault::cut_off);
    EXPECT_EQ(read("HTTP/1.1 200 OK\r\nA: b\r\n", 1, 10, true).fault, answer_fault::cut_off);
    auto const got = read("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", 1, 10, true);
    EXPECT_EQ(got.fault, answer_fault::cut_off);
    EXPECT_EQ(got.status, 200U);
    EXPECT_EQ(read("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n", 1, 10, true).fault,
              answer_fault::cut_off);
}

TEST(http_answer_parser, interim_answers_are_skipped_but_not_without_end)  // RFC 9110 §15.2
{
    std::string const interim = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
    EXPECT_EQ(read(interim + "HTTP/1.1 204 No Content\r\n\r\n").status, 204U);
    std::string many;
    for (int i = 0; i <= http_answer_parser::interim_answers_max; ++i)
        many += interim;
    EXPECT_EQ(read(many).fault, answer_fault::not_http);
}

TEST(http_answer_parser, a_head_of_any_shape_has_a_limit)
{
    std::string const start = "HTTP/1.1 200 OK\r\n";
    EXPECT_EQ(read(start + "A: " + std::string(head_max, 'x')).fault, answer_fault::too_large);
    std::string lines = start;
    for (std::size_t i = 0; i < head_max; ++i)
        lines += "a: b\r\n";
    for (std::size_t const step : {1U, 6U, 17U, 100'000U})
        EXPECT_EQ(read(lines, step).fault, answer_fault::too_large) << step;
    std::string const chunked = start + "Transfer-Encoding: chunked\r\n\r\n";
    EXPECT_EQ(read(chunked + "1;" + std::string(2 * head_max, 'x')).fault, answer_fault::too_large) << "an extension";
    EXPECT_EQ(read(chunked + "0\r\n" + lines.substr(start.size())).fault, answer_fault::too_large) << "a trailer";
}

TEST(http_answer_parser, a_body_of_any_shape_has_a_limit)
{
    std::string const start = "HTTP/1.1 200 OK\r\n";
    auto const announced = read(start + "Content-Length: 11\r\n\r\n0123456789X", 1, 10);
    EXPECT_EQ(announced.fault, answer_fault::too_large);
    EXPECT_EQ(announced.status, 200U);
    EXPECT_EQ(read(start + "\r\n0123456789X", 1, 10).fault, answer_fault::too_large);
    EXPECT_EQ(read(start + "Transfer-Encoding: chunked\r\n\r\nB\r\n0123456789X\r\n0\r\n\r\n", 1, 10).fault,
              answer_fault::too_large);
    EXPECT_TRUE(read(start + "Content-Length: 10\r\n\r\n0123456789", 1, 10).done);
}

TEST(http_answer_parser, a_limit_that_comes_after_the_head_holds_for_the_rest)
{
    http_answer_parser parser{head_max, http_answer_parser::no_body_limit};
    ASSERT_EQ(parser.feed("HTTP/1.1 500 No\r\nContent-Length: 100\r\n\r\n12345"), answer_fault::none);
    parser.limit_body(5);
    EXPECT_EQ(parser.feed("67890"), answer_fault::none);
    EXPECT_EQ(parser.feed("X"), answer_fault::too_large);
}

TEST(http_answer_parser, nonsense_is_no_answer)
{
    for (auto const* const text : {"SSH-2.0-x\r\n\r\n", "HTTP/2.0 200 OK\r\n\r\n", "HTTP/1.1 2000 OK\r\n\r\n",
                                   "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
                                   "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
                                   "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
                                   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
                                   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;a=\"\r\n\"\r\nx\r\n"})
        EXPECT_EQ(read(text).fault, answer_fault::not_http) << text;
}

TEST(http_answer_parser, a_connection_is_kept_only_if_nothing_speaks_against_it)
{
    EXPECT_FALSE(read("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").reusable);
    EXPECT_FALSE(read("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n").reusable);
    EXPECT_FALSE(read("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n", 100).reusable)
        << "an answer that nobody asked for";
}

}  // namespace
}  // namespace fulmar::net
