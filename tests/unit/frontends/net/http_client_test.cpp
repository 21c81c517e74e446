#include "frontends/net/http_client.hpp"

#include "tests/unit/frontends/net/answering_server.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <thread>

namespace fulmar::net {
namespace {

using test::answering_server;
using testing::HasSubstr;
using testing::StartsWith;

constexpr auto good = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Y: z\r\n\r\nhi";

class http_client_test : public testing::Test
{
protected:
    http_client_test() { std::signal(SIGPIPE, SIG_IGN); }

    // Runs until `ended`.
    void wait_for(bool const& ended)
    {
        while (!ended) {
            io.restart();
            io.run_one();
        }
    }
    http_reply ask(std::string const& url, http_call_limits const& limits = {}, std::string const& method = "GET")
    {
        http_reply got;
        bool ended = false;
        client->ask({method, *broker::parse_web_address(url), {{"A", "b\r\nC: d"}}, {}}, limits, [&](http_reply reply) {
            got = std::move(reply);
            ended = true;
        });
        EXPECT_FALSE(ended);
        wait_for(ended);
        return got;
    }
    http_reply open(std::string const& url)
    {
        http_reply got;
        bool ended = false;
        http_call_limits limits;
        limits.answer_bytes_max = 10;
        client->open({"GET", *broker::parse_web_address(url), {}, {}}, limits,
                     [&](http_reply reply, std::unique_ptr<http_download> more) {
                         got = std::move(reply);
                         rest = std::move(more);
                         ended = true;
                     });
        wait_for(ended);
        return got;
    }
    // "" at the end, "!" if it was broken off.
    std::string some(std::size_t size = 100)
    {
        std::string into(size, '\0');
        bool ended = false;
        rest->read(into, [&](broker::error_code error, std::size_t bytes) {
            EXPECT_TRUE(!error || bytes == 0);
            error ? void(into = "!") : into.resize(bytes);
            ended = true;
        });
        EXPECT_FALSE(ended);
        wait_for(ended);
        return into;
    }

