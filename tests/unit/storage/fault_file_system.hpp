// A RocksDB file system with faults: it knows what was not synced and can lose it, as a machine does that loses power;
// it can fail syncs, and run out of space.
//
// Threads:  any; one lock.
#pragma once

#include <rocksdb/file_system.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <random>
#include <string>

namespace fulmar::storage {

class fault_file_system final : public rocksdb::FileSystemWrapper
{
public:
    fault_file_system() : FileSystemWrapper{rocksdb::FileSystem::Default()} {}

    // --- what a test does ------------------------------------------------------------------------
    // After this many more writes and syncs the power goes: everything fails from then on.
    void lose_power_after(int operations);
    [[nodiscard]] bool power_lost() const;
    void lose_power();
    // Would all of the file be there after a loss of power?
    [[nodiscard]] bool safe(std::string const& name) const;
    // Power is back: of every file a random part of what was not synced is there; what happened in a folder since it was
    // synced may not have happened. Call with the database closed.
    void restore_power(std::mt19937& random);

    void fail_syncs(bool on);  // every sync of a file fails
    void fill_disk(bool on);   // every write fails for lack of space, half of it done

    // --- FileSystem ------------------------------------------------------------------------------
    char const* Name() const override { return "fulmar.fault"; }
    rocksdb::IOStatus NewWritableFile(std::string const& name, rocksdb::FileOptions const& options,
                                      std::unique_ptr<rocksdb::FSWritableFile>* result,
                                      rocksdb::IODebugContext* debug) override;
    rocksdb::IOStatus NewDirectory(std::string const& name, rocksdb::IOOptions const& options,
                                   std::unique_ptr<rocksdb::FSDirectory>* result,
                                   rocksdb::IODebugContext* debug) override;
    rocksdb::IOStatus RenameFile(std::string const& from, std::string const& to, rocksdb::IOOptions const& options,
                                 rocksdb::IODebugContext* debug) override;
    rocksdb::IOStatus DeleteFile(std::string const& name, rocksdb::IOOptions const& options,
                                 rocksdb::IODebugContext* debug) override;

private:
    class file;
    class folder;

    struct written
    {
        std::uint64_t size = 0;
        std::uint64_t synced = 0;
        bool in_folder = false;  // its folder was synced since it was created
    };

    [[nodiscard]] rocksdb::IOStatus step();
    [[nodiscard]] rocksdb::IOStatus on_append(std::string const& name, std::size_t bytes, bool& half);
    [[nodiscard]] rocksdb::IOStatus on_sync(std::string const& name);
    [[nodiscard]] rocksdb::IOStatus on_folder_sync(std::string const& name);

    mutable std::mutex mutex_;
    int operations_left_ = -1;
    bool power_lost_ = false;
    bool fail_syncs_ = false;
    bool disk_full_ = false;
    std::map<std::string, written> files_;
    std::map<std::string, std::string> replaced_;  // renamed over since the folder was synced: what it held before
};

}  // namespace fulmar::storage
