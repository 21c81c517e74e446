// broker/fifo.hpp and broker/compact_list.hpp: the one-pointer containers that very many sessions have.
#include "broker/compact_list.hpp"
#include "broker/fifo.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace fulmar::broker {
namespace {

// Long enough to be on the heap: a sanitizer sees what is destroyed twice or never.
[[nodiscard]] std::string text(std::size_t number) { return "an element with the number " + std::to_string(number); }

TEST(fifo, an_empty_queue_is_one_pointer) { EXPECT_EQ(sizeof(fifo<std::string>), sizeof(void*)); }

TEST(fifo, agrees_with_a_deque_over_any_sequence_of_operations)
{
    std::mt19937 random{7};
    fifo<std::string> queue;
    std::deque<std::string> expected;
    for (std::size_t step = 0; step < 20'000; ++step) {
        auto const growing = (step / 500) % 2 == 0;
        if (random() % 10 < (growing ? 7U : 3U) || expected.empty()) {
            queue.push_back(text(step));
            expected.push_back(text(step));
        } else if (random() % 200 == 0) {
            auto const odd = [](std::string const& item) { return (item.back() & 1) != 0; };
            queue.erase_if(odd);
            std::erase_if(expected, odd);
        } else {
            EXPECT_EQ(queue.pop_front(), expected.front());
            expected.pop_front();
        }
        ASSERT_EQ(queue.size(), expected.size());
        ASSERT_EQ(queue.empty(), expected.empty());
        if (!expected.empty()) {
            ASSERT_EQ(queue.front(), expected.front());
            ASSERT_EQ(queue[expected.size() / 2], expected[expected.size() / 2]);
        }
    }
    ASSERT_TRUE(std::equal(queue.begin(), queue.end(), expected.begin(), expected.end()));
    queue.clear();
    EXPECT_TRUE(queue.empty());
    EXPECT_EQ(queue.begin(), queue.end());
}

TEST(fifo, a_queue_that_is_never_empty_does_not_grow_for_ever)
{
    fifo<std::unique_ptr<int>> queue;
    queue.push_back(std::make_unique<int>(0));
    auto const* const first = &queue.front();
    std::ptrdiff_t farthest = 0;
    for (int i = 1; i < 10'000; ++i) {
        queue.push_back(std::make_unique<int>(i));
        EXPECT_EQ(*queue.pop_front(), i - 1);
        farthest = std::max(farthest, &queue.front() - first);
    }
    EXPECT_LT(farthest, 8);
}

TEST(fifo, what_is_moved_from_is_left_with_the_others_elements)
{
    fifo<std::string> full;
    full.push_back(text(1));
    fifo<std::string> other{std::move(full)};
    EXPECT_EQ(other.front(), text(1));
    fifo<std::string> third;
    third.push_back(text(3));
    third = std::move(other);
    EXPECT_EQ(third.front(), text(1));
    EXPECT_EQ(third.size(), 1U);
}

TEST(compact_list, an_empty_list_is_one_pointer) { EXPECT_EQ(sizeof(compact_list<std::string>), sizeof(void*)); }

TEST(compact_list, agrees_with_a_vector_over_any_sequence_of_operations)
{
    std::mt19937 random{11};
    compact_list<std::string> list;
    std::vector<std::string> expected;
    for (std::size_t step = 0; step < 10'000; ++step) {
        auto const place = expected.empty() ? 0 : random() % expected.size();
        switch (expected.size() > 40 ? 3 : random() % 5) {
        case 0:
            list.push_back(text(step));
            expected.push_back(text(step));
            break;
        case 1:
            list.insert(list.begin() + place, text(step));
            expected.insert(expected.begin() + static_cast<std::ptrdiff_t>(place), text(step));
            break;
        case 2:
            if (!expected.empty()) {
                list.pop_back();
                expected.pop_back();
            }
            break;
        default:
            if (!expected.empty()) {
                list.erase(list.begin() + place);
                expected.erase(expected.begin() + static_cast<std::ptrdiff_t>(place));
            }
        }
        ASSERT_TRUE(std::equal(list.begin(), list.end(), expected.begin(), expected.end()));
        ASSERT_EQ(list.empty(), expected.empty());
    }
}

}  // namespace
}  // namespace fulmar::broker
