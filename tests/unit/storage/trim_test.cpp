#include "tests/unit/storage/store_fixture.hpp"

#include <rocksdb/perf_context.h>
#include <rocksdb/perf_level.h>

namespace fulmar::storage {
namespace {

using strings = std::vector<std::string>;

class trim_test : public store_test
{
protected:
    void reader_at(std::uint64_t id, std::string const& on, log_sequence cursor, log_sequence begin = 0)
    {
        commit(put_session_op{session_of(id, "c" + std::to_string(id))},
               put_subscription_op{session_id{id}, durable_subscription(on, begin)}, cursor_op{session_id{id}, cursor});
    }

    void publish_many(int count, std::string const& topic = "a", std::string const& padding = {})
    {
        for (int i = 0; i < count; ++i)
            publish(topic, std::to_string(i) + padding, {topic});
    }

    std::size_t rows_in(column which)
    {
        store.reset();
        database raw{settings, {}};
        EXPECT_TRUE(raw.db().Flush({}, raw.at(which)).ok());
        std::size_t count = 0;
        auto const rows = raw.iterate(which);
        for (rows->SeekToFirst(); rows->Valid(); rows->Next())
            ++count;
        return count;
    }
};

TEST_F(trim_test, the_low_water_follows_the_slowest_cursor)
{
    start();
    reader_at(1, "a", 0);
    reader_at(2, "a", 0);
    publish_many(10);
    trim();
    EXPECT_EQ(store->low_water(), 0U);
    commit(cursor_op{session_id{1}, 10}, cursor_op{session_id{2}, 4});
    trim();
    EXPECT_EQ(store->low_water(), 4U);
    commit(erase_session_op{session_id{2}});
    trim();
    EXPECT_EQ(store->low_water(), 10U);
}

TEST_F(trim_test, only_filters_that_read_the_log_hold_it)
{
    start();
    commit(put_session_op{session_of(1, "c")},
           put_subscription_op{session_id{1}, durable_subscription("q0", 0, qos::at_most_once)},
           put_subscription_op{session_id{1}, durable_subscription("$share/g/a")});
    publish_many(5);
    trim();
    EXPECT_EQ(store->low_water(), 5U);
}

TEST_F(trim_test, a_shared_subscription_holds_what_it_has_not_consumed)
{
    start();
    commit(group_cursor_op{hash_of("$share/g/a"), "$share/g/a", 3, false});
    publish_many(8, "a");
    trim();
    EXPECT_EQ(store->low_water(), 3U);
    commit(group_cursor_op{hash_of("$share/g/a"), "$share/g/a", 0, true});
    trim();
    EXPECT_EQ(store->low_water(), 8U);
}

TEST_F(trim_test, a_message_in_flight_is_held_until_it_is_released)
{
    start();
    commit(put_session_op{session_of(1, "c")});
    publish_many(6);
    commit(put_inflight_op{session_id{1}, {9, inflight_state::published, qos::exactly_once, 4, {}}});
    trim();
    EXPECT_EQ(store->low_water(), 3U);
    commit(put_inflight_op{session_id{1}, {9, inflight_state::released, qos::exactly_once, 4, {}}});
    trim();
    EXPECT_EQ(store->low_water(), 6U);
}

TEST_F(trim_test, a_new_subscription_holds_from_where_it_began)
{
    start();
    publish_many(5);
    reader_at(1, "a", 0, 5);
    publish_many(5);
    trim();
    EXPECT_EQ(store->low_water(), 5U);
}

TEST_F(trim_test, cursors_hold_the_log_again_after_a_restart)
{
    start();
    reader_at(1, "a", 0);
    publish_many(10);
    commit(cursor_op{session_id{1}, 6});
    start();
    trim();
    EXPECT_EQ(store->low_water(), 6U);
    start();
    EXPECT_EQ(store->low_water(), 6U);
    EXPECT_EQ(payloads(read({filter("a")}, 6)), (strings{"6", "7", "8", "9"}));
}

TEST_F(trim_test, sequences_go_on_when_everything_was_trimmed)
{
    start();
    publish_many(10);
    trim();
    EXPECT_EQ(store->low_water(), 10U);
    start();
    EXPECT_EQ(store->last_committed(), 10U);
    EXPECT_EQ(publish("a", "next", {"a"}), 11U);
}

TEST_F(trim_test, what_was_trimmed_is_in_no_file_and_leaves_no_tombstones)
{
    start();
    reader_at(1, "a", 0);
    publish_many(200);
    commit(cursor_op{session_id{1}, 150});
    trim();
    store->close();
    EXPECT_EQ(rows_in(column::log), 50U);
    EXPECT_EQ(rows_in(column::index), 50U);
    database raw{settings, {}};
    for (auto const which : {column::log, column::index}) {
        rocksdb::TablePropertiesCollection properties;
        ASSERT_TRUE(raw.db().GetPropertiesOfAllTables(raw.at(which), &properties).ok());
        for (auto const& [file, of] : properties)
            EXPECT_EQ(of->num_deletions + of->num_range_deletions, 0U) << file;
    }
}

TEST_F(trim_test, files_wholly_below_the_low_water_are_deleted)
{
    settings.write_buffer_bytes = 256 * 1024;
    start();
    reader_at(1, "a", 0);
    std::mt19937 random{1};
    for (int i = 0; i < 500; ++i) {
        std::string payload(4000, '\0');
        for (auto& c : payload)
            c = static_cast<char>(random());  // does not compress
        publish("a", payload, {"a"});
    }
    store->maintain();
    auto const before = store->statistics().disk_bytes.load();
    EXPECT_GT(before, 1'000'000U);
    commit(cursor_op{session_id{1}, 500});
    store->close();
    start();
    trim();
    EXPECT_EQ(store->low_water(), 500U);
    store->maintain();
    EXPECT_LT(store->statistics().disk_bytes.load(), before / 2);
}

TEST_F(trim_test, retention_by_age_takes_messages_that_nobody_read_and_tells_of_the_gap)
{
    settings.retention_age_s = 3600;
    start();
    reader_at(1, "a", 0);
    reader_at(2, "b", 0);
    publish_many(5, "a");
    clock.advance(std::chrono::minutes{50});
    publish("b", "b", {"b"});
    publish_many(5, "a");
    clock.advance(std::chrono::minutes{20});
    trim();
    ASSERT_GE(store->low_water(), 1U);
    ASSERT_LE(store->low_water(), 5U);
    auto const page = read({filter("a")});
    EXPECT_EQ(page.gap, store->low_water());
    EXPECT_EQ(page.messages.size(), 10U - page.gap);
    EXPECT_TRUE(page.complete);
    EXPECT_EQ(read({filter("a")}, page.reached).gap, 0U) << "told once";
    EXPECT_EQ(read({filter("b")}).gap, 0U) << "lost nothing, although its cursor is before the low water";
    EXPECT_EQ(read({filter("a", 6)}).gap, 0U) << "began after what was lost";
    start();
    EXPECT_EQ(read({filter("a")}).gap, page.gap) << "remembered over a restart";
    EXPECT_EQ(store->statistics().corrupt_records, 0U);
}

TEST_F(trim_test, retention_by_bytes_bounds_the_log)
{
    settings.retention_bytes = 20'000;
    start();
    reader_at(1, "a", 0);
    publish_many(100, "a", std::string(1000, 'x'));
    trim();
    EXPECT_GE(store->low_water(), 75U);
    EXPECT_LE(store->low_water(), 85U);
    EXPECT_EQ(read({filter("a")}).gap, store->low_water());
    EXPECT_LE(store->statistics().log_bytes, 22'000U);
}

TEST_F(trim_test, restarts_do_not_count_as_bytes)
{
    settings.retention_bytes = 25'600;
    for (int life = 0; life < 40; ++life) {
        start();
        if (life == 0)
            reader_at(1, "a", 0);
        publish_many(1, "a");
        trim();
    }
    EXPECT_EQ(store->low_water(), 0U);
    EXPECT_EQ(read({filter("a")}).messages.size(), 40U);
    EXPECT_LE(store->statistics().log_bytes, 8'000U);
}

TEST_F(trim_test, a_loss_is_forgotten_when_everybody_is_past_it)
{
    settings.retention_bytes = 5'000;
    start();
    reader_at(1, "a", 0);
    publish_many(20, "a", std::string(1000, 'x'));
    trim();
    ASSERT_GT(read({filter("a")}).gap, 0U);
    commit(cursor_op{session_id{1}, 20});
    publish_many(2, "a");
    commit(cursor_op{session_id{1}, 22});
    trim();
    EXPECT_EQ(store->low_water(), 22U);
    EXPECT_EQ(read({filter("a")}).gap, 0U);
}

TEST_F(trim_test, reading_behind_a_drained_range_seeks_and_does_not_scan)
{
    start();
    reader_at(1, "a", 0);
    std::vector<store_op> ops;
    for (int i = 0; i < 50'000; ++i)
        ops.push_back({logged_publish(make_message("a", "x"), {"a"}), 0});
    ops.back().ticket = ++ticket;
    store->submit(0, std::move(ops));
    auto const last = listener->result(ticket).sequence;
    commit(cursor_op{session_id{1}, last});
    trim();
    publish("a", "new", {"a"});
    rocksdb::SetPerfLevel(rocksdb::PerfLevel::kEnableCount);
    rocksdb::get_perf_context()->Reset();
    queue_read request;
    request.filters = {filter("a")};
    losses const none;
    cursor_table cursors;
    message_cache cache{0};
    retention kept{settings};
    store_statistics statistics;
    store.reset();
    database raw{settings, {}};
    queue_scan scan{{settings, clock, raw, cursors, cache, kept, statistics}, none};
    auto const page = scan.page(request, last + 1);
    EXPECT_EQ(payloads(page), (strings{"new"}));
    EXPECT_LE(rocksdb::get_perf_context()->internal_key_skipped_count, 10U);
    EXPECT_EQ(rocksdb::get_perf_context()->internal_delete_skipped_count, 0U);
}

}  // namespace
}  // namespace fulmar::storage
