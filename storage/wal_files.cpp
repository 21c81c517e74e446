#include "storage/wal_files.hpp"

#include <rocksdb/file_system.h>

#include <atomic>
#include <filesystem>
#include <mutex>
#include <string>
#include <utility>

namespace fulmar::storage {
namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

class wal_file;

// The newest log file that something was written to.
struct wal_end
{
    std::mutex lock;
    wal_file* file = nullptr;
};

class wal_file final : public rocksdb::FSWritableFileOwnerWrapper
{
public:
    wal_file(std::shared_ptr<wal_end> end, std::unique_ptr<rocksdb::FSWritableFile> file,
             std::unique_ptr<rocksdb::FSDirectory> folder)
        : FSWritableFileOwnerWrapper{std::move(file)}, end_{std::move(end)}, folder_{std::move(folder)}
    {
    }
    ~wal_file() override { leave(); }
    wal_file(wal_file const&) = delete;
    wal_file& operator=(wal_file const&) = delete;

    IOStatus Append(rocksdb::Slice const& bytes, IOOptions const& options, IODebugContext* debug) override
    {
        if (auto status = begin(options, debug); !status.ok())
            return status;
        return target()->Append(bytes, options, debug);
    }
    IOStatus Append(rocksdb::Slice const& bytes, IOOptions const& options,
                    rocksdb::DataVerificationInfo const& verification, IODebugContext* debug) override
    {
        if (auto status = begin(options, debug); !status.ok())
            return status;
        return target()->Append(bytes, options, verification, debug);
    }
    IOStatus Sync(IOOptions const& options, IODebugContext* debug) override
    {
        return note(target()->Sync(options, debug));
    }
    IOStatus Fsync(IOOptions const& options, IODebugContext* debug) override
    {
        return note(target()->Fsync(options, debug));
    }
    IOStatus Close(IOOptions const& options, IODebugContext* debug) override
    {
        leave();
        return target()->Close(options, debug);
    }

private:
    // RocksDB appends to one log file at a time, and to none that it has left.
    IOStatus begin(IOOptions const& options, IODebugContext* debug)
    {
        unsynced_.store(true, std::memory_order_relaxed);
        if (begun_)
            return IOStatus::OK();
        std::lock_guard const alone{end_->lock};
        if (end_->file != nullptr && end_->file->unsynced_.load(std::memory_order_relaxed))
            if (auto status = end_->file->Sync(options, debug); !status.ok())
                return status;
        if (auto status = folder_->Fsync(options, debug); !status.ok())
            return status;
        folder_.reset();
        begun_ = true;
        end_->file = this;
        return IOStatus::OK();
    }

    // Only the file's last writer, or whoever comes after it, syncs: nothing is appended meanwhile.
    IOStatus note(IOStatus status)
    {
        if (status.ok())
            unsynced_.store(false, std::memory_order_relaxed);
        return status;
    }

    // A log file is closed when it has been synced, when its rows are in tables, or with the database: nobody needs to sync it
    // any more.
    void leave()
    {
        std::lock_guard const alone{end_->lock};
        if (end_->file == this)
            end_->file = nullptr;
    }

    std::shared_ptr<wal_end> const end_;
    std::unique_ptr<rocksdb::FSDirectory> folder_;
    bool begun_ = false;
    std::atomic<bool> unsynced_{false};
};

// Stands for a log file that could not be created.
class missing_file final : public rocksdb::FSWritableFile
{
public:
    explicit missing_file(IOStatus why) : why_{std::move(why)} {}
    ~missing_file() override { why_.PermitUncheckedError(); }

    using FSWritableFile::Append;
    IOStatus Append(rocksdb::Slice const&, IOOptions const&, IODebugContext*) override { return why_; }
    IOStatus Append(rocksdb::Slice const&, IOOptions const&, rocksdb::DataVerificationInfo const&,
                    IODebugContext*) override
    {
        return why_;
    }
    IOStatus Flush(IOOptions const&, IODebugContext*) override { return IOStatus::OK(); }
    IOStatus Sync(IOOptions const&, IODebugContext*) override { return why_; }
    IOStatus Close(IOOptions const&, IODebugContext*) override { return IOStatus::OK(); }
    std::uint64_t GetFileSize(IOOptions const&, IODebugContext*) override { return 0; }

private:
    IOStatus why_;
};

class wal_file_system final : public rocksdb::FileSystemWrapper
{
public:
    explicit wal_file_system(std::shared_ptr<rocksdb::FileSystem> const& underneath) : FileSystemWrapper{underneath} {}
    char const* Name() const override { return "fulmar.wal_files"; }

    IOStatus NewWritableFile(std::string const& name, rocksdb::FileOptions const& options,
                             std::unique_ptr<rocksdb::FSWritableFile>* result, IODebugContext* debug) override
    {
        std::filesystem::path const path{name};
        if (path.extension() != ".log")
            return target()->NewWritableFile(name, options, result, debug);
        std::unique_ptr<rocksdb::FSWritableFile> file;
        std::unique_ptr<rocksdb::FSDirectory> folder;
        auto status = target()->NewWritableFile(name, options, &file, debug);
        if (status.ok())
            status = target()->NewDirectory(path.parent_path().string(), options.io_options, &folder, debug);
        if (status.ok())
            *result = std::make_unique<wal_file>(end_, std::move(file), std::move(folder));
        else if (in_use())
            *result = std::make_unique<missing_file>(std::move(status));
        else
            return status;
        return IOStatus::OK();
    }

private:
    bool in_use() const
    {
        std::lock_guard const alone{end_->lock};
        return end_->file != nullptr;
    }

    std::shared_ptr<wal_end> const end_ = std::make_shared<wal_end>();
};

class wal_environment final : public rocksdb::EnvWrapper
{
public:
    explicit wal_environment(rocksdb::Env& underneath) : EnvWrapper{&underneath}
    {
        file_system_ = std::make_shared<wal_file_system>(underneath.GetFileSystem());
        system_clock_ = underneath.GetSystemClock();
    }
    char const* Name() const override { return "fulmar.wal_environment"; }
};

}  // namespace

std::unique_ptr<rocksdb::Env> order_wal_files(rocksdb::Env& underneath)
{
    return std::make_unique<wal_environment>(underneath);
}

}  // namespace fulmar::storage
