#include "frontends/net/websocket_upgrade.hpp"

#include "frontends/net/conformance.hpp"
#include "frontends/net/http_server.hpp"
#include "tests/unit/frontends/net/scripted_wire.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fulmar::net {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
using op = websocket_opcode;

// The handshake of RFC 6455 §1.2.
http_request handshake()
{
    http_request request;
    request.method = "GET";
    request.headers = {{"Host", "server.example.com"},
                       {"Upgrade", "websocket"},
                       {"Connection", "keep-alive, Upgrade"},
                       {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="},
                       {"Sec-WebSocket-Version", "13"}};
    return request;
}

http_request with(std::vector<http_field> fields)
{
    auto request = handshake();
    for (auto& field : fields)
        request.headers.push_back(std::move(field));
    return request;
}

http_request replacing(std::string_view name, std::string_view value)
{
    auto request = handshake();
    for (auto& field : request.headers)
        if (field.name == name)
            field.value = value;
    return request;
}

websocket_route mqtt_route()
{
    websocket_route route;
    route.subprotocols = {"mqtt", "mqttv3.1"};
    return route;
}

unsigned status(http_request const& request, websocket_route const& route = {})
{
    return answer_handshake(request, route).answer.status;
}

std::string header(websocket_handshake const& shake, std::string_view name)
{
    for (auto const& field : shake.answer.headers)
        if (same_token(field.name, name))
            return field.value;
    return "(none)";
}

TEST(websocket_upgrade, the_accept_key_is_that_of_the_specification)  // RFC 6455 §1.3
{
    EXPECT_EQ(accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    auto const shake = answer_handshake(handshake(), {});
    EXPECT_EQ(shake.answer.status, 101U);
    EXPECT_EQ(header(shake, "Sec-WebSocket-Accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    EXPECT_EQ(header(shake, "Upgrade"), "websocket");
    EXPECT_EQ(header(shake, "Sec-WebSocket-Protocol"), "(none)");
}

TEST(websocket_upgrade, tokens_are_found_in_lists_over_several_lines)
{
    auto request = handshake();
    request.headers[1].value = "WebSocket";
    request.headers[2].value = "keep-alive";
    request.headers.push_back({"connection", " , UPGRADE"});
    EXPECT_EQ(status(request), 101U);
}

TEST(websocket_upgrade, malformed_handshakes_get_400)  // RFC 6455 §4.2.1
{
    auto post = handshake();
    post.method = "POST";
    EXPECT_EQ(status(post), 400U);
    auto old = handshake();
    old.version_1_1 = false;
    EXPECT_EQ(status(old), 400U);
    EXPECT_EQ(status(replacing("Connection", "keep-alive")), 400U);
    EXPECT_EQ(status(replacing("Connection", "upgraded")), 400U);
    EXPECT_EQ(status(replacing("Upgrade", "h2c")), 400U);
    EXPECT_EQ(status(with({{"Content-Length", "0"}})), 400U);  // C8
    for (auto const* key : {"", "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25jZR==", "dGhlIHNhbXBsZSBub25j!Q==",
                            "dGhlIHNhbXBsZSBub25jZSE="})
        EXPECT_EQ(status(replacing("Sec-WebSocket-Key", key)), 400U) << key;
    EXPECT_EQ(status(with({{"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}})), 400U);
}

TEST(websocket_upgrade, other_versions_get_426_and_the_version_spoken_here)  // RFC 6455 §4.4
{
    for (auto const* version : {"8", "0", "14", "13, 8", ""}) {
        auto const shake = answer_handshake(replacing("Sec-WebSocket-Version", version), {});
        EXPECT_EQ(shake.answer.status, 426U) << version;
        EXPECT_EQ(header(shake, "Sec-WebSocket-Version"), "13");
    }
}

TEST(websocket_upgrade, the_clients_first_known_subprotocol_is_answered_exactly)  // [MQTT-6.0.0-3], [MQTT-6.0.0-4]
{
    auto const chosen = [](std::vector<http_field> fields) {
        auto const shake = answer_handshake(with(std::move(fields)), mqtt_route());
        return shake.answer.status == 101 ? header(shake, "Sec-WebSocket-Protocol")
                                          : std::to_string(shake.answer.status);
    };
    EXPECT_EQ(chosen({{"Sec-WebSocket-Protocol", "mqtt"}}), "mqtt");
    EXPECT_EQ(chosen({{"Sec-WebSocket-Protocol", "foo ,mqttv3.1,  mqtt"}}), "mqttv3.1");
    EXPECT_EQ(chosen({{"Sec-WebSocket-Protocol", "foo"}, {"sec-websocket-protocol", "bar,mqtt"}}), "mqtt");
    EXPECT_EQ(chosen({{"Sec-WebSocket-Protocol", "m"}}), "400");
    EXPECT_EQ(chosen({{"Sec-WebSocket-Protocol", "MQTT"}}), "400");
    EXPECT_EQ(chosen({{"Sec-WebSocket-Protocol", "mqtt5"}}), "400");
    EXPECT_EQ(chosen({{"Sec-WebSocket-Protocol", ""}}), "400");
    EXPECT_EQ(chosen({}), "400");
}

TEST(websocket_upgrade, a_client_without_subprotocol_is_accepted_if_configured_so)
{
    auto route = mqtt_route();
    route.subprotocol_required = false;
    EXPECT_EQ(status(handshake(), route), 101U);
    auto const shake = answer_handshake(with({{"Sec-WebSocket-Protocol", "foo"}}), route);
    EXPECT_EQ(header(shake, "Sec-WebSocket-Protocol"), "(none)");
}

TEST(websocket_upgrade, origins_are_compared_as_a_whole)  // D1, D2, D3
{
    websocket_route route;
    route.allowed_origins = {"https://good.com"};
    EXPECT_EQ(status(with({{"Origin", "https://good.com"}}), route), 101U);
    for (auto const* origin :
         {"https://evil-good.com", "https://good.com.evil.com", "http://good.com", "https://good.com:444",
          "https://GOOD.com", "null", "", "https://good.co", "https://good.com/"})
        EXPECT_EQ(status(with({{"Origin", origin}}), route), 403U) << origin;
    EXPECT_EQ(status(with({{"Origin", "https://good.com"}, {"Origin", "https://evil.com"}}), route), 403U);
    EXPECT_EQ(status(handshake(), route), 101U) << "no browser, no origin";
    route.allowed_origins = {"*"};
    EXPECT_EQ(status(with({{"Origin", "https://anything"}}), route), 101U);
}

TEST(websocket_upgrade, without_a_list_only_pages_of_the_same_host_and_of_this_machine_may_connect)
{
    for (auto const* origin : {"http://server.example.com", "https://SERVER.example.com:8443", "http://localhost:3000",
                               "http://127.0.0.1", "http://[::1]:1"})
        EXPECT_EQ(status(with({{"Origin", origin}})), 101U) << origin;
    for (auto const* origin : {"http://example.com", "http://server.example.com.evil.com", "null", "", "file://",
                               "http://localhost.evil.com", "http://u@localhost"})
        EXPECT_EQ(status(with({{"Origin", origin}})), 403U) << origin;
}

TEST(websocket_upgrade, deflate_is_agreed_only_where_the_route_wants_it)
{
    auto const request = with({{"Sec-WebSocket-Extensions", "foo"},
                               {"Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits"}});
    EXPECT_EQ(header(answer_handshake(request, {}), "Sec-WebSocket-Extensions"),
              "permessage-deflate; server_no_context_takeover; client_no_context_takeover");
    websocket_route route;
    route.deflate = false;
    EXPECT_EQ(header(answer_handshake(request, route), "Sec-WebSocket-Extensions"), "(none)");
    EXPECT_FALSE(answer_handshake(request, route).deflate);
}

TEST(websocket_upgrade, a_route_may_refuse_with_its_own_answer)
{
    websocket_route route;
    route.admit = [](http_request const&) { return plain_response(429, "later"); };
    EXPECT_EQ(status(handshake(), route), 429U);
}

class upgraded_connection : public testing::Test
{
protected:
    upgraded_connection() { add_conformance_routes(routes); }
    static std::string upgrade(std::string_view path, std::string_view fields = "")
    {
        return "GET " + std::string{path} +
               " HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
               std::string{fields} + "\r\n";
    }
    test::scripted_wire outer;
    http_router routes;
    http_settings settings;
    std::unique_ptr<protocol> server = make_http_protocol(outer, routes, settings);
    test::feeder feed{*server};
};

TEST_F(upgraded_connection, the_session_takes_over_with_the_bytes_that_follow_the_request)
{
    feed(upgrade("/echo") + test::client_frame(op::text, "hello"));
    EXPECT_THAT(outer.take(), StartsWith("HTTP/1.1 101 Switching Protocols\r\n"));
    ASSERT_TRUE(outer.replaced);
    EXPECT_EQ(feed.kept(), test::client_frame(op::text, "hello").size());
    server = std::move(outer.replaced);
    feed.goes_on_with(*server);
    feed("");
    EXPECT_EQ(outer.take(), test::server_frame(op::text, "hello"));
}

TEST_F(upgraded_connection, echo_answers_compressed_messages_compressed)
{
    feed(upgrade("/echo", "Sec-WebSocket-Extensions: permessage-deflate\r\n"));
    EXPECT_THAT(outer.take(), HasSubstr("Sec-WebSocket-Extensions: permessage-deflate;"));
    server = std::move(outer.replaced);
    feed.goes_on_with(*server);
    std::string const text(1000, 'e');
    std::vector<char> packed;
    ASSERT_TRUE(shard_deflater(15).deflate(text, {}, packed));
    feed(test::client_frame(op::text, {packed.data(), packed.size()}, {.reserved = 4}));
    EXPECT_EQ(outer.take(), test::server_frame(op::text, {packed.data(), packed.size()}, true));
}

TEST_F(upgraded_connection, a_refused_handshake_closes_the_connection)
{
    feed("GET /echo HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
    EXPECT_THAT(outer.take(), StartsWith("HTTP/1.1 426 "));
    EXPECT_TRUE(outer.closed);
    EXPECT_FALSE(outer.replaced);
}

TEST_F(upgraded_connection, a_plain_get_of_a_websocket_path_is_refused)
{
    routes.upgrade("/only", websocket_route{});
    feed("GET /only HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_THAT(outer.take(), StartsWith("HTTP/1.1 400 "));
}

TEST_F(upgraded_connection, the_http_conformance_paths_answer_get_and_echo_post)
{
    for (std::string const path : {"/conformance", "/echo"}) {
        feed("GET " + path + "?x HTTP/1.1\r\nHost: x\r\n\r\nPOST " + path +
             " HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc");
        auto const text = outer.take();
        EXPECT_THAT(text, HasSubstr("\r\n\r\nGET " + path + "?x\n"));
        EXPECT_THAT(text, testing::EndsWith("\r\n\r\nabc"));
    }
}

}  // namespace
}  // namespace fulmar::net
