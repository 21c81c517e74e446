#include "tests/unit/storage/fault_file_system.hpp"
#include "tests/unit/storage/store_fixture.hpp"

#include <rocksdb/env.h>
#include <rocksdb/system_clock.h>

namespace fulmar::storage {
namespace {

using strings = std::vector<std::string>;

// RocksDB sleeps a second after a failed flush or compaction.
class sleepless_clock final : public rocksdb::SystemClockWrapper
{
public:
    sleepless_clock() : SystemClockWrapper{rocksdb::SystemClock::Default()} {}
    char const* Name() const override { return "fulmar.sleepless"; }
    void SleepForMicroseconds(int) override {}
};

class fault_environment final : public rocksdb::EnvWrapper
{
public:
    explicit fault_environment(std::shared_ptr<rocksdb::FileSystem> const& files)
        : EnvWrapper{rocksdb::NewCompositeEnv(files)}
    {
        system_clock_ = std::make_shared<sleepless_clock>();
    }
};

class fault_test : public store_test
{
protected:
    fault_test()
    {
        hooks.env = env.get();
        hooks.flush_at_close = false;  // a flush that fails waits a second
        settings.write_buffer_bytes = 256 * 1024;
    }
    ~fault_test() override { store.reset(); }

    store_result try_publish(std::string_view payload)
    {
        return commit(logged_publish(make_message("a", payload), {"a"}));
    }

    std::shared_ptr<fault_file_system> files = std::make_shared<fault_file_system>();
    std::unique_ptr<rocksdb::Env> env = std::make_unique<fault_environment>(files);
};

// What one life of the store was told, by payload.
struct life
{
    std::vector<std::uint64_t> submitted;
    std::vector<std::uint64_t> acknowledged;
};

class power_loss_test : public fault_test
{
protected:
    // Publishes numbered messages, three hand-overs ahead, until the power goes.
    life live(std::uint64_t& next, std::mt19937& random)
    {
        life told;
        std::vector<std::pair<std::uint64_t, std::uint64_t>> waiting;  // ticket, number
        auto const settle = [&](std::size_t leave) {
            for (; waiting.size() > leave; waiting.erase(waiting.begin()))
                if (!listener->result(waiting.front().first).error)
                    told.acknowledged.push_back(waiting.front().second);
        };
        while (!files->power_lost() && store->state() == store_state::healthy) {
            std::vector<store_op> ops;
            for (auto left = 1 + random() % 8; left > 0; --left) {
                auto const padding = std::string(random() % 2000, 'p');
                ops.push_back(
                    {logged_publish(make_message("a", std::to_string(next) + " " + padding), {"a"}), ++ticket});
                told.submitted.push_back(next);
                waiting.emplace_back(ticket, next++);
            }
            ops.push_back({cursor_op{session_id{1}, 0}, 0});
            store->submit(0, std::move(ops));
            settle(24);
            if (random() % 16 == 0)
                store->maintain();
        }
        settle(0);
        return told;
    }

    std::vector<std::uint64_t> stored()
    {
        std::vector<std::uint64_t> numbers;
        log_sequence after = 0;
        for (auto complete = false; !complete;) {
            auto const page = read({filter("a")}, after);
            EXPECT_FALSE(page.error);
            EXPECT_EQ(page.gap, 0U);
            for (auto const& text : payloads(page))
                numbers.push_back(std::stoull(text));
            after = page.reached;
            complete = page.complete;
        }
        return numbers;
    }

