// Queries, web pages, credentials, tickets and streams of HTTP.
#include "frontends/net/http_access.hpp"

#include "frontends/net/cors.hpp"
#include "frontends/net/http_problem.hpp"
#include "frontends/net/http_query.hpp"
#include "frontends/net/http_server.hpp"
#include "tests/unit/frontends/http_fixture.hpp"
#include "tests/unit/frontends/net/scripted_wire.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fulmar::net {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

TEST(http_query, fields_are_decoded_and_checked)
{
    auto const query = http_query::parse("a=1&a=2&b=x+y%2Bz&c&&=d&e=%C3%BC");
    ASSERT_TRUE(query);
    EXPECT_EQ(query->fields().size(), 6U);
    EXPECT_EQ(*query->find("a"), "1");
    EXPECT_EQ(*query->find("b"), "x y+z");
    EXPECT_EQ(*query->find("c"), "");
    EXPECT_EQ(*query->find("e"), "ü");
    EXPECT_EQ(query->find("f"), nullptr);
    for (auto const* const bad : {"a=%", "a=%1", "a=%zz", "a=%ff", "a=%00", "%c3=1"})
        EXPECT_FALSE(http_query::parse(bad)) << bad;
    std::string many;
    for (std::size_t i = 0; i <= query_fields_max; ++i)
        many += "a&";
    EXPECT_FALSE(http_query::parse(many));
}

TEST(http_query, numbers_are_digits)
{
    EXPECT_EQ(parse_number("17", 100), 17U);
    for (auto const* const bad : {"", "+1", "-1", " 1", "1 ", "0x1", "101", "99999999999999999999"})
        EXPECT_FALSE(parse_number(bad, 100)) << bad;
}

TEST(http_base64, there_is_one_spelling)
{
    EXPECT_EQ(base64_decoded("AAE="), (std::string{"\0\1", 2}));
    EXPECT_EQ(base64_decoded(""), "");
    for (auto const* const bad : {"AAE", "AAF=", "AA=E", "A===", "====", "AA==AAE=", " AAE=", "AA-_"})
        EXPECT_FALSE(base64_decoded(bad)) << bad;
}

http_request from(std::vector<http_field> headers)
{
    http_request request;
    request.headers = std::move(headers);
    return request;
}

TEST(cors, an_origin_is_compared_as_a_whole)  // attack list D2, D4
{
    std::vector<std::string> const allowed{"https://good.com"};
    EXPECT_TRUE(origin_allowed(from({{"Origin", "https://good.com"}}), allowed));
    for (auto const* const bad :
         {"null", "https://evil-good.com", "https://good.com.evil.com", "http://good.com", "https://good.com:444",
          "https://GOOD.com", "https://good.com/", "", "https://good.com, https://evil.com"})
        EXPECT_FALSE(origin_allowed(from({{"Origin", bad}}), allowed)) << bad;
    EXPECT_FALSE(origin_allowed(from({{"Origin", "https://good.com"}, {"Origin", "https://good.com"}}), allowed));
    EXPECT_TRUE(origin_allowed(from({}), allowed));
}

TEST(cors, answers_name_only_pages_that_are_allowed)
{
    auto const said = [](std::vector<std::string> const& allowed, std::string const& origin) {
        http_response response;
        add_cors(from({{"Origin", origin}, {"Host", "broker.example"}}), allowed, response);
        std::string out;
        for (auto const& field : response.headers)
            out += field.name + ": " + field.value + "\n";
        return out;
    };
    EXPECT_EQ(said({"https://good.com"}, "https://evil.com"), "Vary: Origin\n");
    EXPECT_THAT(said({"https://good.com"}, "https://good.com"), HasSubstr("Access-Control-Allow-Credentials: true\n"));
    EXPECT_THAT(said({"*"}, "https://any.com"), HasSubstr("Access-Control-Allow-Origin: *\n"));
    EXPECT_THAT(said({"*"}, "https://any.com"), Not(HasSubstr("Credentials")));
    EXPECT_THAT(said({}, "https://broker.example"), HasSubstr("Allow-Origin: https://broker.example\n"));
}

TEST(http_problem, details_are_json_texts)
{
    auto const response = problem_response(400, "a \"quoted\"\nline");
    EXPECT_EQ(response.content_type, "application/problem+json");
    EXPECT_EQ(response.body,
              "{\"type\":\"about:blank\",\"title\":\"Bad Request\",\"status\":400,"
              "\"detail\":\"a \\\"quoted\\\"\\nline\"}\n");
    EXPECT_EQ(problem_response(broker::errc::store_full).status, 507U);
    EXPECT_EQ(problem_response(broker::errc::authentication_unavailable).status, 503U);
}

