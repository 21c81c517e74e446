#include "storage/inspection.hpp"
#include "storage/wal_scan.hpp"
#include "tests/unit/storage/store_fixture.hpp"

#include <fstream>

namespace fulmar::storage {
namespace {

class damage_test : public store_test
{
protected:
    // Rows of every kind, in table files and, if `in_wal`, also in a write-ahead log.
    void fill(bool in_wal)
    {
        start();
        commit(put_session_op{session_of(1, "c")}, put_subscription_op{session_id{1}, durable_subscription("a")},
               cursor_op{session_id{1}, 0},
               put_inflight_op{session_id{1}, {1, inflight_state::received, qos::exactly_once, 0, {}}},
               group_cursor_op{hash_of("$share/g/a"), "$share/g/a", 0, false});
        publish_some(1, 60);
        if (in_wal) {
            hooks.flush_at_close = false;  // of the next life
            start();
            publish_some(61, 119);
            store->maintain();
            publish_some(120, 120);  // after the last round of maintenance: only the write-ahead log knows
        }
        store.reset();
    }

    void publish_some(int from, int to)
    {
        for (int i = from; i <= to; ++i) {
            auto op = logged_publish(make_message("a", payload(i)), {"a"});
            op.retain = i % 10 == 0;
            EXPECT_FALSE(commit(op).error);
        }
    }

    static std::string payload(int i)
    {
        auto text = std::to_string(i) + ":";
        for (std::mt19937 random(static_cast<unsigned>(i)); text.size() < 300;)
            text.push_back(static_cast<char>('a' + random() % 26));
        return text;
    }

    // Nothing that is delivered differs from what was published. Returns how many messages came.
    std::size_t expect_only_true_payloads()
    {
        std::size_t count = 0;
        log_sequence after = 0;
        for (auto complete = false; !complete;) {
            auto const page = read({filter("a")}, after);
            if (page.error)
                break;
            for (auto const& each : page.messages) {
                EXPECT_EQ(each.message->payload(), payload(static_cast<int>(each.sequence)));
                EXPECT_EQ(each.message->topic(), "a");
                ++count;
            }
            after = page.reached;
            complete = page.complete;
        }
        return count;
    }

    [[nodiscard]] std::vector<std::filesystem::path> files_of(std::string_view ending) const
    {
        std::vector<std::filesystem::path> found;
        for (auto const& entry : std::filesystem::directory_iterator{settings.path}) {
            auto const name = entry.path().filename().string();
            if (entry.is_regular_file() && entry.file_size() > 0 && name != "LOCK" && !name.starts_with("LOG") &&
                (name.ends_with(ending) || name.starts_with(ending)))
                found.push_back(entry.path());
        }
        std::sort(found.begin(), found.end());
        return found;
    }

    static void flip_bit(std::filesystem::path const& file, std::uint64_t at)
    {
        std::fstream io{file, std::ios::binary | std::ios::in | std::ios::out};
        io.seekg(static_cast<std::streamoff>(at));
        auto const byte = static_cast<char>(io.get() ^ 0x10);
        io.seekp(static_cast<std::streamoff>(at));
        io.put(byte);
    }

