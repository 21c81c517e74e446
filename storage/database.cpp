#include "storage/database.hpp"

#include "broker/log.hpp"
#include "storage/engine_log.hpp"
#include "storage/key.hpp"
#include "storage/position_file.hpp"
#include "storage/trim_filter.hpp"
#include "storage/wal_files.hpp"
#include "storage/wal_scan.hpp"

#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/listener.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/table.h>
#include <rocksdb/write_buffer_manager.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <random>
#include <stdexcept>

#include <sys/stat.h>

namespace fulmar::storage {
namespace {

constexpr std::array<char const*, column_count> names{"default", "log",      "index",    "sessions", "subscriptions",
                                                      "cursors", "inflight", "retained", "groups",   "outbox"};

rocksdb::CompressionType best_compression()
{
    auto const supported = rocksdb::GetSupportedCompressions();
    auto const has_lz4 = std::find(supported.begin(), supported.end(), rocksdb::kLZ4Compression) != supported.end();
    return has_lz4 ? rocksdb::kLZ4Compression : rocksdb::kNoCompression;
}

rocksdb::ColumnFamilyOptions small_rows(std::shared_ptr<rocksdb::TableFactory> const& tables, std::size_t write_buffer)
{
    rocksdb::ColumnFamilyOptions options;
    options.table_factory = tables;
    options.write_buffer_size = write_buffer;
    options.level_compaction_dynamic_level_bytes = true;
    options.compression = best_compression();
    options.memtable_whole_key_filtering = false;
    return options;
}

// Keys arrive (nearly) in order within a prefix: the memtable remembers where the last one went.
rocksdb::ColumnFamilyOptions trimmed_rows(std::shared_ptr<rocksdb::TableFactory> const& tables,
                                          std::size_t write_buffer, std::size_t prefix_bytes,
                                          std::shared_ptr<rocksdb::CompactionFilterFactory> filter)
{
    auto options = small_rows(tables, write_buffer);
    options.memtable_insert_with_hint_prefix_extractor.reset(rocksdb::NewFixedPrefixTransform(prefix_bytes));
    options.compaction_filter_factory = std::move(filter);
    options.target_file_size_base = std::max<std::size_t>(write_buffer, std::size_t{1} << 20);
    options.level0_file_num_compaction_trigger = 2;
    options.periodic_compaction_seconds = std::uint64_t{24} * 3600;
    return options;
}

// Recovery from a full disk is the maintenance thread's, in an order that keeps promises (docs/storage.md, "Failures").
class no_own_recovery final : public rocksdb::EventListener
{
public:
    void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status, bool* automatic) override
    {
        *automatic = false;
    }
};

// The folder is ours alone: it holds what clients published.
void make_folder(std::filesystem::path const& path)
{
    std::error_code error;
    auto const created = std::filesystem::create_directories(path, error);
    if (error)
        throw std::runtime_error{
            fmt::format("cannot create the data folder {}: {}; check [storage] path and its permissions", path.string(),
                        error.message())};
    if (created)
        ::chmod(path.c_str(), S_IRWXU);
}

rocksdb::Status write_zeros(rocksdb::Env& env, std::string const& name, std::uint64_t bytes)
{
    std::unique_ptr<rocksdb::WritableFile> file;
    auto status = env.NewWritableFile(name, &file, {});
    std::string const zeros(std::min<std::uint64_t>(bytes, 256 * 1024), '\0');
    for (auto left = bytes; status.ok() && left > 0;) {
        auto const part = std::min<std::uint64_t>(left, zeros.size());
        status = file->Append({zeros.data(), part});
        left -= part;
    }
    if (status.ok())
        status = file->Fsync();
    if (file != nullptr) {
        auto const closed = file->Close();
        if (status.ok())
            status = closed;
    }
    return status;
}

std::string random_id()
{
    std::random_device source;
    return fmt::format("{:08x}{:08x}{:08x}{:08x}", source(), source(), source(), source());
}

}  // namespace

char const* to_string(column which) noexcept { return names[static_cast<std::size_t>(which)]; }

rocksdb::DBOptions database_options(store_settings const& settings)
{
    rocksdb::DBOptions options;
    options.create_if_missing = true;
    options.create_missing_column_families = true;
    options.paranoid_checks = true;
    // Whatever is not whole, and everything behind it, is left out; look_for_holes has said so before.
    options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
    options.max_total_wal_size = settings.wal_bytes_max;
    options.wal_bytes_per_sync = std::uint64_t{1} << 20;
    options.bytes_per_sync = std::uint64_t{1} << 20;
    options.max_background_jobs = 2;
    options.max_open_files = 512;
    options.write_buffer_manager = std::make_shared<rocksdb::WriteBufferManager>(settings.write_buffer_bytes);
    options.allow_concurrent_memtable_write = false;  // one committer
    options.enable_write_thread_adaptive_yield = false;
    options.max_bgerror_resume_count = 0;  // a failed write or sync is never retried behind our back
    options.listeners.push_back(std::make_shared<no_own_recovery>());
    options.stats_dump_period_sec = 0;
    options.stats_persist_period_sec = 0;
    options.info_log = make_engine_log();
    options.info_log_level = rocksdb::WARN_LEVEL;
    return options;
}

