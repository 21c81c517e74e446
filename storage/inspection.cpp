#include "storage/inspection.hpp"

#include "storage/database.hpp"
#include "storage/key.hpp"
#include "storage/position_file.hpp"
#include "storage/survey.hpp"
#include "storage/wal_scan.hpp"

#include <rocksdb/env.h>
#include <spdlog/fmt/fmt.h>

#include <ostream>
#include <stdexcept>

namespace fulmar::storage {
namespace {

std::filesystem::path folder_of(std::filesystem::path const& path)
{
    return !exists(path / "CURRENT") && exists(path / "store") ? path / "store" : path;
}

// The database's own lock, so that no broker runs meanwhile. Opening for reading does not take it.
class held_lock
{
public:
    explicit held_lock(std::filesystem::path const& folder)
    {
        auto const status = rocksdb::Env::Default()->LockFile((folder / "LOCK").string(), &lock_);
        if (!status.ok())
            throw std::runtime_error{advice(folder, status)};
    }
    ~held_lock() { rocksdb::Env::Default()->UnlockFile(lock_).PermitUncheckedError(); }
    held_lock(held_lock const&) = delete;
    held_lock& operator=(held_lock const&) = delete;

private:
    rocksdb::FileLock* lock_ = nullptr;
};

struct opened_database
{
    std::unique_ptr<rocksdb::DB> db;
    std::vector<rocksdb::ColumnFamilyHandle*> columns;

