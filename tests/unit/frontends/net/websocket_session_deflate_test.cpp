#include "tests/unit/frontends/net/websocket_session_fixture.hpp"

namespace fulmar::net {
namespace {

using test::client_frame;
using test::op;
using test::server_close;
using test::server_frame;

class websocket_session_deflate_test : public test::websocket_session_fixture
{
};

TEST_F(websocket_session_deflate_test, compressed_bytes_join_the_stream)
{
    open_stream(deflate_parameters{});
    inner->unit = 7;
    std::string const text(3003, 'q');
    auto const packed = squeezed(text);
    ASSERT_GT(packed.size(), 4U);
    feed.one_by_one(client_frame(op::binary, "abc") +
                    client_frame(op::binary, packed.substr(0, 3), {.final = false, .reserved = 4}) +
                    client_frame(op::continuation, packed.substr(3)) + client_frame(op::binary, "xyzw"));
    EXPECT_TRUE(seen.bytes == "abc" + text + "xyzw");
}

TEST_F(websocket_session_deflate_test, a_bomb_is_refused_after_its_limit_and_never_held_whole)  // B21, 1009
{
    settings.message_bytes_max = 1 << 20;
    open_stream(deflate_parameters{});
    feed(client_frame(op::binary, squeezed(std::string(20 << 20, '\0')), {.reserved = 4}));
    EXPECT_LE(seen.bytes.size(), 1U << 20U);
    EXPECT_EQ(outer.take(), server_close(close_code::too_big));
    EXPECT_TRUE(outer.closed);
}

TEST_F(websocket_session_deflate_test, corrupt_compression_closes_with_1007)
{
    open_stream(deflate_parameters{});
    feed(client_frame(op::binary, "\xff\xff\xff", {.reserved = 4}));
    EXPECT_EQ(outer.take(), server_close(close_code::invalid_payload));
}

TEST_F(websocket_session_deflate_test, little_is_kept_of_a_compressed_message_before_the_first_answer)
{
    settings.early_bytes_max = 1000;
    open_stream(deflate_parameters{});
    auto const first = client_frame(op::binary, std::string(1001, 'x'), {.final = false, .reserved = 4});
    feed(first);
    EXPECT_EQ(outer.take(), server_close(close_code::too_big));

    outer.closed = false;
    open_stream(deflate_parameters{});
    inner_wire->send("connack");
    (void)outer.take();
    feed(first);
    EXPECT_EQ(outer.take(), "");
}

TEST_F(websocket_session_deflate_test, large_answers_are_compressed_when_that_was_agreed)
{
    open_stream(deflate_parameters{});
    std::string const text(settings.compress_above, 'z');
    inner_wire->send("", text);
    auto const sent = outer.take();
    EXPECT_LT(sent.size(), 100U);
    EXPECT_EQ(sent, server_frame(op::binary, squeezed(text), true));
    inner_wire->send("", std::string(settings.compress_above - 1, 'z'));
    EXPECT_EQ(outer.take(), server_frame(op::binary, std::string(settings.compress_above - 1, 'z')));
}

TEST_F(websocket_session_deflate_test, compressed_text_is_checked_after_inflating)
{
    open_messages(deflate_parameters{});
    std::string const good(200, 'a');
    feed(client_frame(op::text, squeezed(good), {.reserved = 4}));
    ASSERT_EQ(seen.messages.size(), 1U);
    EXPECT_EQ(seen.messages[0].second, good);
    (void)outer.take();
    feed(client_frame(op::text, squeezed(std::string(200, '\xff')), {.reserved = 4}));
    EXPECT_EQ(outer.take(), server_close(close_code::invalid_payload));
}

}  // namespace
}  // namespace fulmar::net
