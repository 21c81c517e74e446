// gRPC against a peer that says what is written here, one byte at a time.
#include "bench/load/grpc_wire.hpp"
#include "bench/load/mqtt_wire.hpp"
#include "tests/unit/bench/load/conversation_fixture.hpp"

namespace fulmar::load {
namespace {

using namespace std::string_view_literals;

std::string frame(h2_type type, std::uint8_t flags, std::uint32_t stream, std::string_view payload)
{
    std::string out;
    write_h2_frame(out, type, flags, stream, payload);
    return out;
}

// A gRPC message in a DATA frame of the call.
std::string data(std::string_view message)
{
    return frame(h2_type::data, 0, 1,
                 std::string{"\0\0\0\0"sv} + static_cast<char>(message.size()) + std::string{message});
}

std::string const settings = frame(h2_type::settings, 0, 0, {});
std::string const settings_taken = frame(h2_type::settings, h2_ack, 0, {});
constexpr auto ready = "\x12\0"sv;  // SubscribeResponse: ready
constexpr auto two_messages =
    "\x0A\x06\x0A\x01t\x12\x01x"             // messages: topic, payload
    "\x0A\x08\x0A\x01t\x12\x01y\x28\x07"sv;  // and a time
constexpr auto failure =
    "\x1A\x09\x08\x01\x10\x07\x1A\x03why"sv;  // PublishStreamResponse: failures: number, code, message

struct grpc_conversation_test : conversation_fixture
{
    client& begin(std::string filter, bool publishes = false)
    {
        broker_address address;
        address.speaks = protocol::grpc;
        address.user = "user";
        address.password = "pass";
        client_settings what;
        what.filter = std::move(filter);
        what.publishes = publishes;
        return open(std::move(address), std::move(what));
    }
    client& subscriber()
    {
        auto& c = begin("a/#");
        (void)peer.hears("a/#");
        peer.says(settings + data(ready));
        (void)peer.hears(settings_taken);
        return c;
    }
    client& publisher()
    {
        auto& c = begin({}, true);
        (void)peer.hears("dXNlcjpwYXNz");
        peer.says(settings);
        (void)peer.hears(settings_taken);
        return c;
    }
};

TEST_F(grpc_conversation_test, a_subscriber_says_who_it_is_and_is_ready_when_the_broker_says_so)
{
    auto& c = begin("a/#");
    auto const said = peer.hears("a/#");
    EXPECT_TRUE(said.starts_with("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
    EXPECT_NE(said.find("/fulmar.v1.Broker/Subscribe"), said.npos);
    EXPECT_NE(said.find("Basic dXNlcjpwYXNz"), said.npos);
    EXPECT_TRUE(
        said.ends_with("\0\0\0\0\x05\x0A\x03"
                       "a/#"sv));
    peer.says(settings);
    EXPECT_FALSE(c.ready());
    peer.says(data(ready));
    EXPECT_TRUE(c.ready());
}

TEST_F(grpc_conversation_test, messages_may_come_together_and_in_pieces)
{
    (void)subscriber();
    peer.says(data(two_messages));
    auto const whole = data(two_messages).substr(9);
    for (std::size_t i = 0; i < whole.size(); i += 7)
        peer.says(frame(h2_type::data, 0, 1, std::string_view{whole}.substr(i, 7)));
    peer.says(frame(h2_type::data, h2_padded, 1, "\x02" + whole + std::string{"\0\0"sv}));
    EXPECT_EQ(messages, (strings{"x", "y", "x", "y", "x", "y"}));
}

TEST_F(grpc_conversation_test, a_ping_is_answered)
{
    (void)subscriber();
    peer.says(frame(h2_type::ping, 0, 0, "12345678"));
    auto const answer = frame(h2_type::ping, h2_ack, 0, "12345678");
    EXPECT_TRUE(peer.hears("12345678").ends_with(answer));
}

TEST_F(grpc_conversation_test, publishes_are_acknowledged_in_their_order)
{
    auto& c = publisher();
    EXPECT_TRUE(c.ready());
    all->publish(c, "t", "x", 0, 7);
    EXPECT_TRUE(peer.hears("\x28\x01").ends_with("\0\0\0\0\x0A\x0A\x08\x0A\x01t\x12\x01x\x28\x01"sv));
    all->publish(c, "t", "y", 1, 9);
    all->publish(c, "t", "z", 1, 4);
    (void)peer.hears("z\x28\x02");
    peer.says(data("\x08\x02"));
    EXPECT_EQ(published, (ids{7, 9}));
    peer.says(data("\x08\x03"));
    EXPECT_EQ(published, (ids{7, 9, 4}));
}

TEST_F(grpc_conversation_test, what_no_window_lets_out_waits)
{
    auto& c = begin({}, true);
    (void)peer.hears("dXNlcjpwYXNz");
    peer.says(frame(h2_type::settings, 0, 0, "\0\x04\0\0\0\x0B"sv));  // SETTINGS_INITIAL_WINDOW_SIZE 11
    (void)peer.hears(settings_taken);
    all->publish(c, "t", "x", 0, 7);  // 15 bytes
    EXPECT_TRUE(
        peer.hears("t").ends_with(frame(h2_type::data, 0, 1, "\0\0\0\0\x0A\x0A\x08\x0A\x01t\x12"sv).substr(0, 19)));
    peer.says(frame(h2_type::window_update, 0, 1, "\0\0\0\x04"sv));
    EXPECT_TRUE(peer.hears("x\x28\x01").ends_with("\x01x\x28\x01"));
}

TEST_F(grpc_conversation_test, a_refused_publish_ends_the_client_and_is_quoted)
{
    auto& c = publisher();
    all->publish(c, "t", "x", 0, 7);
    (void)peer.hears("\x28\x01");
    peer.says(data(failure));
    EXPECT_FALSE(c.open());
    EXPECT_EQ(c.failure(), "publish refused: why");
}

TEST_F(grpc_conversation_test, the_end_of_the_call_is_the_end_of_the_client)
{
    auto& c = begin("a/#");
    (void)peer.hears("a/#");
    peer.says(settings + frame(h2_type::headers, h2_end_headers | h2_end_stream, 1, "\x88"));
    EXPECT_FALSE(c.open());
    EXPECT_EQ(c.failure(), "the broker refused the call");
}

TEST_F(grpc_conversation_test, a_publisher_that_was_connected_before_its_call_was_refused_is_told_so)
{
    auto& c = publisher();
    peer.says(frame(h2_type::headers, h2_end_headers | h2_end_stream, 1, "\x88"));
    EXPECT_FALSE(c.open());
    EXPECT_EQ(c.failure(), "the broker refused the call");
}

TEST_F(grpc_conversation_test, the_end_of_a_call_that_was_answered_is_no_refusal)
{
    auto& c = publisher();
    peer.says(frame(h2_type::headers, h2_end_headers, 1, "\x88") +
              frame(h2_type::headers, h2_end_headers | h2_end_stream, 1, "\x88"));
    EXPECT_FALSE(c.open());
    EXPECT_EQ(c.failure(), "the broker ended the call");
}

TEST_F(grpc_conversation_test, what_is_no_http2_ends_the_client)
{
    auto& c = begin("a/#");
    (void)peer.hears("a/#");
    peer.says("HTTP/1.1 ");  // as long as the header of a frame
    EXPECT_FALSE(c.open());
}

TEST(grpc_wire, fields_are_taken_one_after_the_other)
{
    auto message = "\x08\x96\x01\x12\x02hi\x1D\x01\x02\x03\x04\x20\x05"sv;  // 1: 150, 2: "hi", 3: fixed32, 4: 5
    proto_field field;
    ASSERT_TRUE(next_field(message, field));
    EXPECT_EQ(field.number, 1U);
    EXPECT_EQ(field.value, 150U);
    ASSERT_TRUE(next_field(message, field));
    EXPECT_EQ(field.bytes, "hi");
    ASSERT_TRUE(next_field(message, field));
    EXPECT_EQ(field.number, 4U) << "fields of fixed size are passed over";
    EXPECT_FALSE(next_field(message, field));
    EXPECT_TRUE(message.empty());
}

TEST(grpc_wire, fields_that_are_cut_off_are_malformed)
{
    for (auto const bad : {"\x08"sv, "\x08\x80"sv, "\x12\x05hi"sv, "\x1D\x01"sv, "\x0B"sv}) {
        auto message = bad;
        proto_field field;
        EXPECT_FALSE(next_field(message, field));
        EXPECT_FALSE(message.empty());
    }
}

TEST(grpc_wire, long_names_and_values_have_long_lengths)
{
    std::string out;
    write_grpc_call(out, "/" + std::string(200, 'p'), "h", false, std::string(300, 'a'));
    EXPECT_NE(out.find("\x14\x7F\x4A/ppp"), out.npos);  // 201 = 127 + 74
    EXPECT_NE(out.find("\x1F\x08\x7F\xAD\x01"
                       "aaa"),
              out.npos);  // name 23 = 15 + 8; 300 = 127 + 173
    EXPECT_EQ(read_h2_frame(out).bytes, out.size());
    EXPECT_EQ(read_h2_frame(std::string_view{out}.substr(0, out.size() - 1)).bytes, 0U);
    EXPECT_EQ(read_h2_frame("\xFF\xFF\xFF\0\0\0\0\0\0"sv).bytes, malformed);
}

}  // namespace
}  // namespace fulmar::load
