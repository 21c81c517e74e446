#include "broker/log.hpp"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fulmar::broker {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

constexpr std::chrono::system_clock::time_point when{std::chrono::milliseconds{1'700'000'000'123}};

std::string text(log_fields fields)
{
    return format_log_line(log_format::text, log_level::info, "event", fields, when);
}
std::string json(log_fields fields)
{
    return format_log_line(log_format::json, log_level::warning, "event", fields, when);
}

// Collects what is logged while it lives.
struct log_capture
{
    explicit log_capture(log_level level = log_level::info)
    {
        start_log(log_format::text, level, [this](std::string_view line) { lines.emplace_back(line.substr(25)); });
    }
    ~log_capture() { start_log(log_format::text, log_level::info); }
    std::vector<std::string> lines;
};

TEST(log, a_text_line_has_time_level_event_and_fields)
{
    EXPECT_EQ(text({{"peer", "127.0.0.1"}, {"port", 1883}, {"tls", true}, {"ratio", 0.5}}),
              "2023-11-14T22:13:20.123Z info    event peer=127.0.0.1 port=1883 tls=true ratio=0.5");
}

TEST(log, a_json_line_has_the_same_as_members)
{
    EXPECT_EQ(json({{"peer", "127.0.0.1"}, {"port", -1}}),
              R"({"time":"2023-11-14T22:13:20.123Z","level":"warning","event":"event","peer":"127.0.0.1","port":-1})");
}

TEST(log, a_peer_cannot_forge_a_line_or_drive_the_terminal)
{
    for (auto const& line : {text({{"client", "a\nb\r\x1b[2J\x7f"}}), json({{"client", "a\nb\r\x1b[2J\x7f"}})}) {
        EXPECT_THAT(line, HasSubstr(R"("a\nb\r\u001b[2J\u007f")"));
        for (unsigned char const c : line)
            EXPECT_TRUE(c >= 0x20 && c < 0x7F) << line;
    }
}

TEST(log, c1_controls_line_separators_and_direction_marks_are_escaped)
{
    EXPECT_THAT(text({{"x", "\xC2\x85\xE2\x80\xA8\xE2\x80\xAE"}}), EndsWith(R"(x="\u0085\u2028\u202e")"));
}

TEST(log, a_value_cannot_pretend_to_be_another_field)
{
    EXPECT_THAT(text({{"client", "a user=root"}}), EndsWith(R"(client="a user=root")"));
    EXPECT_THAT(text({{"client", "a=b"}}), EndsWith(R"(client="a=b")"));
    EXPECT_THAT(text({{"client", R"(a"b\c)"}}), EndsWith(R"(client="a\"b\\c")"));
    EXPECT_THAT(text({{"client", ""}}), EndsWith(R"(client="")"));
}

TEST(log, bytes_that_are_not_utf8_never_reach_the_output)
{
    for (auto const* bad : {"\xFF", "\xC0\x80", "\xED\xA0\x80", "\xF5\x80\x80\x80", "\xE2\x82", "\x80"}) {
        EXPECT_THAT(json({{"x", bad}}), HasSubstr(R"(\ufffd)"));
        EXPECT_THAT(text({{"x", bad}}), HasSubstr(R"(\x)"));
    }
    EXPECT_THAT(text({{"x", "gr\xC3\xBC\xC3\x9F"}}), EndsWith("x=\"gr\xC3\xBC\xC3\x9F\""));
}

TEST(log, a_long_value_is_cut)
{
    auto const line = text({{"x", std::string(100'000, 'a')}});
    EXPECT_LT(line.size(), log_value_bytes_max + 100);
    EXPECT_THAT(line, EndsWith("...\""));
}

TEST(log, a_number_that_is_not_finite_is_null) { EXPECT_THAT(json({{"x", 0.0 / 0.0 * 1.0}}), HasSubstr("\"x\":null")); }

TEST(log, lines_below_the_level_are_not_written_and_the_level_can_change_at_run_time)
{
    log_capture captured{log_level::warning};
    log_info("one");
    log_error("two");
    set_log_level(log_level::debug);
    log_debug("three");
    set_log_level(log_level::off);
    log_error("four");
    EXPECT_THAT(captured.lines, ElementsAre("error   two", "debug   three"));
}

TEST(rate_limited_log, writes_at_most_so_many_lines_a_second_and_then_says_how_many_were_suppressed)
{
    log_capture captured;
    rate_limited_log refused{"connection refused", 2};
    auto const begin = std::chrono::steady_clock::time_point{} + std::chrono::hours{1};
    for (int i = 0; i < 10; ++i)
        refused(log_level::warning, {{"n", i}}, begin + std::chrono::milliseconds{i * 10});
    EXPECT_THAT(captured.lines, ElementsAre("warning connection refused n=0", "warning connection refused n=1"));
    EXPECT_EQ(refused.suppressed(), 8U);
    refused(log_level::warning, {{"n", 10}}, begin + std::chrono::seconds{1});
    EXPECT_THAT(captured.lines, testing::SizeIs(4));
    EXPECT_EQ(captured.lines[2], "warning connection refused suppressed=8");
    EXPECT_EQ(captured.lines[3], "warning connection refused n=10");
}

}  // namespace
}  // namespace fulmar::broker