    std::string start_refused_with()
    {
        try {
            start();
        } catch (std::runtime_error const& refused) {
            store.reset();
            return refused.what();
        }
        return {};
    }
};

TEST_F(damage_test, a_flipped_bit_or_a_cut_in_any_file_never_gives_a_wrong_payload)
{
    fill(true);
    auto const saved = folder.path() / "saved";
    std::filesystem::copy(settings.path, saved, std::filesystem::copy_options::recursive);
    std::mt19937 random{5};
    int refused = 0;
    for (std::string_view const kind : {".sst", ".log", "MANIFEST", "CURRENT", "OPTIONS"})
        for (int round = 0; round < 12 && !HasFailure(); ++round) {
            std::filesystem::remove_all(settings.path);
            std::filesystem::copy(saved, settings.path, std::filesystem::copy_options::recursive);
            auto const files = files_of(kind);
            ASSERT_FALSE(files.empty()) << kind;
            auto const& file = files[random() % files.size()];
            auto const at = random() % file_size(file);
            SCOPED_TRACE(file.string() + (round % 3 == 0 ? " cut at " : " flipped at ") + std::to_string(at));
            if (round % 3 == 0)
                std::filesystem::resize_file(file, at);
            else
                flip_bit(file, at);
            auto const why = start_refused_with();
            if (why.empty())
                expect_only_true_payloads();
            else {
                ++refused;
                EXPECT_NE(why.find("fulmar store"), std::string::npos) << why;
                EXPECT_EQ(why.find('\n'), std::string::npos);
            }
            store.reset();
        }
    EXPECT_GT(refused, 5);
}

TEST_F(damage_test, a_record_that_fails_its_checksum_is_a_gap_and_check_names_it)
{
    fill(false);
    {
        database raw{settings, {}};
        std::string record;
        auto const at = std::string{key::log(7).view()};
        ASSERT_TRUE(raw.db().Get({}, raw.at(column::log), at, &record).ok());
        record[record.size() / 2] ^= 1;
        ASSERT_TRUE(raw.db().Put({}, raw.at(column::log), at, record).ok());
    }
    auto const report = check(settings.path);
    EXPECT_FALSE(report.sound());
    EXPECT_EQ(report.damaged_rows, 1U);
    ASSERT_FALSE(report.problems.empty());
    EXPECT_NE(report.problems[0].find("log position 7"), std::string::npos) << report.problems[0];

    start();
    auto const page = read({filter("a")});
    EXPECT_EQ(page.messages.size(), 59U);
    EXPECT_EQ(page.gap, 1U);
    EXPECT_TRUE(page.complete);
    EXPECT_EQ(store->statistics().corrupt_records, 1U);
    store.reset();

    auto const repaired = repair(settings.path);
    EXPECT_TRUE(repaired.sound());
    EXPECT_FALSE(repaired.repairs.empty());
    EXPECT_EQ(repaired.records, 59U);
    start();
    EXPECT_EQ(expect_only_true_payloads(), 59U);
}

TEST_F(damage_test, a_hole_in_the_write_ahead_log_is_refused_and_repair_gives_up_what_is_behind_it)
{
    fill(true);
    auto const logs = files_of(".log");
    ASSERT_EQ(logs.size(), 1U);
    auto const before = scan_wal(*rocksdb::Env::Default(), settings.path);
    EXPECT_TRUE(before.sound());
    EXPECT_GE(before.batches, 60U);
    flip_bit(logs[0], file_size(logs[0]) / 2);
    auto const damaged = scan_wal(*rocksdb::Env::Default(), settings.path);
    EXPECT_FALSE(damaged.sound());
    EXPECT_GT(damaged.batches_after_hole, 10U);
    EXPECT_LT(damaged.batches_after_hole, 50U);

    EXPECT_NE(start_refused_with().find("fulmar store repair"), std::string::npos);
    EXPECT_FALSE(check(settings.path).sound());
    auto const repaired = repair(settings.path);
    EXPECT_TRUE(repaired.sound()) << (repaired.problems.empty() ? "" : repaired.problems[0]);
    start();
    auto const left = expect_only_true_payloads();
    EXPECT_GE(left, 60U);
    EXPECT_LT(left, 120U);
}

TEST_F(damage_test, a_torn_end_of_the_write_ahead_log_is_no_damage)
{
    fill(true);
    auto const logs = files_of(".log");
    ASSERT_EQ(logs.size(), 1U);
    std::filesystem::resize_file(logs[0], file_size(logs[0]) - 20);
    auto const found = scan_wal(*rocksdb::Env::Default(), settings.path);
    EXPECT_TRUE(found.sound());
    EXPECT_GT(found.torn_bytes, 0U);
    start();
    EXPECT_EQ(expect_only_true_payloads(), 119U);
}

TEST_F(damage_test, a_missing_end_is_noticed_although_every_file_is_sound)
{
    fill(true);
    auto const logs = files_of(".log");
    ASSERT_EQ(logs.size(), 1U);
    std::filesystem::remove(logs[0]);
    EXPECT_NE(start_refused_with().find("is missing"), std::string::npos);
    EXPECT_FALSE(check(settings.path).sound());
    EXPECT_TRUE(repair(settings.path).sound());
    start();
    EXPECT_EQ(expect_only_true_payloads(), 60U);
}

TEST_F(damage_test, a_damaged_table_file_is_named_by_check_and_repair_keeps_the_others)
{
    fill(false);
    auto const tables = files_of(".sst");
    ASSERT_GE(tables.size(), 3U);
    for (auto const& file : tables)
        flip_bit(file, file_size(file) / 3);
    EXPECT_FALSE(check(settings.path).sound());
    auto const repaired = repair(settings.path);
    EXPECT_FALSE(repaired.repairs.empty());
    EXPECT_TRUE(repaired.sound()) << (repaired.problems.empty() ? "" : repaired.problems[0]);
    start();
    expect_only_true_payloads();
}

TEST_F(damage_test, check_of_a_sound_store_counts_everything)
{
    fill(true);
    auto const report = check(folder.path());  // the data folder is as good as the store's own
    EXPECT_TRUE(report.sound()) << (report.problems.empty() ? "" : report.problems[0]);
    EXPECT_EQ(report.records, 120U);
    EXPECT_EQ(report.index_entries, 120U);
    EXPECT_EQ(report.sessions, 1U);
    EXPECT_EQ(report.subscriptions, 1U);
    EXPECT_EQ(report.cursors, 1U);
    EXPECT_EQ(report.inflight, 1U);
    EXPECT_EQ(report.groups, 1U);
    EXPECT_EQ(report.retained, 1U);
    EXPECT_EQ(report.last, 120U);
}

TEST_F(damage_test, check_and_repair_refuse_a_store_in_use_or_absent)
{
    start();
    EXPECT_FALSE(check(settings.path).sound());
    auto const report = repair(settings.path);
    ASSERT_FALSE(report.problems.empty());
    EXPECT_NE(report.problems[0].find("in use by another process"), std::string::npos);
    EXPECT_FALSE(check(folder.path() / "nothing").sound());
}

TEST_F(damage_test, sequences_do_not_fall_back_behind_a_cursor_after_a_repair)
{
    fill(false);
    {
        database raw{settings, {}};
        auto const cursor = key::number(500);
        ASSERT_TRUE(raw.db()
                        .Put({}, raw.at(column::cursors), std::string{key::session(session_id{1}).view()},
                             std::string{cursor.view()})
                        .ok());
    }
    EXPECT_FALSE(check(settings.path).sound());
    EXPECT_TRUE(repair(settings.path).sound());
    start();
    EXPECT_EQ(publish("a", "new", {"a"}), 501U);
}

}  // namespace
}  // namespace fulmar::storage
