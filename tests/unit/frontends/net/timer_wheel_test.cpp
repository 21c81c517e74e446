#include "frontends/net/timer_wheel.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <random>
#include <vector>

namespace fulmar::net {
namespace {

using namespace std::chrono_literals;

struct node final : timer_node
{
    void on_timer() override
    {
        ++fired;
        if (then) {
            then();
        }
    }
    int fired = 0;
    std::function<void()> then;
};

class timer_wheel_test : public testing::Test
{
protected:
    boost::asio::io_context io_;
    timer_wheel wheel_{io_};
};

TEST_F(timer_wheel_test, a_deadline_fires_once_not_early_and_at_most_one_tick_late)
{
    node n;
    wheel_.arm(n, 500ms);
    wheel_.advance(5);  // the tick under way when it was armed counts as nothing
    EXPECT_EQ(n.fired, 0);
    wheel_.advance(1);
    EXPECT_EQ(n.fired, 1);
    wheel_.advance(3000);
    EXPECT_EQ(n.fired, 1);
    EXPECT_FALSE(n.armed());
    EXPECT_EQ(wheel_.size(), 0U);
}

TEST_F(timer_wheel_test, a_deadline_pushed_away_fires_at_the_later_time_only)
{
    node n;
    wheel_.arm(n, 500ms);
    wheel_.advance(4);
    wheel_.arm(n, 1000ms);
    wheel_.advance(10);
    EXPECT_EQ(n.fired, 0);
    wheel_.advance(1);
    EXPECT_EQ(n.fired, 1);
}

TEST_F(timer_wheel_test, a_deadline_drawn_near_fires_at_the_earlier_time)
{
    node n;
    wheel_.arm(n, 10min);
    wheel_.arm(n, 200ms);
    wheel_.advance(3);
    EXPECT_EQ(n.fired, 1);
}

TEST_F(timer_wheel_test, a_deadline_beyond_one_rotation_fires_in_its_own_rotation)
{
    node n;
    auto const ticks = timer_wheel::slots_count * 3 + 7;
    wheel_.arm(n, timer_wheel::resolution * ticks);
    wheel_.advance(ticks);
    EXPECT_EQ(n.fired, 0);
    wheel_.advance(1);
    EXPECT_EQ(n.fired, 1);
}

TEST_F(timer_wheel_test, a_disarmed_deadline_never_fires)
{
    node n;
    wheel_.arm(n, 100ms);
    wheel_.disarm(n);
    wheel_.disarm(n);
    wheel_.advance(2000);
    EXPECT_EQ(n.fired, 0);
}

TEST_F(timer_wheel_test, a_callback_may_disarm_and_arm_others_of_the_same_tick)
{
    node first;
    node second;
    node third;
    wheel_.arm(first, 100ms);
    wheel_.arm(second, 100ms);
    first.then = [&] {
        wheel_.disarm(second);
        wheel_.arm(third, 100ms);
        wheel_.arm(first, 100ms);
    };
    wheel_.advance(2);
    EXPECT_EQ(first.fired, 1);
    EXPECT_EQ(second.fired, 0);
    first.then = {};
    wheel_.advance(2);
    EXPECT_EQ(first.fired, 2);
    EXPECT_EQ(third.fired, 1);
}

TEST_F(timer_wheel_test, it_ticks_by_itself_only_while_something_is_armed)
{
    node n;
    EXPECT_FALSE(wheel_.ticking());
    wheel_.arm(n, 0ms);
    EXPECT_TRUE(wheel_.ticking());
    io_.run();  // returns when there is nothing left to wait for
    EXPECT_EQ(n.fired, 1);
    EXPECT_FALSE(wheel_.ticking());
    io_.restart();
    wheel_.arm(n, 0ms);
    io_.run();
    EXPECT_EQ(n.fired, 2);
}

TEST_F(timer_wheel_test, any_sequence_of_changes_fires_exactly_what_a_list_of_deadlines_would)
{
    std::mt19937 random{3};
    std::vector<node> nodes(200);
    std::vector<std::uint64_t> due(nodes.size(), 0);  // 0: not armed
    std::vector<int> expected(nodes.size(), 0);
    for (std::uint64_t now = 0; now < 6000;) {
        for (auto i = random() % 20; i > 0; --i) {
            auto const which = random() % nodes.size();
            if (random() % 5 == 0) {
                wheel_.disarm(nodes[which]);
                due[which] = 0;
            } else {
                auto const ticks = random() % (random() % 10 == 0 ? 3000 : 50);
                wheel_.arm(nodes[which], timer_wheel::resolution * ticks);
                due[which] = now + ticks + 1;
            }
        }
        wheel_.advance(1);
        ++now;
        for (std::size_t i = 0; i < nodes.size(); ++i) {
            if (due[i] != 0 && due[i] <= now) {
                due[i] = 0;
                ++expected[i];
            }
            ASSERT_EQ(nodes[i].fired, expected[i]) << "node " << i << " at tick " << now;
            ASSERT_EQ(nodes[i].armed(), due[i] != 0);
        }
    }
    for (auto& n : nodes) {
        wheel_.disarm(n);
    }
    EXPECT_EQ(wheel_.size(), 0U);
}

TEST(timer_wheel_life_test, a_wheel_may_die_before_its_io_context)
{
    boost::asio::io_context io;
    node n;
    {
        timer_wheel wheel{io};
        wheel.arm(n, 0ms);
    }
    io.run();
    EXPECT_EQ(n.fired, 0);
}

}  // namespace
}  // namespace fulmar::net
