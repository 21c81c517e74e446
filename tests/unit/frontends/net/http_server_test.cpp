#include "frontends/net/http_server.hpp"

#include "frontends/net/http_router.hpp"
#include "tests/unit/frontends/net/scripted_wire.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fulmar::net {
namespace {

using namespace std::chrono_literals;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class http_server : public testing::Test
{
protected:
    http_server()
    {
        routes.get("/hello", [this](http_request const& request) {
            last = request;
            return plain_response(200, "hello");
        });
        routes.post(
            "/echo",
            [this](http_request const& request) {
                last = request;
                return http_response{200, "application/octet-stream", {}, request.body};
            },
            64);
        routes.on("GET", "/later", [this](http_request&& request, http_responder responder) {
            last = std::move(request);
            waiting.push_back(std::move(responder));
        });
        routes.get("/apps/{id}/events", [this](http_request const& request) {
            last = request;
            return plain_response(200, request.capture("id"));
        });
        routes.get("/apps/all/events", [](http_request const&) { return plain_response(200, "literal"); });
        open();
    }
    void open()
    {
        outer.closed = false;
        server = make_http_protocol(outer, routes, settings);
        feed = test::feeder{*server};
    }
    // The answer to one request on a fresh connection.
    std::string answer(std::string_view request)
    {
        open();
        (void)outer.take();
        feed(request);
        return outer.take();
    }
    static std::string get(std::string_view target, std::string_view fields = "")
    {
        return "GET " + std::string{target} + " HTTP/1.1\r\nHost: example.org\r\n" + std::string{fields} + "\r\n";
    }
    static std::string post(std::string_view fields, std::string_view body)
    {
        return "POST /echo HTTP/1.1\r\nHost: example.org\r\n" + std::string{fields} + "\r\n" + std::string{body};
    }
    void expect_refused(std::string_view request, unsigned status)
    {
        auto const text = answer(request);
        EXPECT_THAT(text, StartsWith("HTTP/1.1 " + std::to_string(status) + " ")) << testing::PrintToString(request);
        EXPECT_THAT(text, HasSubstr("\r\nConnection: close\r\n"));
        EXPECT_TRUE(outer.closed) << testing::PrintToString(request);
    }

    test::scripted_wire outer;
    http_router routes;
    http_settings settings;
    std::unique_ptr<protocol> server;
    test::feeder feed;
    http_request last;
    std::vector<http_responder> waiting;
};

TEST_F(http_server, a_get_is_answered_and_the_connection_stays)
{
    auto const text = answer(get("/hello?a=b%20c", "X-One: 1\r\nx-one: 2\r\n"));
    EXPECT_THAT(text, StartsWith("HTTP/1.1 200 OK\r\nDate: "));
    EXPECT_THAT(text, HasSubstr("\r\nContent-Length: 6\r\n"));
    EXPECT_THAT(text, EndsWith("\r\n\r\nhello\n"));
    EXPECT_FALSE(outer.closed);
    EXPECT_EQ(outer.deadline, settings.idle_wait);
    EXPECT_EQ(last.path, "/hello");
    EXPECT_EQ(last.query, "a=b%20c");
    EXPECT_EQ(last.header("X-ONE"), "1");
    EXPECT_EQ(last.joined("x-one"), "1, 2");
    EXPECT_EQ(last.from.address, "192.0.2.7");
}

TEST_F(http_server, a_request_may_arrive_byte_by_byte)
{
    auto const request = post("Content-Length: 5\r\n", "world") +
                         post("Transfer-Encoding: chunked\r\n", "3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: x\r\n\r\n");
    feed.one_by_one(request);
    EXPECT_THAT(outer.sent, HasSubstr("\r\n\r\nworld"));
    EXPECT_THAT(outer.sent, EndsWith("\r\n\r\nabcde"));
    EXPECT_EQ(last.count("Trailer"), 0U);
}

TEST_F(http_server, an_empty_chunked_body_may_arrive_byte_by_byte)
{
    feed.one_by_one(post("Transfer-Encoding: chunked\r\n", "0\r\n\r\n"));
    EXPECT_THAT(outer.take(), StartsWith("HTTP/1.1 200 "));
    feed.one_by_one(post("Transfer-Encoding: chunked\r\n", "1\r\nx\r\n0\r\n\r\n"));
    EXPECT_THAT(outer.take(), EndsWith("\r\n\r\nx"));
}

TEST_F(http_server, pipelined_requests_are_answered_in_order)
{
    auto const text = answer(get("/later") + get("/hello") + get("/apps/7/events"));
    EXPECT_EQ(text, "");
    EXPECT_EQ(outer.pauses, 1);
    ASSERT_EQ(waiting.size(), 1U);
    waiting[0].send(plain_response(200, "first"));
    EXPECT_EQ(outer.pauses, 0);
    feed("");
    auto const all = outer.take();
    auto const first = all.find("first\n");
    auto const second = all.find("hello\n");
    auto const third = all.find("7\n", second);
    EXPECT_LT(first, second);
    EXPECT_LT(second, third);
    EXPECT_NE(third, std::string::npos);
}

TEST_F(http_server, only_the_first_answer_counts)
{
    (void)answer(get("/later"));
    auto const copy = waiting[0];
    waiting[0].send(plain_response(200, "one"));
    EXPECT_TRUE(copy.gone());
    copy.send(plain_response(200, "two"));
    EXPECT_THAT(outer.take(), Not(HasSubstr("two")));
}

TEST_F(http_server, a_responder_may_outlive_its_connection)
{
    (void)answer(get("/later"));
    server->on_closed(false);
    EXPECT_TRUE(waiting[0].gone());
    server.reset();
    waiting[0].send(plain_response(200, "late"));
    EXPECT_EQ(outer.take(), "");
}

TEST_F(http_server, a_request_that_its_handler_forgets_gets_a_500)
{
    (void)answer(get("/later"));
    waiting.clear();
    EXPECT_THAT(outer.take(), StartsWith("HTTP/1.1 500 "));
    EXPECT_FALSE(outer.closed);
}

TEST_F(http_server, a_handler_that_takes_too_long_gets_its_client_a_503)
{
    (void)answer(get("/later"));
    EXPECT_EQ(outer.deadline, settings.answer_wait);
    server->on_deadline();
    EXPECT_THAT(outer.take(), StartsWith("HTTP/1.1 503 "));
    EXPECT_TRUE(outer.closed);
    EXPECT_TRUE(waiting[0].gone());
}

TEST_F(http_server, unknown_paths_get_404_and_known_paths_with_other_methods_405_with_allow)
{
    auto const missing = answer(get("/nothing"));
    EXPECT_THAT(missing, StartsWith("HTTP/1.1 404 "));
    EXPECT_THAT(missing, HasSubstr("\r\nContent-Type: application/problem+json\r\n"));
    EXPECT_THAT(missing, HasSubstr(R"("status":404,"detail":"there is nothing here")"));
    auto const text = answer("DELETE /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_THAT(text, StartsWith("HTTP/1.1 405 "));
    EXPECT_THAT(text, HasSubstr("\r\nAllow: GET, HEAD\r\n"));
    // Nobody may turn one method into another (C10).
    EXPECT_THAT(answer(get("/echo", "X-HTTP-Method-Override: POST\r\n")), StartsWith("HTTP/1.1 405 "));
}

TEST_F(http_server, captured_segments_reach_the_handler_and_literal_ones_win)
{
    EXPECT_THAT(answer(get("/apps/a%20b/events")), EndsWith("\r\n\r\na b\n"));
    EXPECT_THAT(answer(get("/apps/all/events")), EndsWith("literal\n"));
    EXPECT_THAT(answer(get("/apps/events")), StartsWith("HTTP/1.1 404 "));
}

TEST_F(http_server, head_is_answered_like_get_without_the_body)
{
    auto const text = answer("HEAD /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_THAT(text, HasSubstr("\r\nContent-Length: 6\r\n"));
    EXPECT_THAT(text, EndsWith("\r\n\r\n"));
}

TEST_F(http_server, http_1_0_closes_unless_asked_not_to)
{
    EXPECT_THAT(answer("GET /hello HTTP/1.0\r\n\r\n"), StartsWith("HTTP/1.0 200 OK\r\n"));
    EXPECT_TRUE(outer.closed);
    EXPECT_THAT(answer("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
                HasSubstr("\r\nConnection: keep-alive\r\n"));
    EXPECT_FALSE(outer.closed);
}

TEST_F(http_server, nothing_is_read_after_connection_close)  // C7
{
    auto const text = answer(get("/hello", "Connection: close\r\n") + get("/nothing"));
    EXPECT_THAT(text, HasSubstr("\r\nConnection: close\r\n"));
    EXPECT_THAT(text, Not(HasSubstr("404")));
    EXPECT_TRUE(outer.closed);
}

TEST_F(http_server, content_length_and_transfer_encoding_exclude_each_other)  // C1
{
    expect_refused(post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400);
    expect_refused(post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"), 400);
}

TEST_F(http_server, only_plain_chunked_is_a_transfer_encoding)  // C2
{
    for (auto const* value : {"chunked, identity", "identity", "xchunked", "gzip, chunked", "chunked,",
                              "\x0b"
                              "chunked",
                              "\"chunked\"", "chunked;q=1"}) {
        auto const text = answer(post("Transfer-Encoding: " + std::string{value} + "\r\n", "0\r\n\r\n"));
        EXPECT_THAT(text, testing::AnyOf(StartsWith("HTTP/1.1 400 "), StartsWith("HTTP/1.1 501 "))) << value;
        EXPECT_TRUE(outer.closed);
    }
    expect_refused(post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400);
    expect_refused("POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400);
    EXPECT_THAT(answer(post("transfer-encoding: CHUNKED\r\n", "1\r\nx\r\n0\r\n\r\n")), EndsWith("\r\n\r\nx"));
}

TEST_F(http_server, content_length_is_one_number_once)  // C3
{
    for (auto const* value : {"5,5", "+5", "-1", "5 5", "0x5", "", "99999999999999999999", "5.0", "5,"})
        expect_refused(post("Content-Length: " + std::string{value} + "\r\n", "hello"), 400);
    expect_refused(post("Content-Length: 5\r\nContent-Length: 6\r\n", "hello"), 400);
    expect_refused(post("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"), 400);
}

TEST_F(http_server, chunk_sizes_are_plain_hexadecimal)  // C4
{
    for (auto const* chunks : {"\r\n\r\n\r\n", "0x1\r\nx\r\n0\r\n\r\n", "-1\r\nx\r\n0\r\n\r\n", "g\r\nx\r\n0",
                               "10000000000000001\r\nx\r\n0\r\n\r\n", "1\nx\r\n0\r\n\r\n", "1\r\nxy\r\n0\r\n\r\n",
                               "1 \r\nx\r\n0\r\n\r\n;", ";a=b\r\n\r\n"}) {
        auto const text = answer(post("Transfer-Encoding: chunked\r\n", chunks));
        EXPECT_THAT(text, testing::AnyOf(StartsWith("HTTP/1.1 400 "), StartsWith("HTTP/1.1 413 ")))
            << testing::PrintToString(chunks);
        EXPECT_TRUE(outer.closed) << testing::PrintToString(chunks);
    }
}

TEST_F(http_server, chunk_extensions_and_trailers_without_end_are_refused)  // C4
{
    expect_refused(post("Transfer-Encoding: chunked\r\n", "1;" + std::string(5000, 'x')), 400);
    expect_refused(post("Transfer-Encoding: chunked\r\n", "0\r\nX: " + std::string(5000, 'x')), 400);
}

TEST_F(http_server, a_chunk_extension_does_not_run_over_the_end_of_its_line)  // C4
{
    EXPECT_THAT(answer(post("Transfer-Encoding: chunked\r\n", "1;a=\"b c\"\r\nx\r\n0\r\n\r\n")), EndsWith("\r\n\r\nx"));
    expect_refused(post("Transfer-Encoding: chunked\r\n", "1;a=\"b\r\nx\r\n0\r\n\r\n\"\r\nx\r\n0\r\n\r\n"), 400);
}

// A chunk that ends four bytes before the end of a read, where what follows cannot be judged yet.
TEST_F(http_server, a_chunked_body_is_judged_alike_however_it_is_cut_into_reads)
{
    auto const broken = post("Transfer-Encoding: chunked\r\n", "3\r\nabcXXXX");
    feed(broken);
    EXPECT_FALSE(outer.closed);
    feed("X");
    EXPECT_THAT(outer.take(), StartsWith("HTTP/1.1 400 "));
}

TEST_F(http_server, heads_with_more_than_one_reading_are_refused)  // C5
{
    for (auto const* head :
         {"GET /hello HTTP/1.1\nHost: x\n\n", "GET /hello HTTP/1.1\r\nHost: x\r\nA: b\n\r\n",
          "GET /hello HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n",
          "GET /hello HTTP/1.1\r\nHost: x\r\nA: b\r\n folded\r\n\r\n", "GET /hello HTTP/1.1\r\n Host: x\r\n\r\n",
          "GET /hello HTTP/1.1\r\nHost : x\r\n\r\n", "GET /hello HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n",
          "GET /hello HTTP/1.1\r\nHost: x\r\nA\r\n\r\n", "GET  /hello HTTP/1.1\r\nHost: x\r\n\r\n",
          "GET /hello  HTTP/1.1\r\nHost: x\r\n\r\n", "GET /hello HTTP/1.1 \r\nHost: x\r\n\r\n",
          "GET\t/hello HTTP/1.1\r\nHost: x\r\n\r\n", " GET /hello HTTP/1.1\r\nHost: x\r\n\r\n", "GET /hello\r\n\r\n",
          "G@T /hello HTTP/1.1\r\nHost: x\r\n\r\n", "GET /hello http/1.1\r\nHost: x\r\n\r\n",
          "GET /hello HTTP/1.1\r\nHost: x\r\nA: \x01\r\n\r\n", "GET /he\xc3\xa4llo HTTP/1.1\r\nHost: x\r\n\r\n"})
        expect_refused(head, 400);
    constexpr char with_nul[] = "GET /hello HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n";
    expect_refused({with_nul, sizeof with_nul - 1}, 400);
}

TEST_F(http_server, a_byte_that_ends_no_line_is_found_at_every_place_of_a_head)  // C5
{
    std::string const value(40, 'v');
    EXPECT_THAT(answer(get("/hello", "X-Long: " + value + "\r\n")), StartsWith("HTTP/1.1 200 "));
    for (std::size_t at = 0; at < value.size(); ++at) {
        for (char const bad : {'\0', '\r', '\n'}) {
            auto altered = value;
            altered[at] = bad;
            expect_refused(get("/hello", "X-Long: " + altered + "\r\n"), 400);
        }
    }
}

TEST_F(http_server, other_versions_are_refused)
{
    expect_refused("GET /hello HTTP/1.2\r\nHost: x\r\n\r\n", 505);
    expect_refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505);
}

TEST_F(http_server, there_is_exactly_one_valid_host)  // C6
{
    expect_refused("GET /hello HTTP/1.1\r\n\r\n", 400);
    expect_refused("GET /hello HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400);
    for (auto const* host : {"", "a b", "a/b", "a@b", "a,b", "a:b", "[::1", "a:123456"})
        expect_refused("GET /hello HTTP/1.1\r\nHost: " + std::string{host} + "\r\n\r\n", 400);
    for (auto const* host : {"a", "a.b:80", "[::1]:8080", "127.0.0.1", "a:"})
        EXPECT_THAT(answer("GET /hello HTTP/1.1\r\nHost: " + std::string{host} + "\r\n\r\n"),
                    StartsWith("HTTP/1.1 200 "))
            << host;
}

TEST_F(http_server, an_absolute_target_must_agree_with_host)  // C6
{
    EXPECT_THAT(answer("GET http://a.b:80/hello HTTP/1.1\r\nHost: A.b:80\r\n\r\n"), StartsWith("HTTP/1.1 200 "));
    expect_refused("GET http://c/hello HTTP/1.1\r\nHost: a\r\n\r\n", 400);
    expect_refused("GET ftp://a/hello HTTP/1.1\r\nHost: a\r\n\r\n", 400);
    expect_refused("GET http://u@a/hello HTTP/1.1\r\nHost: a\r\n\r\n", 400);
}

TEST_F(http_server, paths_have_one_spelling)  // C9
{
    EXPECT_THAT(answer(get("/%68ello")), StartsWith("HTTP/1.1 200 "));
    EXPECT_EQ(last.path, "/hello");
    for (auto const* target :
         {"/a/../hello", "/a/%2e%2e/hello", "/a/.%2E/hello", "/./hello",  "//hello", "/a//b", "/a%2fb", "/a%2Fb",
          "/a%5cb",      "/a\\b",           "/a%00b",        "/a%0d%0ab", "/a%",     "/a%2",  "/a%zz",  "/%ff",
          "/a%7f",       "hello",           "/a#b",          "?x",        "*"})
        expect_refused("GET " + std::string{target} + " HTTP/1.1\r\nHost: example.org\r\n\r\n", 400);
    EXPECT_THAT(answer(get("/HELLO")), StartsWith("HTTP/1.1 404 "));
    EXPECT_THAT(answer(get("/hello/")), StartsWith("HTTP/1.1 404 "));
    EXPECT_THAT(answer(get("/hello;x=1")), StartsWith("HTTP/1.1 404 "));
}

TEST_F(http_server, expect_100_continue_is_answered_before_the_body)  // C12
{
    auto const head = post("Content-Length: 5\r\nExpect: 100-continue\r\n", "");
    EXPECT_EQ(answer(head), "HTTP/1.1 100 Continue\r\n\r\n");
    feed("hello");
    EXPECT_THAT(outer.take(), EndsWith("\r\n\r\nhello"));
    expect_refused(post("Content-Length: 500\r\nExpect: 100-continue\r\n", ""), 413);
    expect_refused(post("Content-Length: 5\r\nExpect: something\r\n", ""), 417);
}

TEST_F(http_server, a_client_of_http_1_0_is_not_told_to_continue)  // C12
{
    EXPECT_EQ(answer("POST /echo HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"), "");
    feed("hello");
    EXPECT_THAT(outer.take(), testing::AllOf(StartsWith("HTTP/1.0 200 "), EndsWith("\r\n\r\nhello")));
}

TEST_F(http_server, a_body_over_the_limit_of_its_route_is_refused_before_it_is_read)
{
    expect_refused(post("Content-Length: 65\r\n", ""), 413);
    expect_refused(post("Content-Length: 999999999999999999\r\n", ""), 413);
    expect_refused(post("Transfer-Encoding: chunked\r\n", "20\r\n" + std::string(32, 'x') + "\r\n21\r\n"), 413);
    expect_refused("GET /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n", 413);
    EXPECT_THAT(answer(post("Content-Length: 64\r\n", std::string(64, 'x'))), StartsWith("HTTP/1.1 200 "));
}

TEST_F(http_server, heads_are_limited_in_bytes_and_lines)  // A5
{
    expect_refused("GET /hello HTTP/1.1\r\nHost: x\r\nA: " + std::string(settings.header_bytes_max, 'x'), 431);
    std::string lines;
    for (std::size_t i = 0; i < settings.header_lines_max; ++i)
        lines += "A: b\r\n";
    expect_refused(get("/hello", lines), 431);
}

TEST_F(http_server, deadlines_are_for_the_whole_head_and_body)  // slowloris
{
    EXPECT_EQ(outer.deadline, settings.header_wait);
    feed("GET ");
    outer.deadline = 0ms;
    feed("/hello");
    EXPECT_EQ(outer.deadline, 0ms) << "more bytes must not buy more time";
    server->on_deadline();
    EXPECT_THAT(outer.take(), StartsWith("HTTP/1.1 408 "));
    EXPECT_TRUE(outer.closed);

    (void)answer(post("Content-Length: 5\r\n", "h"));
    EXPECT_EQ(outer.deadline, settings.body_wait);
    server->on_deadline();
    EXPECT_THAT(outer.take(), StartsWith("HTTP/1.1 408 "));

    (void)answer(get("/hello"));
    server->on_deadline();
    EXPECT_EQ(outer.take(), "") << "an idle connection just ends";
    EXPECT_TRUE(outer.closed);
}

TEST_F(http_server, a_client_that_does_not_read_its_answers_is_not_served_more)
{
    open();
    outer.backlog = settings.backlog_bytes_max + 1;
    feed(get("/hello") + get("/hello"));
    EXPECT_EQ(outer.pauses, 1);
    auto const once = outer.take();
    outer.backlog = 0;
    server->on_drained();
    EXPECT_EQ(outer.pauses, 0);
    feed("");
    EXPECT_EQ(outer.take().size(), once.size());
}

TEST_F(http_server, reflected_values_cannot_end_their_line)  // C13
{
    http_response response{200, "text/plain", {{"Location", "a\r\nSet-Cookie: x"}}, ""};
    EXPECT_THAT(response_head(response, true, true), HasSubstr("Location: a  Set-Cookie: x\r\n"));
}

TEST_F(http_server, a_host_that_is_not_served_gets_421)  // D8
{
    settings.allowed_hosts = {"localhost", "127.0.0.1", "[::1]"};
    expect_refused(get("/hello"), 421);
    for (auto const* host : {"localhost:9090", "LOCALHOST", "127.0.0.1:1", "[::1]:9090"})
        EXPECT_THAT(answer("GET /hello HTTP/1.1\r\nHost: " + std::string{host} + "\r\n\r\n"),
                    StartsWith("HTTP/1.1 200 "))
            << host;
    expect_refused("GET /hello HTTP/1.1\r\nHost: localhost.evil.com\r\n\r\n", 421);
    EXPECT_THAT(answer("GET /hello HTTP/1.0\r\n\r\n"), StartsWith("HTTP/1.0 421 "));
}

TEST_F(http_server, an_upgrade_to_anything_else_is_not_taken_up)  // C14
{
    EXPECT_THAT(answer(get("/hello", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n")),
                StartsWith("HTTP/1.1 200 "));
}

}  // namespace
}  // namespace fulmar::net
