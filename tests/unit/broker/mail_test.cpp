#include "broker/mail.hpp"

#include "broker/message_pool.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace fulmar::broker {
namespace {

[[nodiscard]] message_ptr made(std::string const& topic, std::string const& payload = "payload")
{
    message_fields fields;
    fields.topic = topic;
    fields.payload = payload;
    return message::make(std::move(fields));
}

// What a parcel gives out, in order: topics as they are, tasks as what they append.
[[nodiscard]] std::vector<std::string> opened(parcel& letters, std::vector<std::string>& log)
{
    letters.open([&log](message_ptr const& m) { log.emplace_back(m->topic()); },
                 [](std::function<void(shard&)> const& task) {
                     static char nowhere = 0;  // the tasks of these tests do not look at their shard
                     task(reinterpret_cast<shard&>(nowhere));
                 });
    return log;
}

TEST(mail, messages_and_tasks_arrive_in_the_order_in_which_they_were_posted)
{
    std::vector<std::string> log;
    auto const task = [&log](char const* name) {
        return std::function<void(shard&)>{[&log, name](shard&) { log.emplace_back(name); }};
    };
    parcel letters;
    letters.add(task("first task"), 0);
    letters.add(made("a"));
    letters.add(made("b"));
    letters.add(task("second task"), 0);
    letters.add(task("third task"), 0);
    for (char c = 'c'; c < 'q'; ++c)
        letters.add(made(std::string(1, c)));
    letters.add(task("last task"), 0);
    EXPECT_EQ(letters.size(), 20U);

    std::vector<std::string> const expected{"first task", "a", "b", "second task", "third task", "c",        "d",
                                            "e",          "f", "g", "h",           "i",          "j",        "k",
                                            "l",          "m", "n", "o",           "p",          "last task"};
    EXPECT_EQ(opened(letters, log), expected);
}

TEST(mail, a_message_is_let_go_as_soon_as_it_was_handed_out)
{
    parcel letters;
    std::weak_ptr<message const> seen;
    for (auto const* const topic : {"first", "second"})
        letters.add(made(topic));
    letters.open(
        [&seen](message_ptr const& m) {
            EXPECT_TRUE(seen.expired());
            EXPECT_EQ(m.use_count(), 1);
            seen = m;
        },
        [](auto const&) {});
    EXPECT_TRUE(seen.expired());
}

TEST(mail, waiting_bytes_count_from_push_to_settle)
{
    mailbox box;
    parcel letters;
    letters.add(made("a", std::string(1000, 'x')));
    letters.add([](shard&) {}, 500);
    auto const bytes = letters.bytes();
    EXPECT_GE(bytes, 1500U);
    box.push(letters);
    EXPECT_TRUE(letters.empty());
    EXPECT_EQ(letters.bytes(), 0U);
    EXPECT_EQ(box.waiting_bytes(), bytes);

    std::vector<parcel> arrived;
    box.take(arrived);
    ASSERT_EQ(arrived.size(), 1U);
    EXPECT_EQ(box.waiting_bytes(), bytes);
    box.settle(std::move(arrived.front()));
    EXPECT_EQ(box.waiting_bytes(), 0U);
}

TEST(mail, a_parcel_that_comes_back_holds_nothing_of_what_was_in_it)
{
    mailbox box;
    parcel letters;
    auto const m = made("a");
    for (int round = 0; round < 3; ++round) {
        letters.add(m);
        letters.add([held = m](shard&) {}, 0);
        box.push(letters);
        std::vector<parcel> arrived;
        box.take(arrived);
        for (auto& one : arrived)
            box.settle(std::move(one));
        EXPECT_TRUE(letters.empty());
        EXPECT_EQ(m.use_count(), 1);
    }
}

TEST(message, carries_its_bytes_and_its_properties)
{
    for (std::size_t const size : {0U, 1U, 100U, 1000U, 5000U}) {
        message_fields fields;
        fields.topic = "some/topic";
        auto const payload = std::string(size, 'p');
        fields.payload = payload;
        fields.event = "an event";
        fields.level = qos::at_least_once;
        message_properties properties;
        properties.content_type = "text";
        fields.properties = std::make_unique<message_properties const>(std::move(properties));
        auto const m = message::make(std::move(fields));
        EXPECT_EQ(m->topic(), "some/topic");
        EXPECT_EQ(m->payload(), payload);
        EXPECT_EQ(m->event(), "an event");
        EXPECT_EQ(m->level, qos::at_least_once);
        EXPECT_EQ(m->properties->content_type, "text");
        EXPECT_GE(m->footprint(), sizeof(message) + size);
        EXPECT_EQ(m->topic_hash(), topic_hash_of("some/topic"));
    }
}

// Two threads that only make, two that only drop: blocks go round through the depot.
TEST(message_pool, blocks_made_on_one_thread_may_be_dropped_on_another)
{
    constexpr int rounds = 200;
    constexpr int batch = 500;
    std::mutex guard;
    std::vector<message_ptr> between;
    std::vector<std::thread> threads;
    std::atomic<int> missing{2 * rounds * batch};
    for (int maker = 0; maker < 2; ++maker) {
        threads.emplace_back([&] {
            for (int round = 0; round < rounds; ++round) {
                std::vector<message_ptr> made_here;
                for (int i = 0; i < batch; ++i)
                    made_here.push_back(made("t/" + std::to_string(i), std::string(static_cast<std::size_t>(i), 'x')));
                std::lock_guard const lock{guard};
                between.insert(between.end(), made_here.begin(), made_here.end());
            }
        });
        threads.emplace_back([&] {
            while (missing.load() > 0) {
                std::vector<message_ptr> taken;
                {
                    std::lock_guard const lock{guard};
                    taken.swap(between);
                }
                for (auto const& m : taken)
                    EXPECT_EQ(m->topic(), "t/" + std::to_string(m->payload().size()));
                missing -= static_cast<int>(taken.size());
                if (taken.empty())
                    std::this_thread::yield();
            }
        });
    }
    for (auto& one : threads)
        one.join();
    EXPECT_EQ(missing.load(), 0);
}

TEST(message_pool, blocks_do_not_overlap)
{
    std::vector<std::pair<unsigned char*, std::size_t>> held;
    for (std::size_t i = 0; i < 4000; ++i) {
        auto const size = 1 + i * 37 % 1500;
        auto* const block = static_cast<unsigned char*>(take_message_block(size));
        std::fill(block, block + size, static_cast<unsigned char>(i));
        held.emplace_back(block, size);
        if (i % 3 == 0) {  // so that later ones are given again
            give_message_block(held.front().first, held.front().second);
            held.erase(held.begin());
        }
    }
    for (auto const& [block, size] : held) {
        EXPECT_TRUE(std::all_of(block, block + size, [first = *block](unsigned char c) { return c == first; }));
        give_message_block(block, size);
    }
}

}  // namespace
}  // namespace fulmar::broker