TEST(http_tickets, at_most_so_many_wait)
{
    http_tickets tickets{std::chrono::seconds{30}};
    for (std::size_t i = 0; i < tickets_max; ++i)
        ASSERT_TRUE(tickets.issue({}, {}, 1));
    EXPECT_FALSE(tickets.issue({}, {}, 1));
    EXPECT_TRUE(tickets.issue({}, {}, 40'000)) << "the old ones are forgotten";
    EXPECT_FALSE(tickets.redeem("0123", 1));
}

TEST(http_access, a_certificate_or_loopback_is_for_those_who_have_it)
{
    fulmar::test::http_bench bench;
    bench.routes.on("GET", "/who", [&](http_request&& request, http_responder const& to) {
        bench.access.identify(request, [to](broker::result<broker::identity> who) {
            to.send(who ? plain_response(200, who->user + "!") : refusal_for(who.error()));
        });
    });
    auto const ask = [&](std::string const& fields) {
        return bench.ask(fulmar::test::http_bench::get("/who", fields));
    };
    EXPECT_THAT(ask(""), EndsWith("\r\n\r\n!\n"));
    EXPECT_THAT(ask(std::string{fulmar::test::http_bench::basic}), EndsWith("\r\n\r\napp:key!\n"));
    EXPECT_THAT(ask("authorization: bearer   good\r\n"), EndsWith("\r\n\r\njwt:ann!\n"));
    EXPECT_THAT(ask("Cookie: x=1; __Host-fulmar_token=good\r\n"), EndsWith("\r\n\r\njwt:ann!\n"));
    EXPECT_THAT(ask("Cookie: xfulmar_token=good\r\n"), EndsWith("\r\n\r\n!\n")) << "another cookie";
    EXPECT_THAT(ask("Authorization: Bearer good\r\nAuthorization: Bearer good\r\n"), StartsWith("HTTP/1.1 401 "));
    EXPECT_THAT(ask("Authorization: Bearer " + std::string(15'000, 'a') + "\r\n"), StartsWith("HTTP/1.1 401 "));
    EXPECT_THAT(ask("Authorization: Basic a2V5OndyB25n\r\n"), StartsWith("HTTP/1.1 401 "));
    auto const remote = bench.connect();
    remote->who.loopback = false;
    *remote << fulmar::test::http_bench::get("/who");
    EXPECT_THAT(remote->take(), StartsWith("HTTP/1.1 401 "));
}

// --- answers without an end ----------------------------------------------------------------------

class told final : public protocol
{
public:
    explicit told(std::string& into) : into_{into} {}
    [[nodiscard]] std::size_t on_bytes(std::span<char const> in) override
    {
        into_.append(in.begin(), in.end());
        return in.size();
    }
    void on_deadline() override {}
    void on_closed(bool) override {}

private:
    std::string& into_;
};

TEST(http_stream, a_handler_takes_the_connection_over_at_once_or_later)
{
    for (auto const later : {false, true}) {
        test::scripted_wire outer;
        http_router routes;
        http_settings const settings;
        std::string heard;
        std::vector<http_responder> waiting;
        auto const make = [&heard](wire& w) {
            w.send("first\n");
            return std::make_unique<told>(heard);
        };
        routes.on("GET", "/s", [&](http_request&&, http_responder const& to) {
            later ? waiting.push_back(to) : to.stream({200, "text/event-stream", {{"X", "y"}}, "ignored"}, make);
        });
        auto const server = make_http_protocol(outer, routes, settings);
        test::feeder feed{*server};
        feed("GET /s HTTP/1.1\r\nHost: a\r\n\r\nmore");
        if (later) {
            EXPECT_EQ(outer.sent, "");
            EXPECT_EQ(outer.pauses, 1);
            waiting[0].stream({200, "text/event-stream", {{"X", "y"}}, {}}, make);
            waiting[0].send(plain_response(200, "too late"));
        }
        EXPECT_EQ(outer.pauses, 0);
        EXPECT_THAT(outer.sent, StartsWith("HTTP/1.1 200 OK\r\nDate: "));
        EXPECT_THAT(outer.sent,
                    EndsWith("\r\nX: y\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\nfirst\n"));
        EXPECT_EQ(outer.deadline, std::chrono::milliseconds{0});
        ASSERT_NE(outer.replaced, nullptr);
        EXPECT_FALSE(outer.closed);
        feed.goes_on_with(*outer.replaced);
        feed("!");
        EXPECT_EQ(heard, "more!");
    }
}

TEST(http_stream, whoever_has_gone_gets_no_stream)
{
    test::scripted_wire outer;
    http_router routes;
    http_settings const settings;
    std::vector<http_responder> waiting;
    routes.on("GET", "/s", [&](http_request&&, http_responder const& to) { waiting.push_back(to); });
    auto server = make_http_protocol(outer, routes, settings);
    test::feeder feed{*server};
    feed("GET /s HTTP/1.1\r\nHost: a\r\n\r\n");
    server->on_closed(false);
    server.reset();
    EXPECT_TRUE(waiting[0].gone());
    waiting[0].stream({}, [](wire&) -> std::unique_ptr<protocol> {
        ADD_FAILURE() << "nobody is there";
        return nullptr;
    });
}

TEST(http_router_tail, the_last_name_may_capture_all_that_is_left)
{
    http_router routes;
    routes.get("/t/{topic*}", [](http_request const&) { return http_response{}; });
    routes.get("/t/{one}/literal", [](http_request const&) { return http_response{201, {}, {}, {}}; });
    auto const found = routes.find("GET", "/t/a/b/c", false);
    ASSERT_NE(found.route, nullptr);
    ASSERT_EQ(found.captures.size(), 1U);
    EXPECT_EQ(found.captures[0].name, "topic");
    EXPECT_EQ(found.captures[0].value, "a/b/c");
    EXPECT_EQ(routes.find("GET", "/t/a/literal", false).route->handler({}).status, 201U);
    EXPECT_EQ(routes.find("GET", "/t", false).route, nullptr);
    EXPECT_EQ(routes.find("GET", "/t/{topic*}", false).captures.size(), 1U);
}

}  // namespace
}  // namespace fulmar::net
