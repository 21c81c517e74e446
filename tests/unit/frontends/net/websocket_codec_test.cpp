#include "frontends/net/websocket_codec.hpp"

#include "tests/unit/frontends/net/scripted_wire.hpp"

#include <gtest/gtest.h>

namespace fulmar::net {
namespace {

using test::client_frame;
using test::close_payload;
using op = websocket_opcode;

// What a decoder made of some bytes.
struct outcome
{
    std::vector<std::pair<op, std::string>> messages;
    std::vector<std::string> pings;
    std::vector<std::string> pongs;
    std::uint16_t failure = 0;
    bool closed = false;
    std::uint16_t code = 0;
    std::string reason;
};

struct decoding
{
    std::uint64_t bytes_max = 1 << 20;
    bool deflate = false;
    std::size_t step = 1 << 20;  // bytes that arrive at a time
};

outcome decode(std::string_view wire, decoding how = {})
{
    websocket_decoder decoder{how.bytes_max, how.deflate};
    outcome seen;
    std::vector<char> message;
    std::size_t used = 0;
    for (auto arrived = std::min(how.step, wire.size());; arrived = std::min(arrived + how.step, wire.size())) {
        std::span<char const> in{wire.data() + used, arrived - used};
        websocket_control control;
        for (auto more = true; more;) {
            switch (decoder.next(in, control)) {
            case websocket_decoder::event::need_more: more = false; break;
            case websocket_decoder::event::payload: {
                auto const taken = decoder.take(in, message);
                if (taken == websocket_decoder::taken::message_end) {
                    seen.messages.emplace_back(decoder.kind(), std::string{message.begin(), message.end()});
                    message.clear();
                }
                break;
            }
            case websocket_decoder::event::ping: seen.pings.emplace_back(control.payload()); break;
            case websocket_decoder::event::pong: seen.pongs.emplace_back(control.payload()); break;
            case websocket_decoder::event::close:
                seen.closed = true;
                seen.code = control.code();
                seen.reason = control.reason();
                return seen;
            case websocket_decoder::event::failed: seen.failure = decoder.failure(); return seen;
            }
        }
        used = arrived - in.size();
        if (arrived == wire.size())
            return seen;
    }
}

std::uint16_t failure_of(std::string_view wire, decoding how = {}) { return decode(wire, how).failure; }

TEST(websocket_codec, messages_of_every_length_encoding_arrive_whole_and_in_any_pieces)
{
    for (std::size_t const size : {0U, 1U, 7U, 8U, 125U, 126U, 127U, 128U, 65535U, 65536U, 70001U}) {
        std::string payload(size, '\0');
        for (std::size_t i = 0; i < size; ++i)
            payload[i] = static_cast<char>(i * 31 + 7);
        auto const wire = client_frame(op::binary, payload);
        for (std::size_t const step : {1U, 3U, 1000U, 1000000U}) {
            auto const seen = decode(wire, {.step = step});
            ASSERT_EQ(seen.messages.size(), 1U) << size << " by " << step;
            EXPECT_EQ(seen.messages[0].first, op::binary);
            EXPECT_TRUE(seen.messages[0].second == payload) << size << " by " << step;
        }
    }
}

TEST(websocket_codec, fragments_make_one_message_with_control_frames_in_between)  // RFC 6455 §5.4
{
    auto const wire = client_frame(op::text, "one ", {.final = false}) + client_frame(op::ping, "p") +
                      client_frame(op::continuation, "", {.final = false}) + client_frame(op::pong, "q") +
                      client_frame(op::continuation, "two");
    for (std::size_t const step : {1U, 1000U}) {
        auto const seen = decode(wire, {.step = step});
        ASSERT_EQ(seen.messages.size(), 1U);
        EXPECT_EQ(seen.messages[0], std::make_pair(op::text, std::string{"one two"}));
        EXPECT_EQ(seen.pings, std::vector<std::string>{"p"});
        EXPECT_EQ(seen.pongs, std::vector<std::string>{"q"});
    }
}

TEST(websocket_codec, empty_frames_are_legal)
{
    auto const seen = decode(client_frame(op::binary, "") + client_frame(op::text, "") + client_frame(op::ping, "") +
                             client_frame(op::text, "", {.final = false}) + client_frame(op::continuation, ""));
    EXPECT_EQ(seen.messages.size(), 3U);
    EXPECT_EQ(seen.pings.size(), 1U);
    EXPECT_EQ(seen.failure, 0);
}

TEST(websocket_codec, frames_without_a_mask_are_refused)  // RFC 6455 §5.1
{
    EXPECT_EQ(failure_of(client_frame(op::text, "x", {.masked = false})), close_code::protocol_error);
    EXPECT_EQ(failure_of(client_frame(op::ping, "x", {.masked = false})), close_code::protocol_error);
    EXPECT_EQ(failure_of("\x82\x7e"), close_code::protocol_error);  // before the length is there
}

TEST(websocket_codec, reserved_bits_are_refused_unless_deflate_gave_rsv1_a_meaning)
{
    for (unsigned const bits : {1U, 2U, 3U, 4U, 5U, 6U, 7U})
        EXPECT_EQ(failure_of(client_frame(op::binary, "x", {.reserved = bits})), close_code::protocol_error) << bits;
    for (unsigned const bits : {1U, 2U, 3U, 5U, 6U, 7U})
        EXPECT_EQ(failure_of(client_frame(op::binary, "x", {.reserved = bits}), {.deflate = true}),
                  close_code::protocol_error);
    EXPECT_EQ(failure_of(client_frame(op::binary, "x", {.reserved = 4}), {.deflate = true}), 0);
    // RSV1 belongs to the first frame of a message only, and never to a control frame (RFC 7692 §6).
    EXPECT_EQ(failure_of(client_frame(op::ping, "", {.reserved = 4}), {.deflate = true}), close_code::protocol_error);
    EXPECT_EQ(failure_of(client_frame(op::binary, "x", {.final = false, .reserved = 4}) +
                             client_frame(op::continuation, "x", {.reserved = 4}),
                         {.deflate = true}),
              close_code::protocol_error);
}

TEST(websocket_codec, unknown_opcodes_are_refused)
{
    for (unsigned const code : {3U, 4U, 5U, 6U, 7U, 11U, 12U, 13U, 14U, 15U})
        EXPECT_EQ(failure_of(client_frame(static_cast<op>(code), "")), close_code::protocol_error) << code;
}

TEST(websocket_codec, control_frames_are_short_and_whole)  // RFC 6455 §5.5
{
    std::string const longest(125, 'x');
    EXPECT_EQ(decode(client_frame(op::ping, longest), {.step = 2}).pings, std::vector<std::string>{longest});
    EXPECT_EQ(failure_of(client_frame(op::ping, longest + "x")), close_code::protocol_error);
    EXPECT_EQ(failure_of(client_frame(op::close, std::string(126, 'x'))), close_code::protocol_error);
    EXPECT_EQ(failure_of(client_frame(op::ping, "x", {.final = false})), close_code::protocol_error);
    EXPECT_EQ(failure_of("\x89\xfe"), close_code::protocol_error);  // before the length is there
}

TEST(websocket_codec, continuations_continue_something_and_messages_do_not_nest)  // RFC 6455 §5.4
{
    EXPECT_EQ(failure_of(client_frame(op::continuation, "x")), close_code::protocol_error);
    EXPECT_EQ(failure_of(client_frame(op::continuation, "x", {.final = false})), close_code::protocol_error);
    EXPECT_EQ(failure_of(client_frame(op::text, "x", {.final = false}) + client_frame(op::text, "y")),
              close_code::protocol_error);
    EXPECT_EQ(failure_of(client_frame(op::text, "x") + client_frame(op::continuation, "y")),
              close_code::protocol_error);
}

TEST(websocket_codec, lengths_are_written_as_short_as_possible_and_below_2_to_63)  // RFC 6455 §5.2
{
    EXPECT_EQ(failure_of({"\x82\xfe\x00\x7d", 4}), close_code::protocol_error);
    EXPECT_EQ(failure_of({"\x82\xff\x00\x00\x00\x00\x00\x00\xff\xff", 10}), close_code::protocol_error);
    EXPECT_EQ(failure_of({"\x82\xff\x80\x00\x00\x00\x00\x00\x00\x00", 10}), close_code::protocol_error);
}

TEST(websocket_codec, a_message_over_the_limit_is_refused_by_its_length_field)
{
    EXPECT_EQ(failure_of({"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff", 10}), close_code::too_big);
    EXPECT_EQ(failure_of({"\x82\xfe\x03\xe9", 4}, {.bytes_max = 1000}), close_code::too_big);
    EXPECT_EQ(failure_of({"\x82\xfe\x03\xe8", 4}, {.bytes_max = 1000}), 0);
    // Fragments count together.
    auto const first = client_frame(op::binary, std::string(600, 'x'), {.final = false});
    EXPECT_EQ(failure_of(first + client_frame(op::continuation, std::string(400, 'x')), {.bytes_max = 1000}), 0);
    EXPECT_EQ(failure_of(first + client_frame(op::continuation, std::string(401, 'x')), {.bytes_max = 1000}),
              close_code::too_big);
}

TEST(websocket_codec, a_flood_of_empty_fragments_ends_the_message)
{
    auto wire = client_frame(op::binary, "", {.final = false});
    for (int i = 0; i < 20'000; ++i)
        wire += client_frame(op::continuation, "", {.final = false});
    EXPECT_EQ(failure_of(wire), close_code::too_big);
}

TEST(websocket_codec, a_flood_of_fragments_of_one_byte_ends_the_message)
{
    auto wire = client_frame(op::binary, "x", {.final = false});
    for (int i = 0; i < 100'000; ++i)
        wire += client_frame(op::continuation, "x", {.final = false});
    EXPECT_EQ(failure_of(wire), close_code::too_big);
}

TEST(websocket_codec, many_small_fragments_with_content_are_fine)
{
    auto wire = client_frame(op::binary, "", {.final = false});
    for (int i = 0; i < 20'000; ++i)
        wire += client_frame(op::continuation, std::string(32, 'x'), {.final = false});
    wire += client_frame(op::continuation, "");
    auto const seen = decode(wire);
    ASSERT_EQ(seen.messages.size(), 1U);
    EXPECT_EQ(seen.messages[0].second.size(), 640'000U);
}

TEST(websocket_codec, close_codes_that_must_not_be_sent_are_refused)  // RFC 6455 §7.4
{
    for (unsigned const code : {0U, 999U, 1004U, 1005U, 1006U, 1015U, 1016U, 1100U, 2000U, 2999U, 5000U, 65535U})
        EXPECT_EQ(failure_of(client_frame(op::close, close_payload(code))), close_code::protocol_error) << code;
    for (std::uint16_t const code :
         {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999}) {
        auto const seen = decode(client_frame(op::close, close_payload(code, "why")));
        EXPECT_TRUE(seen.closed) << code;
        EXPECT_EQ(seen.code, code);
        EXPECT_EQ(seen.reason, "why");
    }
}

TEST(websocket_codec, a_close_frame_has_no_payload_or_a_whole_code_and_a_reason_in_utf8)
{
    auto const bare = decode(client_frame(op::close, ""));
    EXPECT_TRUE(bare.closed);
    EXPECT_EQ(bare.code, close_code::none);
    EXPECT_EQ(failure_of(client_frame(op::close, "x")), close_code::protocol_error);
    EXPECT_EQ(failure_of(client_frame(op::close, close_payload(1000, "\xff"))), close_code::invalid_payload);
    EXPECT_EQ(failure_of(client_frame(op::close, close_payload(1000, "\xc3"))), close_code::invalid_payload);
}

TEST(websocket_codec, text_that_is_not_utf8_fails_as_soon_as_it_cannot_be)  // RFC 6455 §8.1
{
    // A surrogate at the beginning of a frame of which only a few bytes have come.
    auto const wire = client_frame(op::text, "\xed\xa0\x80" + std::string(1000, 'x'));
    EXPECT_EQ(failure_of(std::string_view{wire}.substr(0, 4 + 4 + 2)), close_code::invalid_payload);
    EXPECT_EQ(failure_of(client_frame(op::text, "\xc3")), close_code::invalid_payload);  // ends in a character
    EXPECT_EQ(failure_of(client_frame(op::text, "\xc3", {.final = false}) + client_frame(op::continuation, "\xa4")), 0);
    EXPECT_EQ(failure_of(client_frame(op::binary, "\xff\xfe")), 0);
}

TEST(websocket_codec, every_code_point_is_valid_utf8_and_surrogates_and_overlong_forms_are_not)
{
    auto const valid = [](std::string_view text, std::size_t step) {
        utf8_validator validator;
        for (std::size_t at = 0; at < text.size(); at += step)
            if (!validator.feed(text.substr(at, step)))
                return false;
        return validator.complete();
    };
    std::string all;
    for (std::uint32_t c = 0; c <= 0x10FFFF; ++c) {
        if (c >= 0xD800 && c <= 0xDFFF)
            continue;
        if (c < 0x80) {
            all += static_cast<char>(c);
        } else if (c < 0x800) {
            all += {static_cast<char>(0xC0U | c >> 6U), static_cast<char>(0x80U | (c & 0x3FU))};
        } else if (c < 0x10000) {
            all += {static_cast<char>(0xE0U | c >> 12U), static_cast<char>(0x80U | (c >> 6U & 0x3FU)),
                    static_cast<char>(0x80U | (c & 0x3FU))};
        } else {
            all += {static_cast<char>(0xF0U | c >> 18U), static_cast<char>(0x80U | (c >> 12U & 0x3FU)),
                    static_cast<char>(0x80U | (c >> 6U & 0x3FU)), static_cast<char>(0x80U | (c & 0x3FU))};
        }
    }
    EXPECT_TRUE(valid(all, 1));
    EXPECT_TRUE(valid(all, 7));
    EXPECT_TRUE(valid(all, all.size()));
    for (std::string_view const bad : {"\xc0\x80", "\xc1\xbf", "\xe0\x80\x80", "\xe0\x9f\xbf", "\xed\xa0\x80",
                                       "\xed\xbf\xbf", "\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
                                       "\xf5\x80\x80\x80", "\xff", "\x80", "\xc3(", "\xe2\x82", "abc\xf0\x9f\x98"})
        EXPECT_FALSE(valid(bad, 1)) << testing::PrintToString(bad);
}

TEST(websocket_codec, unmasking_is_its_own_inverse_at_every_phase)
{
    std::array<char, 4> const mask{'\x01', '\x7f', '\xff', '\x80'};
    for (std::size_t size = 0; size < 40; ++size) {
        for (std::size_t phase = 0; phase < 4; ++phase) {
            std::string plain(size, 'a');
            for (std::size_t i = 0; i < size; ++i)
                plain[i] = static_cast<char>('a' + i);
            std::string masked(size, '\0');
            for (std::size_t i = 0; i < size; ++i)
                masked[i] = static_cast<char>(plain[i] ^ mask[(i + phase) & 3]);
            unmask(masked.data(), masked.data(), size, mask, phase);
            EXPECT_EQ(masked, plain) << size << " " << phase;
        }
    }
}

TEST(websocket_codec, headers_of_the_server_are_unmasked_and_as_short_as_possible)
{
    auto const header = [](std::uint64_t size, bool compressed = false) {
        std::array<char, frame_header_bytes_max> out{};
        auto const length = write_frame_header(out.data(), op::binary, size, compressed);
        return std::string{out.data(), length};
    };
    EXPECT_EQ(header(0), std::string("\x82\x00", 2));
    EXPECT_EQ(header(125), "\x82\x7d");
    EXPECT_EQ(header(126), std::string("\x82\x7e\x00\x7e", 4));
    EXPECT_EQ(header(65535), "\x82\x7e\xff\xff");
    EXPECT_EQ(header(65536), std::string("\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00", 10));
    EXPECT_EQ(header(1, true), "\xc2\x01");
}

TEST(websocket_codec, a_long_close_reason_is_cut_between_characters)
{
    std::vector<char> frame;
    std::string reason(122, 'x');
    append_close_frame(frame, 1000, reason + "\xc3\xa4");
    EXPECT_EQ(frame.size(), 2U + 2U + 122U);
    frame.clear();
    append_close_frame(frame, close_code::none);
    EXPECT_EQ(std::string(frame.begin(), frame.end()), std::string("\x88\x00", 2));
}

}  // namespace
}  // namespace fulmar::net
