// History in the store: held by age whoever has read it, read by topic, limited by count and bytes.
#include "tests/unit/storage/store_fixture.hpp"

namespace fulmar::storage {
namespace {

using strings = std::vector<std::string>;

class history_test : public store_test
{
protected:
    log_sequence keep(std::string const& topic, std::string_view payload)
    {
        publish_op op;
        op.message = make_message(topic, payload);
        op.filters = {hash_history(default_app, topic), hash_history(default_app, "news/#")};
        return commit(std::move(op)).sequence;
    }
    static queue_filter history_of(std::string text) { return {default_app, std::move(text), 0, true}; }
    queue_page newest(std::string topic, std::uint64_t messages, std::uint64_t bytes)
    {
        queue_read request;
        request.filters = {history_of(std::move(topic))};
        request.newest_max = messages;
        request.newest_bytes_max = bytes;
        request.ticket = ++ticket;
        store->read(0, std::move(request));
        return listener->page(ticket);
    }
};

TEST_F(history_test, a_topic_is_read_by_itself_and_a_rule_as_a_whole)
{
    start();
    keep("news/1", "a");
    keep("news/2", "b");
    keep("news/1", "c");
    EXPECT_EQ(payloads(read({history_of("news/1")})), (strings{"a", "c"}));
    EXPECT_EQ(payloads(read({history_of("news/#")})), (strings{"a", "b", "c"}));
    EXPECT_EQ(payloads(read({filter("news/1")})), strings{}) << "no subscription's queue";
    start();
    EXPECT_EQ(payloads(read({history_of("news/1")}, 1)), strings{"c"}) << "after a restart";
}

TEST_F(history_test, it_is_held_until_it_is_old_although_nobody_waits_for_it)
{
    settings.history_ms = 3'600'000;
    start();
    keep("news/1", "a");
    trim();
    EXPECT_EQ(store->low_water(), 0U);
    clock.advance(std::chrono::minutes{50});
    keep("news/1", "b");
    trim();
    EXPECT_EQ(store->low_water(), 0U);
    clock.advance(std::chrono::minutes{20});
    trim();
    EXPECT_EQ(store->low_water(), 1U);
    EXPECT_EQ(payloads(read({history_of("news/1")})), strings{"b"});
}

TEST_F(history_test, without_an_age_only_retention_takes_it)
{
    settings.history_ms = 0;
    settings.retention_age_s = 3600;
    start();
    keep("news/1", "a");
    clock.advance(std::chrono::minutes{50});
    trim();
    EXPECT_EQ(store->low_water(), 0U);
    clock.advance(std::chrono::minutes{20});
    trim();
    EXPECT_EQ(store->low_water(), 1U);
}

TEST_F(history_test, the_newest_are_chosen_by_count_and_by_bytes)
{
    start();
    for (auto const* const payload : {"1", "2", "3", "4", "5"})
        keep("news/1", payload + std::string(1000, 'x'));
    auto const by_count = newest("news/1", 2, 0);
    EXPECT_EQ(by_count.messages.size(), 2U);
    EXPECT_EQ(by_count.skipped, 3U);
    auto const by_bytes = newest("news/1", 0, 3'500);
    ASSERT_EQ(by_bytes.messages.size(), 3U);
    EXPECT_EQ(by_bytes.messages.front().message->payload().front(), '3');
    EXPECT_GT(by_bytes.skipped, 0U);
    EXPECT_EQ(newest("news/1", 0, 1).messages.size(), 1U) << "at least one";
    EXPECT_EQ(newest("news/1", 1, 3'500).messages.size(), 1U) << "both limits";
    EXPECT_EQ(newest("news/1", 0, 1'000'000).skipped, 0U);
}

}  // namespace
}  // namespace fulmar::storage
