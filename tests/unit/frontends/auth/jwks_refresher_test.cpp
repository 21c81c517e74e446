#include "frontends/auth/jwks_refresher.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace fulmar::auth {
namespace {

using namespace std::chrono_literals;
using broker::steady_time;

constexpr steady_time start{1'000s};

TEST(jwks_schedule, keys_are_fetched_again_after_the_period)
{
    jwks_schedule schedule{300s};
    schedule.began(start);
    EXPECT_EQ(schedule.due(), std::nullopt) << "one at a time";
    schedule.ended(true, start + 1s);
    EXPECT_EQ(schedule.due(), start + 301s);
}

TEST(jwks_schedule, failures_are_tried_again_soon_and_then_less_often)
{
    jwks_schedule schedule{300s};
    auto now = start;
    for (auto const wait : {1s, 2s, 4s, 8s, 16s, 32s, 60s, 60s}) {
        schedule.began(now);
        schedule.ended(false, now);
        EXPECT_EQ(schedule.due(), now + wait);
        now += wait;
    }
    schedule.began(now);
    schedule.ended(true, now);
    EXPECT_EQ(schedule.due(), now + 300s);
    schedule.began(now);
    schedule.ended(false, now);
    EXPECT_EQ(schedule.due(), now + 1s) << "a success begins anew";
}

TEST(jwks_schedule, a_failure_is_never_tried_again_later_than_the_period)
{
    jwks_schedule schedule{10s};
    for (int i = 0; i < 8; ++i) {
        schedule.began(start);
        schedule.ended(false, start);
        EXPECT_LE(*schedule.due(), start + 10s);
    }
}

TEST(jwks_schedule, tokens_ask_at_most_once_in_a_while)
{
    jwks_schedule schedule{300s};
    schedule.began(start);
    schedule.ended(true, start + 1s);
    schedule.asked();
    schedule.asked();
    EXPECT_EQ(schedule.due(), start + jwks_schedule::asked_pause) << "counted from the last beginning";
    schedule.began(start + 10s);
    schedule.ended(true, start + 10s);
    EXPECT_EQ(schedule.due(), start + 310s) << "nobody has asked since";
    schedule.began(start + 20s);
    schedule.asked();
    EXPECT_EQ(schedule.due(), std::nullopt);
    schedule.ended(true, start + 21s);
    EXPECT_EQ(schedule.due(), start + 30s) << "asked while a fetch was under way that may have been too early";
}

TEST(jwks_schedule, asking_makes_nothing_later)
{
    jwks_schedule schedule{300s};
    schedule.began(start);
    schedule.ended(false, start + 1s);
    schedule.asked();
    EXPECT_EQ(schedule.due(), start + 2s);
}

class jwks_refresher_test : public testing::Test
{
protected:
    void answer(jwks_refresher::answer const& with)
    {
        auto const then = std::move(open.front());
        open.erase(open.begin());
        then(with);
    }

    boost::asio::io_context io;
    std::vector<std::function<void(jwks_refresher::answer)>> open;
    std::vector<std::string> taken;
    jwks_refresher refresher{io, 24h, [this](auto then) { open.push_back(std::move(then)); },
                             [this](std::string_view text) {
                                 taken.emplace_back(text);
                                 return text == "good" ? std::nullopt : std::optional<std::string>{"is no set"};
                             }};
};

TEST_F(jwks_refresher_test, what_is_fetched_is_taken)
{
    refresher.start();
    ASSERT_EQ(open.size(), 1U);
    answer({"good", {}});
    EXPECT_EQ(taken, std::vector<std::string>{"good"});
    EXPECT_EQ(refresher.fetched(), 1U);
    EXPECT_EQ(refresher.failed(), 0U);
}

TEST_F(jwks_refresher_test, what_cannot_be_used_is_counted_and_tried_again)
{
    refresher.start();
    answer({"bad", {}});
    EXPECT_EQ(refresher.failed(), 1U);
    while (open.empty())  // the second try comes by itself
        io.run_one();
    answer({{}, "no answer in time"});
    EXPECT_EQ(taken, std::vector<std::string>{"bad"}) << "without a text there is nothing to take";
    EXPECT_EQ(refresher.failed(), 2U);
    EXPECT_EQ(refresher.fetched(), 0U);
}

TEST_F(jwks_refresher_test, asking_begins_no_second_fetch_beside_the_first)
{
    refresher.start();
    for (int i = 0; i < 100; ++i)
        refresher.ask();
    io.poll();
    EXPECT_EQ(open.size(), 1U);
    answer({"good", {}});
    for (int i = 0; i < 100; ++i)
        refresher.ask();
    io.restart();
    io.poll();
    EXPECT_EQ(open.size(), 0U) << "nor one right after it";
}

}  // namespace
}  // namespace fulmar::auth