std::vector<rocksdb::ColumnFamilyDescriptor> column_descriptors(store_settings const& settings,
                                                                shared_low_water const& low_water)
{
    rocksdb::BlockBasedTableOptions table;
    table.block_cache = rocksdb::NewLRUCache(settings.block_cache_bytes);
    table.cache_index_and_filter_blocks = true;
    table.block_size = 16 * 1024;
    table.checksum = rocksdb::kXXH3;
    table.format_version = 5;
    std::shared_ptr<rocksdb::TableFactory> const tables{rocksdb::NewBlockBasedTableFactory(table)};

    auto const large = std::max<std::size_t>(settings.write_buffer_bytes / 4, 64 * 1024);
    auto const small = std::max<std::size_t>(settings.write_buffer_bytes / 8, 64 * 1024);
    std::vector<rocksdb::ColumnFamilyDescriptor> out;
    for (std::size_t i = 0; i < column_count; ++i) {
        auto const which = static_cast<column>(i);
        if (which == column::log)
            out.emplace_back(names[i], trimmed_rows(tables, large, 2, make_log_trim_filter(low_water)));
        else if (which == column::index)
            out.emplace_back(names[i], trimmed_rows(tables, large, 8, make_index_trim_filter(low_water)));
        else
            out.emplace_back(names[i], small_rows(tables, small));
    }
    return out;
}

database::database(store_settings const& settings, database_hooks const& hooks)
    : settings_{settings},
      hooks_{hooks},
      environment_{order_wal_files(hooks.env != nullptr ? *hooks.env : *rocksdb::Env::Default())},
      low_water_{std::make_shared<std::atomic<broker::log_sequence>>(0)}
{
    make_folder(settings.path);
    open();
}

database::~database() { close(); }

void database::open()
{
    environment_->DeleteFile(probe_name()).PermitUncheckedError();  // of a process that was killed
    look_for_holes();
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* opened = nullptr;
    auto options = database_options(settings_);
    options.env = environment_.get();
    auto const status = rocksdb::DB::Open(options, settings_.path.string(), column_descriptors(settings_, low_water_),
                                          &handles, &opened);
    if (!status.ok())
        throw std::runtime_error{advice(settings_.path, status)};
    db_.reset(opened);
    std::copy(handles.begin(), handles.end(), columns_.begin());
    try {
        compare_position();
        load_meta();
    } catch (rocksdb::Status const& failed) {
        close();
        throw std::runtime_error{advice(settings_.path, failed)};
    } catch (...) {
        close();
        throw;
    }
}

void database::close() noexcept
{
    if (db_ == nullptr)
        return;
    for (auto* handle : columns_)
        db_->DestroyColumnFamilyHandle(handle);
    columns_.fill(nullptr);
    auto const ignored = db_->Close();  // nothing is left to save: what was promised is in the write-ahead log
    ignored.PermitUncheckedError();
    db_.reset();
}

void database::reopen()
{
    std::unique_lock const alone{use_};
    close();
    open();
}

bool database::room_to_reopen() const
{
    constexpr std::uint64_t besides = std::uint64_t{1} << 20;  // manifest, options, file ends
    auto& env = *environment_;
    auto const folder = settings_.path.string();
    std::vector<std::string> files;
    if (!env.GetChildren(folder, &files).ok())
        return false;
    auto wanted = besides;
    for (auto const& name : files) {
        std::uint64_t size = 0;
        if (std::filesystem::path{name}.extension() == ".log" &&
            env.GetFileSize((settings_.path / name).string(), &size).ok())
            wanted += size;
    }
    auto const status = write_zeros(env, probe_name(), wanted);
    auto const removed = env.DeleteFile(probe_name());
    return status.ok() && removed.ok();
}

std::string database::probe_name() const { return (settings_.path / "room").string(); }