    void lives(int count, unsigned seed)
    {
        settings.retention_bytes = 0;
        std::mt19937 random{seed};
        std::uint64_t next = 1;
        std::vector<std::uint64_t> must_be_there;
        for (int i = 0; i < count && !HasFailure(); ++i) {
            SCOPED_TRACE("seed " + std::to_string(seed) + ", life " + std::to_string(i));
            start();
            if (i == 0)
                commit(put_session_op{session_of(1, "c")},
                       put_subscription_op{session_id{1}, durable_subscription("a")});
            auto const before = stored();
            check_kept(before, must_be_there, next);
            must_be_there = before;
            if (before.size() > 2'000)  // keeps a life short
            {
                commit(cursor_op{session_id{1}, store->last_committed()});
                store.reset();
                std::filesystem::remove_all(settings.path);
                must_be_there.clear();
                start();
                commit(put_session_op{session_of(1, "c")},
                       put_subscription_op{session_id{1}, durable_subscription("a")});
            }
            files->lose_power_after(static_cast<int>(random() % 150));
            auto const told = live(next, random);
            must_be_there.insert(must_be_there.end(), told.acknowledged.begin(), told.acknowledged.end());
            store.reset();
            files->restore_power(random);
        }
    }

    // Everything acknowledged, in order, nothing twice, nothing unknown.
    static void check_kept(std::vector<std::uint64_t> const& there, std::vector<std::uint64_t> const& must,
                           std::uint64_t next)
    {
        EXPECT_TRUE(std::is_sorted(there.begin(), there.end()));
        EXPECT_EQ(std::adjacent_find(there.begin(), there.end()), there.end());
        EXPECT_TRUE(there.empty() || there.back() < next);
        EXPECT_TRUE(std::includes(there.begin(), there.end(), must.begin(), must.end()));
    }
};

TEST_F(power_loss_test, loses_nothing_acknowledged_with_fsync) { lives(60, 1); }
TEST_F(power_loss_test, loses_nothing_acknowledged_with_fsync_again) { lives(60, 20'261'121); }
TEST_F(power_loss_test, leaves_no_hole_with_durability_os)
{
    settings.durability = durability::os;
    std::mt19937 random{7};
    for (int i = 0; i < 40 && !HasFailure(); ++i) {
        SCOPED_TRACE(i);
        std::filesystem::remove_all(settings.path);
        start();
        commit(put_session_op{session_of(1, "c")}, put_subscription_op{session_id{1}, durable_subscription("a")});
        std::uint64_t next = 1;
        files->lose_power_after(static_cast<int>(random() % 300));
        live(next, random);
        store.reset();
        files->restore_power(random);
        start();
        auto const there = stored();
        for (std::size_t n = 0; n < there.size(); ++n)
            ASSERT_EQ(there[n], n + 1) << "a later message is there, an earlier one is not";
        store.reset();
    }
}

// Two memtables are full at once: RocksDB forgets the second when the log file for the first cannot be created.
TEST_F(fault_test, closes_after_a_log_file_could_not_be_created)
{
    start();
    commit(put_session_op{session_of(1, "c")}, put_subscription_op{session_id{1}, durable_subscription("a")});
    std::vector<std::string> filters;
    for (int i = 0; i < 6; ++i)
        filters.push_back("f" + std::to_string(i));
    std::vector<store_op> ops;
    for (int i = 0; i < 300; ++i)
        ops.push_back({logged_publish(make_message("a", std::string(200, 'x')), filters), ++ticket});
    store->submit(0, std::move(ops));
    EXPECT_FALSE(listener->result(ticket).error);
    files->lose_power();
    EXPECT_EQ(try_publish("no log file").error, errc::store_failed);
    store.reset();
    std::mt19937 random{3};
    files->restore_power(random);
    start();
    EXPECT_EQ(store->state(), store_state::healthy);
}

TEST_F(fault_test, a_failed_sync_is_sticky)
{
    start();
    EXPECT_FALSE(try_publish("before").error);
    files->fail_syncs(true);
    EXPECT_EQ(try_publish("during").error, errc::store_failed);
    files->fail_syncs(false);
    EXPECT_EQ(store->state(), store_state::failed);
    EXPECT_EQ(try_publish("after").error, errc::store_failed);
    EXPECT_EQ(commit(cursor_op{session_id{1}, 1}).error, errc::store_failed);
    store->maintain();
    EXPECT_EQ(store->state(), store_state::failed);
    EXPECT_EQ(payloads(read({filter("a")})), (strings{"before"})) << "reading goes on";
    start();
    EXPECT_EQ(store->state(), store_state::healthy);
    auto const there = payloads(read({filter("a")}));
    ASSERT_FALSE(there.empty());
    EXPECT_EQ(there[0], "before");
}

TEST_F(fault_test, a_full_disk_refuses_publishes_and_recovers_without_a_restart)
{
    start();
    commit(put_session_op{session_of(1, "c")}, put_subscription_op{session_id{1}, durable_subscription("a")});
    EXPECT_FALSE(try_publish("one").error);
    files->fill_disk(true);
    EXPECT_EQ(try_publish("two").error, errc::store_full);
    EXPECT_EQ(store->state(), store_state::full);
    EXPECT_EQ(try_publish("three").error, errc::store_full);
    store->maintain();
    EXPECT_EQ(store->state(), store_state::full) << "no space yet";
    EXPECT_EQ(payloads(read({filter("a")})), (strings{"one"})) << "reading goes on";

    // What only lets go waits for space instead of being lost.
    std::vector<store_op> ops;
    ops.push_back({cursor_op{session_id{1}, 1}, ++ticket});
    auto const waiting = ticket;
    store->submit(0, std::move(ops));
    files->fill_disk(false);
    while (store->state() == store_state::full)
        store->maintain();
    ASSERT_EQ(store->state(), store_state::healthy);
    EXPECT_FALSE(listener->result(waiting).error);
    EXPECT_FALSE(try_publish("four").error);
    EXPECT_EQ(payloads(read({filter("a")})), (strings{"one", "four"}));
    auto const rows = start();
    EXPECT_EQ(rows.sessions.at(1).cursor, 1U);
    EXPECT_EQ(payloads(read({filter("a")})), (strings{"one", "four"}));
}

TEST_F(fault_test, what_is_acknowledged_after_a_full_disk_survives_power_loss)
{
    std::mt19937 random{3};
    for (int i = 0; i < 10; ++i) {
        std::filesystem::remove_all(settings.path);
        start();
        commit(put_session_op{session_of(1, "c")}, put_subscription_op{session_id{1}, durable_subscription("a")});
        EXPECT_FALSE(try_publish("one").error);
        files->fill_disk(true);
        EXPECT_EQ(try_publish(std::string(random() % 50'000, 'x')).error, errc::store_full);
        files->fill_disk(false);
        while (store->state() == store_state::full)
            store->maintain();
        EXPECT_FALSE(try_publish("two").error);
        files->lose_power_after(0);
        store.reset();
        files->restore_power(random);
        start();
        EXPECT_EQ(payloads(read({filter("a")})), (strings{"one", "two"}));
        store.reset();
    }
}

TEST_F(fault_test, little_space_refuses_publishes_but_not_what_lets_go)
{
    start();
    commit(put_session_op{session_of(1, "c")}, put_subscription_op{session_id{1}, durable_subscription("a")});
    try_publish("one");
    free_space = disk_space{10 << 20, std::uint64_t{1} << 40};
    store->maintain();
    EXPECT_EQ(store->state(), store_state::full);
    EXPECT_EQ(try_publish("two").error, errc::store_full);
    EXPECT_FALSE(commit(cursor_op{session_id{1}, 1}).error);
    EXPECT_FALSE(commit(logged_publish(make_message("a", "nobody durable"), {})).error) << "nothing to write";
    free_space = disk_space{66 << 20, std::uint64_t{1} << 40};
    store->maintain();
    EXPECT_EQ(store->state(), store_state::full) << "only just above the limit";
    free_space = disk_space{100 << 20, std::uint64_t{1} << 40};
    store->maintain();
    EXPECT_EQ(store->state(), store_state::healthy);
    EXPECT_FALSE(try_publish("three").error);
}

TEST_F(fault_test, the_wanted_space_is_small_on_a_small_disk)
{
    start();
    free_space = disk_space{4 << 20, 64 << 20};  // 5 % of 64 MiB are 3.2 MiB
    store->maintain();
    EXPECT_EQ(store->state(), store_state::healthy);
    free_space = disk_space{3 << 20, 64 << 20};
    store->maintain();
    EXPECT_EQ(store->state(), store_state::full);
}

}  // namespace
}  // namespace fulmar::storage
