// Each protocol against a peer that says what is written here, one byte at a time.
#include "bench/load/http_conversations.hpp"
#include "bench/load/websocket_conversations.hpp"
#include "tests/unit/bench/load/conversation_fixture.hpp"

namespace fulmar::load {
namespace {

constexpr char const* upgraded = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";

struct conversation_test : conversation_fixture
{
    client& begin(protocol speaks, std::string filter, std::vector<std::string> more = {})
    {
        broker_address address;
        address.speaks = speaks;
        address.app_id = "7";
        address.key = "the-key";
        address.secret = "the-secret";
        address.user = speaks == protocol::mqtt ? "" : "user";
        address.password = "pass";
        client_settings settings;
        settings.connect.client_id = "c";
        settings.filter = std::move(filter);
        settings.more = std::move(more);
        settings.number = 5;
        return open(std::move(address), std::move(settings));
    }
};

TEST_F(conversation_test, mqtt_subscribes_and_takes_messages)
{
    auto& c = begin(protocol::mqtt, "a/b");
    EXPECT_EQ(peer.hears("\x01"
                         "c")
                  .substr(0, 1),
              "\x10");
    peer.says(std::string_view{"\x20\x02\x00\x00", 4});
    EXPECT_EQ(peer.hears(std::string_view{"a/b\x00", 4}).substr(0, 1), "\x82");
    EXPECT_FALSE(c.ready());
    peer.says(std::string_view{"\x90\x03\xFF\xFF\x00", 5});
    EXPECT_TRUE(c.ready());
    peer.says(
        std::string_view{"\x30\x06\x00\x03"
                         "a/bx\x30\x06\x00\x03"
                         "a/by",
                         16});
    EXPECT_EQ(messages, (strings{"x", "y"}));
}

TEST_F(conversation_test, pusher_subscribes_after_the_connection_is_established_and_answers_pings)
{
    auto& c = begin(protocol::pusher, "bench/fanout");
    EXPECT_TRUE(peer.hears("\r\n\r\n").starts_with("GET /app/the-key?protocol=7&client="));
    peer.says(upgraded);
    peer.says_frame(R"({"event":"pusher:connection_established","data":"{\"socket_id\":\"1.2\"}"})");
    EXPECT_EQ(peer.hears_frame(), R"({"event":"pusher:subscribe","data":{"auth":"","channel":"bench.fanout"}})");
    EXPECT_FALSE(c.ready());
    peer.says_frame(R"({"event":"pusher_internal:subscription_succeeded","channel":"bench.fanout","data":"{}"})");
    EXPECT_TRUE(c.ready());
    peer.says_frame(R"({"event":"pusher:ping","data":{}})");
    EXPECT_EQ(peer.hears_frame(), R"({"event":"pusher:pong","data":{}})");
    peer.says_frame(R"({"event":"m","channel":"bench.fanout","data":"abc"})");
    peer.says_frame(R"({ "data": "def", "channel": "event", "event": "m" })");  // any order, any spaces
    EXPECT_EQ(messages, (strings{"abc", "def"}));
}

TEST_F(conversation_test, a_pusher_client_is_ready_when_all_its_channels_are_and_signs_for_presence_channels)
{
    auto& c = begin(protocol::pusher, "a/b", {"presence-room"});
    (void)peer.hears("\r\n\r\n");
    peer.says(upgraded);
    peer.says_frame(R"({"event":"pusher:connection_established","data":"{\"socket_id\":\"1.2\"}"})");
    EXPECT_EQ(peer.hears_frame(), R"({"event":"pusher:subscribe","data":{"auth":"","channel":"a.b"}})");
    auto const signature =
        hmac_sha256("the-secret", R"(1.2:presence-room:{"user_id":"5","user_info":{"name":"Member 5"}})");
    EXPECT_EQ(peer.hears_frame(), R"({"event":"pusher:subscribe","data":{"auth":"the-key:)" + signature +
                                      R"(","channel":"presence-room","channel_data":)" +
                                      R"("{\"user_id\":\"5\",\"user_info\":{\"name\":\"Member 5\"}}"}})");
    peer.says_frame(R"({"event":"pusher_internal:subscription_succeeded","channel":"presence-room","data":"{}"})");
    EXPECT_FALSE(c.ready());
    peer.says_frame(R"({"event":"pusher_internal:subscription_succeeded","channel":"a.b","data":"{}"})");
    EXPECT_TRUE(c.ready());
}

TEST_F(conversation_test, a_pusher_error_ends_the_client_and_is_quoted)
{
    auto& c = begin(protocol::pusher, "x");
    (void)peer.hears("\r\n\r\n");
    peer.says(upgraded);
    peer.says_frame(R"({"event":"pusher:error","data":{"code":4001,"message":"no such app"}})");
    EXPECT_FALSE(c.open());
    EXPECT_NE(c.failure().find("no such app"), std::string::npos);
}

TEST_F(conversation_test, a_pusher_publish_is_signed_as_the_contract_says)
{
    // The example of Pusher's own reference ("Worked authentication example").
    broker_address address;
    address.app_id = "3";
    address.key = "278d425bdf160c739803";
    address.secret = "7ad3773142a6692b25b8";
    EXPECT_EQ(signed_pusher_target(address, R"({"name":"foo","channels":["project-3"],"data":"{\"some\":\"data\"}"})",
                                   1353088179),
              "/apps/3/events?auth_key=278d425bdf160c739803&auth_timestamp=1353088179&auth_version=1.0"
              "&body_md5=ec365a775a4cd0599faeb73354201b6f"
              "&auth_signature=da454824c97ba181a32ccc17a72625ba02771f50b50e1e7430e47a1f3f457e6c");
}

