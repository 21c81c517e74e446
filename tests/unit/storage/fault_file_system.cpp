#include "tests/unit/storage/fault_file_system.hpp"

#include <fstream>
#include <iterator>

namespace fulmar::storage {

using rocksdb::IOStatus;

namespace {

std::string parent_of(std::string const& name) { return std::filesystem::path{name}.parent_path().string(); }

std::string contents_of(std::string const& name)
{
    std::ifstream in{name, std::ios::binary};
    return {std::istreambuf_iterator<char>{in}, {}};
}

}  // namespace

class fault_file_system::file final : public rocksdb::FSWritableFileOwnerWrapper
{
public:
    file(fault_file_system& owner, std::string name, std::unique_ptr<rocksdb::FSWritableFile> target)
        : FSWritableFileOwnerWrapper{std::move(target)}, owner_{owner}, name_{std::move(name)}
    {
    }

    using FSWritableFileOwnerWrapper::Append;
    IOStatus Append(rocksdb::Slice const& bytes, rocksdb::IOOptions const& options,
                    rocksdb::IODebugContext* debug) override
    {
        auto half = false;
        auto status = owner_.on_append(name_, bytes.size(), half);
        if (half)
            target()->Append({bytes.data(), bytes.size() / 2}, options, debug).PermitUncheckedError();
        return status.ok() ? target()->Append(bytes, options, debug) : status;
    }
    IOStatus Append(rocksdb::Slice const& bytes, rocksdb::IOOptions const& options,
                    rocksdb::DataVerificationInfo const&, rocksdb::IODebugContext* debug) override
    {
        return Append(bytes, options, debug);
    }
    IOStatus Sync(rocksdb::IOOptions const&, rocksdb::IODebugContext*) override { return owner_.on_sync(name_); }
    IOStatus Fsync(rocksdb::IOOptions const&, rocksdb::IODebugContext*) override { return owner_.on_sync(name_); }
    IOStatus RangeSync(std::uint64_t, std::uint64_t, rocksdb::IOOptions const&, rocksdb::IODebugContext*) override
    {
        return IOStatus::OK();  // promises nothing
    }
    IOStatus Truncate(std::uint64_t, rocksdb::IOOptions const&, rocksdb::IODebugContext*) override
    {
        return IOStatus::OK();
    }
    IOStatus Allocate(std::uint64_t, std::uint64_t, rocksdb::IOOptions const&, rocksdb::IODebugContext*) override
    {
        return IOStatus::OK();
    }
    void PrepareWrite(std::size_t, std::size_t, rocksdb::IOOptions const&, rocksdb::IODebugContext*) override {}

private:
    fault_file_system& owner_;
    std::string name_;
};

class fault_file_system::folder final : public rocksdb::FSDirectory
{
public:
    folder(fault_file_system& owner, std::string name) : owner_{owner}, name_{std::move(name)} {}
    IOStatus Fsync(rocksdb::IOOptions const&, rocksdb::IODebugContext*) override
    {
        return owner_.on_folder_sync(name_);
    }

private:
    fault_file_system& owner_;
    std::string name_;
};

// --- what a test does ----------------------------------------------------------------------------

void fault_file_system::lose_power_after(int operations)
{
    std::lock_guard const lock{mutex_};
    operations_left_ = operations;
}

bool fault_file_system::power_lost() const
{
    std::lock_guard const lock{mutex_};
    return power_lost_;
}

void fault_file_system::lose_power()
{
    std::lock_guard const lock{mutex_};
    power_lost_ = true;
}

bool fault_file_system::safe(std::string const& name) const
{
    std::lock_guard const lock{mutex_};
    auto const found = files_.find(name);
    return found != files_.end() && found->second.synced == found->second.size && found->second.in_folder;
}

void fault_file_system::restore_power(std::mt19937& random)
{
    std::lock_guard const lock{mutex_};
    auto const chance = [&](std::uint64_t most) {
        return std::uniform_int_distribution<std::uint64_t>{0, most}(random);
    };
    for (auto const& [name, state] : files_) {
        std::error_code ignored;
        if (!exists(std::filesystem::path{name}))
            continue;
        if (!state.in_folder && chance(1) == 0) {
            if (auto const before = replaced_.find(name); before != replaced_.end())
                std::ofstream{name, std::ios::binary | std::ios::trunc} << before->second;
            else
                std::filesystem::remove(name, ignored);
        } else if (state.synced < state.size)
            std::filesystem::resize_file(name, state.synced + chance(state.size - state.synced), ignored);
    }
    files_.clear();
    replaced_.clear();
    operations_left_ = -1;
    power_lost_ = fail_syncs_ = disk_full_ = false;
}

void fault_file_system::fail_syncs(bool on)
{
    std::lock_guard const lock{mutex_};
    fail_syncs_ = on;
}

void fault_file_system::fill_disk(bool on)
{
    std::lock_guard const lock{mutex_};
    disk_full_ = on;
}

// --- FileSystem ----------------------------------------------------------------------------------

IOStatus fault_file_system::NewWritableFile(std::string const& name, rocksdb::FileOptions const& options,
                                            std::unique_ptr<rocksdb::FSWritableFile>* result,
                                            rocksdb::IODebugContext* debug)
{
    std::lock_guard const lock{mutex_};
    if (power_lost_)
        return IOStatus::IOError("the power is off");
    std::unique_ptr<rocksdb::FSWritableFile> target;
    if (auto status = FileSystemWrapper::NewWritableFile(name, options, &target, debug); !status.ok())
        return status;
    files_[name] = {};
    *result = std::make_unique<file>(*this, name, std::move(target));
    return IOStatus::OK();
}

IOStatus fault_file_system::NewDirectory(std::string const& name, rocksdb::IOOptions const&,
                                         std::unique_ptr<rocksdb::FSDirectory>* result, rocksdb::IODebugContext*)
{
    *result = std::make_unique<folder>(*this, name);
    return IOStatus::OK();
}

IOStatus fault_file_system::RenameFile(std::string const& from, std::string const& to,
                                       rocksdb::IOOptions const& options, rocksdb::IODebugContext* debug)
{
    std::lock_guard const lock{mutex_};
    if (power_lost_)
        return IOStatus::IOError("the power is off");
    if (std::filesystem::exists(to) && !replaced_.contains(to))
        replaced_[to] = contents_of(to);
    auto status = FileSystemWrapper::RenameFile(from, to, options, debug);
    if (auto const moved = files_.find(from); status.ok() && moved != files_.end()) {
        files_[to] = moved->second;
        files_[to].in_folder = false;
        files_.erase(from);
    }
    return status;
}

IOStatus fault_file_system::DeleteFile(std::string const& name, rocksdb::IOOptions const& options,
                                       rocksdb::IODebugContext* debug)
{
    std::lock_guard const lock{mutex_};
    if (power_lost_)
        return IOStatus::IOError("the power is off");
    files_.erase(name);
    return FileSystemWrapper::DeleteFile(name, options, debug);
}

// --- private: the lock is held in step ------------------------------------------------------------

IOStatus fault_file_system::step()
{
    if (operations_left_ == 0)
        power_lost_ = true;
    else if (operations_left_ > 0)
        --operations_left_;
    return power_lost_ ? IOStatus::IOError("the power is off") : IOStatus::OK();
}

IOStatus fault_file_system::on_append(std::string const& name, std::size_t bytes, bool& half)
{
    std::lock_guard const lock{mutex_};
    if (auto status = step(); !status.ok())
        return status;
    half = disk_full_;
    files_[name].size += disk_full_ ? bytes / 2 : bytes;
    return disk_full_ ? IOStatus::NoSpace("the disk is full") : IOStatus::OK();
}

IOStatus fault_file_system::on_sync(std::string const& name)
{
    std::lock_guard const lock{mutex_};
    if (auto status = step(); !status.ok())
        return status;
    if (fail_syncs_)
        return IOStatus::IOError("the sync failed");
    files_[name].synced = files_[name].size;
    return IOStatus::OK();
}

IOStatus fault_file_system::on_folder_sync(std::string const& name)
{
    std::lock_guard const lock{mutex_};
    if (auto status = step(); !status.ok())
        return status;
    for (auto& [file_name, state] : files_)
        if (parent_of(file_name) == name || parent_of(file_name) + "/" == name) {
            state.in_folder = true;
            replaced_.erase(file_name);
        }
    return IOStatus::OK();
}

}  // namespace fulmar::storage
