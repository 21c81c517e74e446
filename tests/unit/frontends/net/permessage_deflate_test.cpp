#include "frontends/net/permessage_deflate.hpp"

#include <gtest/gtest.h>
#include <zlib.h>
#include <random>

namespace fulmar::net {
namespace {

// Compressed as a client does it, without the trailing marker.
std::string squeezed(std::string_view plain, int flush = Z_SYNC_FLUSH, int level = 9)
{
    z_stream z{};
    deflateInit2(&z, level, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY);
    std::string out(deflateBound(&z, plain.size()) + 64, '\0');
    z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(plain.data()));
    z.avail_in = static_cast<uInt>(plain.size());
    z.next_out = reinterpret_cast<Bytef*>(out.data());
    z.avail_out = static_cast<uInt>(out.size());
    deflate(&z, flush);
    out.resize(out.size() - z.avail_out);
    deflateEnd(&z);
    if (flush == Z_SYNC_FLUSH)
        out.resize(out.size() - 4);
    return out;
}

struct inflated
{
    message_inflater::outcome outcome;
    std::string text;
};

inflated expand(std::string_view compressed, std::size_t bytes_max = 1 << 24)
{
    inflated result{message_inflater::outcome::complete, {}};
    result.outcome = shard_inflater().inflate(compressed, bytes_max, [&](std::string_view piece) {
        result.text += piece;
        return true;
    });
    return result;
}

TEST(permessage_deflate, the_first_acceptable_offer_is_taken)
{
    EXPECT_FALSE(negotiate_deflate(""));
    EXPECT_FALSE(negotiate_deflate("x-webkit-deflate-frame, permessage-bzip2; a=b"));
    EXPECT_TRUE(negotiate_deflate("permessage-deflate"));
    EXPECT_TRUE(negotiate_deflate(" foo , PerMessage-Deflate ; client_max_window_bits "));
    auto const second = negotiate_deflate(
        "permessage-deflate; server_max_window_bits=10; bogus, permessage-deflate; server_max_window_bits=\"11\"");
    ASSERT_TRUE(second);
    EXPECT_EQ(second->server_window_bits, 11);
    EXPECT_TRUE(second->window_bits_asked);
}

TEST(permessage_deflate, offers_with_invalid_parameters_are_declined)  // RFC 7692 §5.1, §7.1
{
    for (auto const* parameters :
         {"unknown", "server_no_context_takeover=1", "client_no_context_takeover=true", "server_max_window_bits",
          "server_max_window_bits=7", "server_max_window_bits=16", "server_max_window_bits=010",
          "server_max_window_bits=x", "server_max_window_bits=", "client_max_window_bits=7", "client_max_window_bits=0",
          "client_no_context_takeover; client_no_context_takeover",
          "server_max_window_bits=9; server_max_window_bits=9", "client_max_window_bits; client_max_window_bits=9"})
        EXPECT_FALSE(negotiate_deflate(std::string{"permessage-deflate; "} + parameters)) << parameters;
}

TEST(permessage_deflate, the_answer_always_forbids_context_takeover)
{
    EXPECT_EQ(deflate_answer(*negotiate_deflate("permessage-deflate; client_max_window_bits=12")),
              "permessage-deflate; server_no_context_takeover; client_no_context_takeover");
    EXPECT_EQ(
        deflate_answer(*negotiate_deflate("permessage-deflate; server_max_window_bits=9; server_no_context_takeover")),
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9");
}

TEST(permessage_deflate, a_window_of_eight_bits_is_declined_because_it_cannot_be_kept)
{
    EXPECT_FALSE(negotiate_deflate("permessage-deflate; server_max_window_bits=8"));
    EXPECT_TRUE(negotiate_deflate("permessage-deflate; client_max_window_bits=8"));
}

TEST(permessage_deflate, what_is_deflated_inflates_to_the_same_for_every_window)
{
    std::string text;
    for (int i = 0; i < 20'000; ++i)
        text += "line " + std::to_string(i * 7919 % 1000) + "\n";
    for (std::uint8_t bits = 9; bits <= 15; ++bits) {
        std::vector<char> out{'#'};
        ASSERT_TRUE(
            shard_deflater(bits).deflate(std::string_view{text}.substr(0, 11), std::string_view{text}.substr(11), out));
        EXPECT_EQ(out[0], '#');
        EXPECT_LT(out.size(), text.size() / 2);
        auto const back = expand({out.data() + 1, out.size() - 1});
        EXPECT_EQ(back.outcome, message_inflater::outcome::complete);
        EXPECT_TRUE(back.text == text) << int{bits};
    }
}

TEST(permessage_deflate, messages_do_not_depend_on_the_one_before)
{
    std::string const text(5000, 'x');
    std::vector<char> first;
    std::vector<char> second;
    ASSERT_TRUE(shard_deflater(15).deflate(text, {}, first));
    ASSERT_TRUE(shard_deflater(15).deflate(text, {}, second));
    EXPECT_EQ(first, second);
}

TEST(permessage_deflate, what_does_not_get_smaller_is_left_alone)
{
    std::mt19937 random{42};
    std::string noise(4096, '\0');
    for (auto& c : noise)
        c = static_cast<char>(random());
    std::vector<char> out{'a', 'b'};
    EXPECT_FALSE(shard_deflater(15).deflate(noise, {}, out));
    EXPECT_FALSE(shard_deflater(15).deflate({}, {}, out));
    EXPECT_EQ(out, (std::vector<char>{'a', 'b'}));
}

TEST(permessage_deflate, a_bomb_ends_at_the_limit)
{
    auto const bomb = squeezed(std::string(50 << 20, '\0'));
    ASSERT_LT(bomb.size(), 100'000U);
    auto const seen = expand(bomb, 1 << 20);
    EXPECT_EQ(seen.outcome, message_inflater::outcome::too_big);
    EXPECT_LE(seen.text.size(), (1U << 20U) + inflate_piece_bytes);
    // Nothing of it is left behind.
    EXPECT_EQ(expand(squeezed("hello")).text, "hello");
}

TEST(permessage_deflate, exactly_the_limit_is_not_too_big)
{
    auto const compressed = squeezed(std::string(inflate_piece_bytes * 2, 'x'));
    EXPECT_EQ(expand(compressed, inflate_piece_bytes * 2).outcome, message_inflater::outcome::complete);
    EXPECT_EQ(expand(compressed, inflate_piece_bytes * 2 - 1).outcome, message_inflater::outcome::too_big);
}

TEST(permessage_deflate, noise_is_corrupt)
{
    EXPECT_EQ(expand("\xff\xff\xff\xff").outcome, message_inflater::outcome::corrupt);
    EXPECT_EQ(expand("\x06").outcome, message_inflater::outcome::corrupt);  // block type 3
}

TEST(permessage_deflate, the_examples_of_the_specification_inflate)  // RFC 7692 §7.2.3
{
    EXPECT_EQ(expand({"\xf2\x48\xcd\xc9\xc9\x07\x00", 7}).text, "Hello");
    EXPECT_EQ(expand({"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", 11}).text, "Hello");          // stored
    EXPECT_EQ(expand({"\xf3\x48\xcd\xc9\xc9\x07\x00\x00", 8}).text, "Hello");                       // BFINAL
    EXPECT_EQ(expand({"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", 13}).text, "Hello");  // two blocks
    EXPECT_EQ(expand({"\x00", 1}).text, "");
}

TEST(permessage_deflate, the_receiver_may_stop_in_the_middle)
{
    int pieces = 0;
    auto const outcome = shard_inflater().inflate(squeezed(std::string(1 << 20, 'x')), 1 << 24,
                                                  [&](std::string_view) { return ++pieces < 2; });
    EXPECT_EQ(outcome, message_inflater::outcome::stopped);
    EXPECT_EQ(pieces, 2);
}

}  // namespace
}  // namespace fulmar::net
