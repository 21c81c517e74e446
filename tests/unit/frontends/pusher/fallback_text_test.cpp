#include "frontends/pusher/fallback_text.hpp"

#include "frontends/pusher/event.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fulmar::pusher {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

[[nodiscard]] std::string_view problem_of(std::string_view body)
{
    std::vector<std::string> out;
    return decode_sent(body, 100, out);
}

TEST(fallback_text, a_body_is_an_array_of_strings)
{
    std::vector<std::string> out{"old"};
    EXPECT_EQ(decode_sent(R"([])", 100, out), "");
    EXPECT_THAT(out, IsEmpty());
    EXPECT_EQ(decode_sent(R"( [ "{\"event\":\"e\"}" , "" , "\u00e4\ud834\udd1e\n" ] )", 100, out), "");
    EXPECT_THAT(out, ElementsAre(R"({"event":"e"})", "", "ä𝄞\n"));
}

TEST(fallback_text, anything_else_is_refused)
{
    for (auto const* const body :
         {"", "x", "\"a\"", "{}", R"({"a":"b"})", "[1]", "[null]", "[true]", R"(["a")", R"(["a",])", R"(["a"] x)",
          R"([["a"]])", "[\"\\ud834\"]", "[\"\xff\"]", "[\"\n\"]", R"(["a" "b"])", "[1e400]", "[//\n]"})
        EXPECT_NE(problem_of(body), "") << body;
    EXPECT_NE(problem_of(std::string(100'000, '[')), "");
}

TEST(fallback_text, messages_are_limited_in_size_and_number)
{
    EXPECT_EQ(problem_of("[\"" + std::string(100, 'a') + "\"]"), "");
    EXPECT_EQ(problem_of("[\"" + std::string(101, 'a') + "\"]"), "a message is too large");
    EXPECT_EQ(problem_of("[\"" + std::string(60, 'a') + "\\n" + std::string(60, 'a') + "\"]"),
              "a message is too large");
    auto const many = [](std::size_t count) {
        std::string body = "[";
        for (std::size_t i = 0; i < count; ++i)
            body += i == 0 ? "\"\"" : ",\"\"";
        return body + "]";
    };
    EXPECT_EQ(problem_of(many(sent_messages_max)), "");
    EXPECT_NE(problem_of(many(sent_messages_max + 1)), "");
}

TEST(fallback_text, length_is_counted_as_browsers_count)
{
    EXPECT_EQ(utf16_length(""), 0U);
    EXPECT_EQ(utf16_length("abc\n"), 4U);
    EXPECT_EQ(utf16_length("ä€"), 2U);
    EXPECT_EQ(utf16_length("𝄞"), 2U);
}

TEST(fallback_text, frames_of_every_length_give_back_their_text)
{
    for (auto const size : {0U, 125U, 126U, 65'535U, 65'536U}) {
        std::string const text(size, 'x');
        std::vector<char> frame;
        append_text_frame(frame, text);
        append_text_frame(frame, "next");
        EXPECT_EQ(text_of_frame({frame.data(), frame.size()}), text);
    }
}

TEST(fallback_text, a_close_says_code_and_reason)
{
    EXPECT_EQ(closed_frame(4001, "no \"app\""), "c[4001,\"no \\\"app\\\"\"]\n");
}

}  // namespace
}  // namespace fulmar::pusher
