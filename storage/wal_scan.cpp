#include "storage/wal_scan.hpp"

#include "storage/crc32c.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <memory>
#include <optional>

namespace fulmar::storage {
namespace {

constexpr std::size_t block_bytes = 32'768;
constexpr std::size_t header_bytes = 7;         // crc u32, length u16, type u8
constexpr std::size_t batch_header_bytes = 12;  // sequence u64, count u32

constexpr unsigned first_of_others = 9;  // settings of the log: they carry no rows

enum record_type : unsigned { full = 1, first = 2, middle = 3, last = 4 };

std::uint64_t little_endian(std::string_view bytes)
{
    std::uint64_t value = 0;
    for (auto i = bytes.size(); i-- > 0;)
        value = value << 8U | static_cast<unsigned char>(bytes[i]);
    return value;
}

struct record
{
    unsigned type;
    std::string_view payload;
    std::size_t end;  // in its block
};

// The record that begins at `at`, if it is whole and its checksum is right.
std::optional<record> record_at(std::string_view block, std::size_t at)
{
    if (at + header_bytes > block.size())
        return std::nullopt;
    auto const length = little_endian(block.substr(at + 4, 2));
    auto const type = static_cast<unsigned>(static_cast<unsigned char>(block[at + 6]));
    auto const known = (type >= full && type <= last) || type >= first_of_others;
    if (!known || at + header_bytes + length > block.size())
        return std::nullopt;
    auto const crc = crc32c(block.substr(at + 6, 1 + length));
    auto const masked = (crc >> 15U | crc << 17U) + 0xA282EAD8U;
    if (masked != little_endian(block.substr(at, 4)))
        return std::nullopt;
    return record{type, block.substr(at + header_bytes, length), at + header_bytes + length};
}

class scanner
{
public:
    // The file's contents are then given block by block.
    void begin_file(std::string name)
    {
        file_ = std::move(name);
        offset_ = 0;
        batch_.reset();
    }

    void add_block(std::string_view block)
    {
        std::size_t at = 0;
        while (at + header_bytes <= block.size()) {
            if (auto const found = record_at(block, at)) {
                take(*found);
                at = found->end;
                continue;
            }
            if (std::all_of(block.begin() + static_cast<std::ptrdiff_t>(at), block.end(),
                            [](char c) { return c == 0; }))
                break;
            fault(at);
            // The length cannot be trusted: try every place.
            while (++at + header_bytes <= block.size() && !record_at(block, at)) {
            }
        }
        offset_ += block.size();
    }

    void end_file()
    {
        if (batch_)
            fault(0);
        if (fault_offset_ && fault_file_ == file_)
            finding_.torn_bytes += offset_ - std::min(offset_, *fault_offset_);
    }

    [[nodiscard]] wal_finding finish()
    {
        if (!finding_.sound())
            finding_.torn_bytes = 0;
        return std::move(finding_);
    }

private:
    void take(record const& found)
    {
        if (found.type >= first_of_others)
            return;
        if (found.type == full || found.type == first) {
            if (batch_)
                fault(0);
            batch_.emplace();
        } else if (!batch_)
            return;  // the rest of a damaged batch
        batch_->append(found.payload.substr(0, batch_header_bytes - std::min(batch_header_bytes, batch_->size())));
        if (found.type == full || found.type == last)
            end_batch();
    }

    void end_batch()
    {
        auto const header = std::exchange(batch_, std::nullopt);
        if (header->size() < batch_header_bytes)
            return;
        auto const sequence = little_endian(std::string_view{*header}.substr(0, 8));
        auto const count = little_endian(std::string_view{*header}.substr(8, 4));
        // A gap without damage is no hole: RocksDB deletes the newest of its finished log files first, so a kill between two
        // deletions leaves older ones behind, whose successors are in the tables already.
        if (next_ && sequence > *next_ && fault_offset_) {
            if (finding_.sound())
                finding_.where = fmt::format("{} at byte {}", fault_file_, *fault_offset_);
            ++finding_.batches_after_hole;
            if (hole_file_.empty())
                hole_file_ = fault_file_;
            if (file_ != hole_file_ && (finding_.after_hole.empty() || finding_.after_hole.back() != file_))
                finding_.after_hole.push_back(file_);
            return;
        }
        // In sequence: what was torn before it had been given up by an earlier start.
        ++finding_.batches;
        next_ = std::max(next_.value_or(0), sequence + count);
        fault_offset_.reset();
        finding_.torn_bytes = 0;
    }

    void fault(std::size_t at)
    {
        batch_.reset();
        if (fault_offset_)
            return;
        fault_offset_ = offset_ + at;
        fault_file_ = file_;
    }

    wal_finding finding_;
    std::string file_;
    std::uint64_t offset_ = 0;
    std::optional<std::string> batch_;  // the beginning of the batch under way
    std::optional<std::uint64_t> next_;
    std::optional<std::uint64_t> fault_offset_;
    std::string fault_file_;
    std::string hole_file_;
};

std::vector<std::string> log_files(rocksdb::Env& env, std::filesystem::path const& folder)
{
    std::vector<std::string> names;
    if (!env.GetChildren(folder.string(), &names).ok())
        return {};
    std::erase_if(names, [](std::string const& name) {
        return name.size() < 5 || !name.ends_with(".log") ||
               !std::all_of(name.begin(), name.end() - 4, [](char c) { return c >= '0' && c <= '9'; });
    });
    std::sort(names.begin(), names.end(),
              [](auto const& a, auto const& b) { return a.size() != b.size() ? a.size() < b.size() : a < b; });
    return names;
}

}  // namespace

wal_finding scan_wal(rocksdb::Env& env, std::filesystem::path const& folder)
{
    scanner scan;
    auto const buffer = std::make_unique<char[]>(block_bytes);
    for (auto const& name : log_files(env, folder)) {
        std::unique_ptr<rocksdb::SequentialFile> file;
        if (!env.NewSequentialFile((folder / name).string(), &file, {}).ok())
            continue;
        scan.begin_file(name);
        for (;;) {
            rocksdb::Slice block;
            if (!file->Read(block_bytes, &block, buffer.get()).ok() || block.empty())
                break;
            scan.add_block({block.data(), block.size()});
        }
        scan.end_file();
    }
    return scan.finish();
}

void set_aside(rocksdb::Env& env, std::filesystem::path const& folder, std::vector<std::string> const& files)
{
    auto const lost = folder / "lost";
    env.CreateDirIfMissing(lost.string()).PermitUncheckedError();
    for (auto const& name : files)
        env.RenameFile((folder / name).string(), (lost / name).string()).PermitUncheckedError();
}

}  // namespace fulmar::storage
