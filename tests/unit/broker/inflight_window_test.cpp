#include "broker/inflight_window.hpp"

#include <gtest/gtest.h>

namespace {

using namespace fulmar::broker;

inflight_entry entry_at(log_sequence sequence)
{
    inflight_entry entry;
    entry.sequence = sequence;
    return entry;
}

constexpr auto always = [](inflight_entry const&) { return true; };

TEST(inflight_window, identifiers_begin_at_one_and_wrap_past_zero)  // [MQTT-2.2.1-3]
{
    inflight_window window;
    for (int i = 1; i <= 70'000; ++i) {
        auto const id = window.push({}).id;
        ASSERT_EQ(id, i <= 65'535 ? i : i - 65'535);
        window.find(id)->acknowledged = true;
        window.settle_front(always, [](auto const&) {});
    }
}

TEST(inflight_window, an_entry_is_found_by_its_identifier_until_it_is_acknowledged)
{
    inflight_window window;
    window.push(entry_at(10));
    window.push(entry_at(11));
    ASSERT_NE(window.find(2), nullptr);
    EXPECT_EQ(window.find(2)->sequence, 11U);
    window.find(2)->acknowledged = true;
    EXPECT_EQ(window.find(2), nullptr);
    EXPECT_EQ(window.find(3), nullptr);
    EXPECT_EQ(window.find(0), nullptr);
}

TEST(inflight_window, entries_leave_only_from_the_front)
{
    inflight_window window;
    window.push(entry_at(10));
    window.push(entry_at(11));
    window.find(2)->acknowledged = true;
    std::vector<log_sequence> gone;
    window.settle_front(always, [&](auto const& entry) { gone.push_back(entry.sequence); });
    EXPECT_TRUE(gone.empty());
    EXPECT_EQ(window.first_unacknowledged(), 10U);
    window.find(1)->acknowledged = true;
    window.settle_front(always, [&](auto const& entry) { gone.push_back(entry.sequence); });
    EXPECT_EQ(gone, (std::vector<log_sequence>{10, 11}));
    EXPECT_EQ(window.first_unacknowledged(), std::nullopt);
}

TEST(inflight_window, a_restored_identifier_is_not_given_again_while_it_is_in_use)
{
    inflight_window window;
    for (packet_id const id : {packet_id{3}, packet_id{1}}) {
        auto stored = entry_at(id);
        stored.id = id;
        window.restore(std::move(stored));
    }
    EXPECT_EQ(window.push({}).id, 2);
    EXPECT_EQ(window.push({}).id, 4);
    EXPECT_EQ(window.find(3)->sequence, 3U);
}

TEST(inflight_window, messages_of_shared_subscriptions_do_not_hold_the_cursor_back)
{
    inflight_window window;
    auto shared = entry_at(5);
    shared.group.number = 1;
    window.push(std::move(shared));
    window.push(entry_at(9));
    EXPECT_EQ(window.first_unacknowledged(), 9U);
    EXPECT_EQ(window.find_sequence(5), nullptr);
}

}  // namespace