// With fsync a hole means that acknowledged messages are missing: that is for the operator to know and to accept. Without,
// losing power may leave one: everything behind it goes too, so that what is left is a prefix.
void database::look_for_holes() const
{
    auto& env = *environment_;
    auto const found = scan_wal(env, settings_.path);
    if (found.torn_bytes > 0)
        broker::log_warning("an unfinished write at the end of the write-ahead log is dropped",
                            {{"bytes", found.torn_bytes}});
    if (found.sound())
        return;
    if (settings_.durability == durability::fsync && !hooks_.accept_loss)
        throw std::runtime_error{fmt::format(
            "the write-ahead log of the store in {} is damaged ({}): {} acknowledged batches behind that are at "
            "stake; restore a backup, or run 'fulmar store repair' to give them up",
            settings_.path.string(), found.where, found.batches_after_hole)};
    broker::log_error("the write-ahead log has a hole; what was written behind it is lost",
                      {{"where", found.where}, {"batches_lost", found.batches_after_hole}});
    set_aside(env, settings_.path, found.after_hole);
}

// Everything up to the noted position had been synced: if the database has not come so far, files are missing or cut.
void database::compare_position() const
{
    auto const noted = read_position(settings_.path);
    auto const reached = db_->GetLatestSequenceNumber();
    if (!noted || noted->sequence <= reached)
        return;
    if (noted->synced && !hooks_.accept_loss)
        throw std::runtime_error{fmt::format(
            "the end of the store in {} is missing ({} rows of {}): a file was cut or removed; restore a backup, or run "
            "'fulmar store repair' to give them up",
            settings_.path.string(), noted->sequence - reached, noted->sequence)};
    broker::log_error("the end of the store is missing", {{"rows_lost", noted->sequence - reached}});
}

// Checks the version and finds where the log ends.
void database::load_meta()
{
    auto const get = [&](std::string_view name) -> std::optional<std::string> {
        std::string value;
        auto const status = db_->Get({}, at(column::meta), rocksdb::Slice{name.data(), name.size()}, &value);
        if (!status.ok() && !status.IsNotFound())
            throw status;
        return status.ok() ? std::optional{value} : std::nullopt;
    };
    if (auto const stored = get(key::schema_version)) {
        auto const version = key::parse_number(*stored);
        if (!version || *version > schema_version)
            throw std::runtime_error{
                fmt::format("the store in {} was written by a newer version (schema {}, this one knows "
                            "{}); start the newer version",
                            db_->GetName(), version.value_or(0), schema_version)};
    } else {
        rocksdb::WriteBatch batch;
        auto const version = key::number(schema_version);
        batch.Put(at(column::meta), rocksdb::Slice{key::schema_version.data(), key::schema_version.size()},
                  rocksdb::Slice{version.bytes.data(), version.bytes.size()});
        batch.Put(at(column::meta), rocksdb::Slice{key::node_id.data(), key::node_id.size()}, random_id());
        rocksdb::WriteOptions options;
        options.sync = true;
        if (auto const status = db_->Write(options, &batch); !status.ok())
            throw status;
    }
    if (auto const stored = get(key::low_water))
        low_water_->store(key::parse_number(*stored).value_or(0));

    auto const log = iterate(column::log);
    log->SeekToLast();
    if (!log->status().ok())
        throw log->status();
    auto const last = log->Valid() ? key::parse_log(log->key().ToStringView()).value_or(0) : 0;
    auto const repaired = get(key::log_end);
    last_at_open_ = std::max({last, low_water_->load(), repaired ? key::parse_number(*repaired).value_or(0) : 0});
}

std::uint64_t database::disk_bytes() const
{
    std::uint64_t total = 0;
    for (auto* handle : columns_) {
        std::uint64_t files = 0;
        if (db_->GetIntProperty(handle, rocksdb::DB::Properties::kTotalSstFilesSize, &files))
            total += files;
    }
    return total;
}

bool is_no_space(rocksdb::Status const& status) noexcept
{
    return status.IsNoSpace() || status.subcode() == rocksdb::Status::SubCode::kNoSpace ||
           status.subcode() == rocksdb::Status::SubCode::kSpaceLimit;
}

std::string advice(std::filesystem::path const& path, rocksdb::Status const& status)
{
    auto const text = status.ToString();
    auto const where = path.string();
    if (text.find("LOCK") != std::string::npos && text.find("Permission") == std::string::npos)
        return fmt::format("the store in {} is in use by another process; stop it or choose another [storage] path",
                           where);
    if (is_no_space(status))
        return fmt::format("the disk that holds the store in {} is full; free some space and start again", where);
    if (status.IsIOError() && text.find("Permission") != std::string::npos)
        return fmt::format(
            "no permission to use the store in {} ({}); give the folder to the user that runs the broker", where, text);
    return fmt::format(
        "the store in {} cannot be read ({}); run 'fulmar store check', then 'fulmar store repair', or restore "
        "a backup",
        where, text);
}

}  // namespace fulmar::storage