TEST_F(conversation_test, http_answers_acknowledge_in_the_order_of_the_requests)
{
    auto& c = begin(protocol::pusher_http, "");
    all->turn(monotonic_ns() + 1'000'000'000);
    ASSERT_TRUE(c.ready());
    EXPECT_EQ(std::as_const(c).connack().receive_maximum, 2);
    all->publish(c, "a/b", "one", 1, 11);
    all->publish(c, "a/b", "two", 1, 12);
    auto const first = peer.hears(R"({"name":"m","channels":["a.b"],"data":"one"})");
    EXPECT_TRUE(first.starts_with("POST /apps/7/events?auth_key=the-key&"));
    EXPECT_NE(first.find("Content-Length: 44\r\n"), std::string::npos);
    (void)peer.hears(R"("data":"two"})");
    peer.says(
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n"
        "3\r\nabc\r\n0\r\n\r\n");
    EXPECT_EQ(published, (ids{11, 12}));
    EXPECT_TRUE(c.ready());
}

TEST_F(conversation_test, a_client_that_is_not_connected_publishes_nothing)
{
    auto& c = begin(protocol::rest, "");
    all->drop(c);
    all->publish(c, "a/b", "one", 1, 11);
    EXPECT_FALSE(c.open());
    EXPECT_TRUE(published.empty());
}

TEST_F(conversation_test, a_refused_http_publish_ends_the_client_with_status_and_body)
{
    auto& c = begin(protocol::rest, "");
    all->turn(monotonic_ns() + 1'000'000'000);
    ASSERT_TRUE(c.ready());
    all->publish(c, "a/b", "one", 1, 11);
    auto const request = peer.hears("one");
    EXPECT_TRUE(request.starts_with("POST /v1/publish?topic=a%2Fb&qos=1 HTTP/1.1\r\n"));
    EXPECT_NE(request.find("Authorization: Basic dXNlcjpwYXNz\r\n"), std::string::npos);
    peer.says("HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\nnope");
    EXPECT_FALSE(c.open());
    EXPECT_EQ(c.failure(), "publish refused with status 403: nope");
    EXPECT_TRUE(published.empty());
}

TEST_F(conversation_test, an_event_stream_is_read_whatever_its_chunks_cut)
{
    auto& c = begin(protocol::sse, "a/+");
    EXPECT_TRUE(peer.hears("\r\n\r\n").starts_with("GET /sse?topic=a%2F%2B HTTP/1.1\r\n"));
    peer.says("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
    EXPECT_TRUE(c.ready());
    peer.says("19\r\nevent: ready\ndata: {}\n\n: \r\n");  // the comment goes on in the next chunk
    peer.says("9\r\nalive\n\nda\r\n");
    peer.says("1f\r\nta: one\n\ntopic: a/b\r\ndata:two\r\n\r\n");
    peer.says("2\r\n\r\n\r\n");
    EXPECT_EQ(messages, (strings{"one", "two"}));
    peer.says("0\r\n");
    EXPECT_EQ(c.failure(), "the event stream ended");
}

TEST_F(conversation_test, an_event_stream_without_chunks_is_read_too)
{
    (void)begin(protocol::sse, "a");
    (void)peer.hears("\r\n\r\n");
    peer.says("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nid: 1\ndata: one\n\nid: 2\ndata: two\n\n");
    EXPECT_EQ(messages, (strings{"one", "two"}));
}

TEST_F(conversation_test, socket_io_joins_says_and_is_answered)
{
    auto& c = begin(protocol::socket_io, "room");
    EXPECT_TRUE(peer.hears("\r\n\r\n").starts_with("GET /socket.io/?EIO=4&transport=websocket "));
    peer.says(upgraded);
    peer.says_frame(R"(0{"sid":"x"})");
    EXPECT_EQ(peer.hears_frame(), "40");
    peer.says_frame(R"(40{"sid":"y"})");
    EXPECT_EQ(peer.hears_frame(), R"(4265535["join","room"])");
    peer.says_frame("4365535[]");
    EXPECT_TRUE(c.ready());
    peer.says_frame("2");
    EXPECT_EQ(peer.hears_frame(), "3");
    all->publish(c, "room", "hello", 1, 9);
    EXPECT_EQ(peer.hears_frame(), R"(429["say","room","hello"])");
    peer.says_frame("439[]");
    peer.says_frame(R"(42["said","hello"])");
    EXPECT_EQ(published, ids{9});
    EXPECT_EQ(messages, strings{"hello"});
}

TEST(json_text_member, is_found_as_a_name_and_not_as_a_value)
{
    EXPECT_EQ(json_text_member(R"({"a":"data","data":"x\"y"})", "data"), "x\\\"y");
    EXPECT_EQ(json_text_member(R"({"a":"\"data\":\"no\"","data":"yes"})", "data"), "yes");
    EXPECT_EQ(json_text_member(R"({"data":7})", "data"), "");
    EXPECT_EQ(json_text_member(R"({"data":"cut)", "data"), "cut");
    EXPECT_EQ(json_text_member("{}", "data"), "");
}

}  // namespace
}  // namespace fulmar::load