    boost::asio::io_context io;
    std::unique_ptr<http_client> client = std::make_unique<http_client>(io);
    std::unique_ptr<http_download> rest;
};

TEST_F(http_client_test, an_answer_comes_with_its_fields_and_its_body)
{
    answering_server server{{good}};
    auto const got = ask(server.url("/a?b=c"));
    EXPECT_EQ(got.trouble, http_trouble::none) << got.problem;
    EXPECT_EQ(got.status, 200U);
    EXPECT_EQ(got.body, "hi");
    ASSERT_EQ(got.headers.size(), 2U);
    EXPECT_EQ(got.headers[1].name + "=" + got.headers[1].value, "X-Y=z");
    auto const request = server.requests().at(0);
    EXPECT_THAT(request, StartsWith("GET /a?b=c HTTP/1.1\r\nHost: 127.0.0.1:"));
    EXPECT_THAT(request, HasSubstr("\r\nA: b  C: d\r\n")) << "a line break in a value ends no line";
    EXPECT_THAT(request, testing::Not(HasSubstr("Content-Length")));
}

TEST_F(http_client_test, a_request_with_an_empty_body_says_so)
{
    answering_server server{{good}};
    EXPECT_EQ(ask(server.url(), {}, "POST").status, 200U);
    EXPECT_THAT(server.requests().at(0), HasSubstr("\r\nContent-Length: 0\r\n\r\n"));
}

TEST_F(http_client_test, a_connection_that_stays_open_is_used_again)
{
    answering_server server{{good, good}};
    EXPECT_EQ(ask(server.url()).body, "hi");
    EXPECT_EQ(ask(server.url()).body, "hi");
    EXPECT_EQ(server.accepted(), 1);
}

TEST_F(http_client_test, a_kept_connection_that_was_closed_meanwhile_is_replaced)
{
    answering_server server{{good, "", good}};
    EXPECT_EQ(ask(server.url()).body, "hi");
    EXPECT_EQ(ask(server.url()).body, "hi");
    EXPECT_EQ(server.accepted(), 2);
}

TEST_F(http_client_test, a_new_connection_that_gives_no_answer_is_not_replaced)
{
    answering_server server{{"", good}};
    auto const got = ask(server.url());
    EXPECT_EQ(got.trouble, http_trouble::receive);
    EXPECT_EQ(got.status, 0U);
    EXPECT_EQ(server.accepted(), 1);
}

TEST_F(http_client_test, a_connection_with_more_on_it_than_was_asked_for_is_not_kept)
{
    answering_server server{{std::string{good} + "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", good}};
    EXPECT_EQ(ask(server.url()).body, "hi");
    EXPECT_EQ(ask(server.url()).body, "hi");
    EXPECT_EQ(server.accepted(), 2);
}

TEST_F(http_client_test, a_redirection_is_an_answer_and_is_not_followed)
{
    answering_server server{{"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"}};
    EXPECT_EQ(ask(server.url()).status, 302U);
    EXPECT_EQ(server.accepted(), 1);
}

TEST_F(http_client_test, an_answer_larger_than_its_limit_is_trouble_after_its_head)
{
    http_call_limits limits;
    limits.answer_bytes_max = 1'000;
    answering_server server{{"HTTP/1.1 200 OK\r\n\r\n" + std::string(100'000, 'x')}};
    auto const got = ask(server.url(), limits);
    EXPECT_EQ(got.trouble, http_trouble::too_large);
    EXPECT_EQ(got.status, 200U);
    EXPECT_EQ(got.body, "");
}

TEST_F(http_client_test, a_server_that_says_nothing_is_given_up)
{
    http_call_limits limits;
    limits.wait = std::chrono::milliseconds{50};
    answering_server silent{{answering_server::silence}};
    EXPECT_EQ(ask(silent.url(), limits).trouble, http_trouble::late);
    limits.wait = std::chrono::minutes{5};
    limits.body_wait = std::chrono::milliseconds{50};
    answering_server slow{{"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nx" + std::string{answering_server::silence}}};
    auto const got = ask(slow.url(), limits);
    EXPECT_EQ(got.trouble, http_trouble::late);
    EXPECT_EQ(got.status, 200U);
}

TEST_F(http_client_test, nobody_there_and_nonsense_are_told_apart)
{
    std::string gone;
    {
        answering_server server{{}};
        gone = server.url();
    }
    auto const refused = ask(gone);
    EXPECT_EQ(refused.trouble, http_trouble::connect);
    EXPECT_EQ(refused.error, boost::system::errc::connection_refused);
    answering_server babbling{{"SSH-2.0-x\r\n\r\n"}};
    EXPECT_EQ(ask(babbling.url()).trouble, http_trouble::not_http);
    EXPECT_EQ(ask("http://no-such-host.invalid/").trouble, http_trouble::name);
}

TEST_F(http_client_test, names_are_looked_up)
{
    answering_server server{{good}};
    auto const port = server.url().substr(std::string{"http://127.0.0.1"}.size());
    EXPECT_EQ(ask("http://localhost" + port).body, "hi");
}

TEST_F(http_client_test, an_answer_without_an_end_is_read_piece_by_piece)
{
    answering_server server{{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n19\r\n" + std::string(25, 'x') +
                             "\r\n2\r\nyz\r\n0\r\n\r\n"}};
    EXPECT_EQ(open(server.url()).status, 200U);
    ASSERT_NE(rest, nullptr);
    std::string all;
    for (auto piece = some(10); !piece.empty(); piece = some(10)) {
        EXPECT_LE(piece.size(), 10U);
        all += piece;
    }
    EXPECT_EQ(all, std::string(25, 'x') + "yz") << "its limit is for answers with an end";
    EXPECT_EQ(some(), "") << "and it stays at its end";
}

TEST_F(http_client_test, an_answer_without_an_end_that_breaks_off_says_so)
{
    answering_server server{{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"}};
    EXPECT_EQ(open(server.url()).status, 200U);
    EXPECT_EQ(some(), "ab");
    EXPECT_EQ(some(), "!");
}

TEST_F(http_client_test, of_an_endless_answer_that_is_none_the_whole_comes)
{
    answering_server server{{"HTTP/1.1 404 No\r\nContent-Length: 4\r\n\r\nnone",
                             "HTTP/1.1 404 No\r\nContent-Length: 11\r\n\r\n0123456789X"}};
    auto const got = open(server.url());
    EXPECT_EQ(got.body, "none");
    EXPECT_EQ(rest, nullptr);
    EXPECT_EQ(open(server.url()).trouble, http_trouble::too_large);
}

TEST_F(http_client_test, who_has_given_up_is_not_told_any_more)
{
    answering_server server{
        {answering_server::silence, "HTTP/1.1 200 OK\r\n\r\n" + std::string{answering_server::silence}}};
    bool told = false;
    client->ask({"GET", *broker::parse_web_address(server.url()), {}, {}}, {}, [&](http_reply const&) { told = true; });
    while (server.requests().empty()) {
        io.poll();
        std::this_thread::yield();
    }
    client.reset();
    io.restart();
    io.run();
    EXPECT_FALSE(told);
    client = std::make_unique<http_client>(io);
    EXPECT_EQ(open(server.url()).status, 200U);
    std::string into(10, ' ');
    rest->read(into, [&](broker::error_code, std::size_t) { told = true; });
    rest.reset();
    io.restart();
    io.poll();
    EXPECT_FALSE(told);
}

}  // namespace
}  // namespace fulmar::net