    opened_database() = default;
    opened_database(opened_database const&) = delete;
    opened_database& operator=(opened_database const&) = delete;
    ~opened_database()
    {
        for (auto* handle : columns)
            db->DestroyColumnFamilyHandle(handle);
    }
};

enum class access { read, write };

rocksdb::Status open(std::filesystem::path const& folder, access how, opened_database& out)
{
    store_settings settings;
    settings.path = folder;
    auto options = database_options(settings);
    options.create_if_missing = false;
    auto const columns = column_descriptors(settings, std::make_shared<std::atomic<broker::log_sequence>>(0));
    rocksdb::DB* opened = nullptr;
    auto status = how == access::read
                      ? rocksdb::DB::OpenForReadOnly(options, folder.string(), columns, &out.columns, &opened)
                      : rocksdb::DB::Open(options, folder.string(), columns, &out.columns, &opened);
    if (status.ok())
        out.db.reset(opened);
    return status;
}

// Deletes rows that do not decode. False: files are damaged too.
bool drop_damaged_rows(std::filesystem::path const& folder, store_report& done)
{
    opened_database opened;
    if (auto const status = open(folder, access::write, opened); !status.ok()) {
        done.repairs.push_back("the database does not open: " + status.ToString());
        return false;
    }
    store_report found;
    rocksdb::WriteBatch batch;
    auto const readable =
        survey({*opened.db, opened.columns}, found, [&](rocksdb::ColumnFamilyHandle* where, rocksdb::Slice key) {
            batch.Delete(where, key).PermitUncheckedError();
        });
    if (!readable) {
        done.repairs.insert(done.repairs.end(), found.problems.begin(), found.problems.end());
        return false;
    }
    // No position may be given twice: sessions would take new messages for read ones.
    if (found.furthest > found.last) {
        auto const end = key::number(found.furthest);
        batch
            .Put(opened.columns[0], rocksdb::Slice{key::log_end.data(), key::log_end.size()},
                 rocksdb::Slice{end.bytes.data(), end.bytes.size()})
            .PermitUncheckedError();
    }
    if (batch.Count() == 0)
        return true;
    rocksdb::WriteOptions synced;
    synced.sync = true;
    auto const status = opened.db->Write(synced, &batch);
    done.repairs.push_back(status.ok() ? fmt::format("{} rows were removed or corrected", batch.Count())
                                       : "damaged rows could not be removed: " + status.ToString());
    done.repairs.insert(done.repairs.end(), found.problems.begin(), found.problems.end());
    return true;
}

// Rebuilds the database from its files; those that cannot be read are moved to the folder "lost" in it.
bool rebuild(std::filesystem::path const& folder, store_report& done)
{
    store_settings settings;
    settings.path = folder;
    auto const columns = column_descriptors(settings, std::make_shared<std::atomic<broker::log_sequence>>(0));
    auto const status = rocksdb::RepairDB(folder.string(), database_options(settings), columns);
    if (!status.ok()) {
        done.repairs.push_back("the files could not be put together again: " + status.ToString());
        return false;
    }
    done.repairs.push_back("the database was rebuilt from its readable files");
    std::error_code ignored;
    for (auto const& entry : std::filesystem::directory_iterator{folder / "lost", ignored})
        if (entry.path().extension() == ".sst")
            done.repairs.push_back(fmt::format("{} ({} bytes) could not be read and was set aside in {}",
                                               entry.path().filename().string(), entry.file_size(ignored),
                                               (folder / "lost").string()));
    return true;
}

}  // namespace

void store_report::problem(std::string line)
{
    if (++problem_count <= problems_max)
        problems.push_back(std::move(line));
}

store_report check(std::filesystem::path const& path)
{
    store_report report;
    auto const folder = folder_of(path);
    if (!exists(folder / "CURRENT")) {
        report.problem(fmt::format("there is no store in {}", folder.string()));
        return report;
    }
    try {
        held_lock const lock{folder};
        if (auto const wal = scan_wal(*rocksdb::Env::Default(), folder); !wal.sound())
            report.problem(fmt::format("the write-ahead log is damaged ({}): {} batches behind that are lost",
                                       wal.where, wal.batches_after_hole));
        opened_database opened;
        if (auto const status = open(folder, access::read, opened); !status.ok())
            report.problem(advice(folder, status));
        else {
            report.opened = true;
            auto const noted = read_position(folder);
            auto const reached = opened.db->GetLatestSequenceNumber();
            if (noted && noted->sequence > reached)
                report.problem(fmt::format("the end of the store is missing: {} rows of {}", noted->sequence - reached,
                                           noted->sequence));
            survey({*opened.db, opened.columns}, report, {});
        }
    } catch (std::runtime_error const& problem) {
        report.problem(problem.what());
    }
    return report;
}

store_report repair(std::filesystem::path const& path)
{
    store_report done;
    auto const folder = folder_of(path);
    auto& env = *rocksdb::Env::Default();
    try {
        held_lock const in_use{folder};
        if (auto const wal = scan_wal(env, folder); !wal.sound()) {
            set_aside(env, folder, wal.after_hole);
            done.repairs.push_back(
                fmt::format("the write-ahead log is damaged ({}): {} batches behind that were given up", wal.where,
                            wal.batches_after_hole));
        }
    } catch (std::runtime_error const& problem) {
        done.problem(problem.what());
        return done;
    }
    if (auto const noted = read_position(folder))
        done.repairs.push_back(fmt::format("the database was known to have {} rows written", noted->sequence));
    forget_position(folder);
    if (!drop_damaged_rows(folder, done) && rebuild(folder, done))
        drop_damaged_rows(folder, done);
    auto report = check(folder);
    report.repairs = std::move(done.repairs);
    return report;
}

void print(store_report const& report, std::ostream& out)
{
    for (auto const& line : report.repairs)
        out << "repair: " << line << '\n';
    if (report.opened)
        out << fmt::format(
            "log: {} records, {} bytes, positions {} to {}; index: {} entries\n"
            "sessions: {}, subscriptions: {}, cursors: {}, in flight: {}, shared subscriptions: {}, retained: {}, "
            "webhooks: {}\n",
            report.records, report.record_bytes, report.low_water + 1, report.last, report.index_entries,
            report.sessions, report.subscriptions, report.cursors, report.inflight, report.groups, report.retained,
            report.outbox);
    if (report.remains > 0)
        out << fmt::format("{} rows of erased sessions are left; the next start removes them\n", report.remains);
    for (auto const& line : report.problems)
        out << "problem: " << line << '\n';
    if (report.problem_count > report.problems.size())
        out << fmt::format("problem: {} more of the same kinds\n", report.problem_count - report.problems.size());
    out << (report.sound() ? "the store is sound\n" : "the store is damaged\n");
}

bool check_store(std::filesystem::path const& path, std::ostream& out)
{
    auto const report = check(path);
    print(report, out);
    return report.sound();
}

bool repair_store(std::filesystem::path const& path, std::ostream& out)
{
    auto const report = repair(path);
    print(report, out);
    return report.sound();
}

}  // namespace fulmar::storage
