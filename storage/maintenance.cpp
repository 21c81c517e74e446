#include "storage/maintenance.hpp"

#include "broker/log.hpp"
#include "storage/key.hpp"
#include "storage/position_file.hpp"

#include <rocksdb/convenience.h>

#include <algorithm>
#include <chrono>

#include <sys/statvfs.h>

namespace fulmar::storage {

using namespace broker;

namespace {

constexpr std::size_t sessions_per_batch = 1'000;
constexpr std::uint64_t small_disk_part = 20;  // 5 %

rocksdb::Slice slice(std::string_view text) { return {text.data(), text.size()}; }

std::optional<disk_space> space_of(std::filesystem::path const& path)
{
    struct statvfs answer = {};
    if (::statvfs(path.c_str(), &answer) != 0)
        return std::nullopt;
    return disk_space{std::uint64_t{answer.f_bavail} * answer.f_frsize,
                      std::uint64_t{answer.f_blocks} * answer.f_frsize};
}

}  // namespace

maintenance::maintenance(store_parts const& parts, database_hooks const& hooks, losses& lost, committer& commits)
    : parts_{parts}, hooks_{hooks}, lost_{lost}, commits_{commits}, settled_{parts.data.last_at_open()}
{
    if (!hooks_.space)
        hooks_.space = [path = parts.settings.path] { return space_of(path); };
}

maintenance::~maintenance() { close(); }

void maintenance::start()
{
    if (parts_.settings.maintenance_interval_ms != 0 && !thread_.joinable())
        thread_ = std::thread{[this] { run(); }};
}

void maintenance::close()
{
    {
        std::lock_guard const lock{mutex_};
        closing_ = true;
    }
    wake_.notify_one();
    if (thread_.joinable())
        thread_.join();
}

void maintenance::run()
{
    std::chrono::milliseconds const interval{parts_.settings.maintenance_interval_ms};
    std::unique_lock lock{mutex_};
    while (!wake_.wait_for(lock, interval, [&] { return closing_; })) {
        lock.unlock();
        run_once();
        lock.lock();
    }
}

void maintenance::run_once()
{
    std::lock_guard const lock{round_};
    watch_space();
    if (commits_.state() == store_state::failed || commits_.needs_resume())
        return;
    erase_remains();
    trim();
    note_position();
    parts_.statistics.log_bytes = parts_.retention.bytes_after(parts_.data.low_water());
    parts_.statistics.disk_bytes = parts_.data.disk_bytes();
}

// --- space ---------------------------------------------------------------------------------------

std::uint64_t maintenance::wanted_free(disk_space const& space) const
{
    return std::min(parts_.settings.min_free_bytes, space.total_bytes / small_disk_part);
}

void maintenance::watch_space()
{
    auto const space = hooks_.space();
    if (!space)
        return;
    parts_.statistics.free_bytes = space->free_bytes;
    auto const was_full = commits_.state() == store_state::full;
    // A little more than the limit is wanted back, or the state would flap.
    auto const wanted = was_full ? wanted_free(*space) + wanted_free(*space) / 4 : wanted_free(*space);
    auto const low = space->free_bytes < wanted;
    if (low && !was_full)
        log_error("little space is left for the store; durable publishes are refused",
                  {{"free_bytes", space->free_bytes}, {"wanted_bytes", wanted}});
    commits_.set_low_space(low);
    if (!low && commits_.needs_resume() && commits_.state() != store_state::failed)
        resume();
    if (was_full && commits_.state() == store_state::healthy)
        log_warning("there is space for the store again; durable publishes are taken");
}

// After a write that ran out of space the write-ahead log may end in half a record: nothing may be promised behind it.
// Opening again leaves that out and begins a new log.
void maintenance::resume()
{
    if (!parts_.data.room_to_reopen())
        return;
    try {
        parts_.data.reopen();
    } catch (std::exception const& problem) {
        // Somebody else may have taken the room.
        if (parts_.data.room_to_reopen())
            commits_.fail(problem.what());
        else
            log_info("the store cannot be opened again yet", {{"reason", problem.what()}});
        return;
    }
    ++parts_.statistics.resumes;
    commits_.resumed();
}

// --- trimming ------------------------------------------------------------------------------------

void maintenance::trim()
{
    // Whoever subscribes now begins at a position a moment old: stay one round behind.
    auto const bound = std::exchange(settled_, commits_.last_committed());
    auto const read_by_all = std::min(parts_.cursors.lowest(bound), held_for_history(bound));
    auto const exceeded = std::min(bound, parts_.retention.exceeded(parts_.clock.wall()));
    auto const target = std::max(read_by_all, exceeded);
    if (target > parts_.data.low_water())
        trim_to(target, read_by_all);
}

// History is read by whoever asks for it: only age lets go of it.
log_sequence maintenance::held_for_history(log_sequence bound) const
{
    auto const& hold_ms = parts_.settings.history_ms;
    if (!hold_ms)
        return bound;
    return *hold_ms == 0 ? 0 : std::min(bound, parts_.retention.older_than(*hold_ms, parts_.clock.wall()));
}

void maintenance::trim_to(log_sequence target, log_sequence read_by_all)
{
    housekeeping own;
    own.low_water = target;
    if (read_by_all < target)
        account_losses(parts_.data.low_water(), target, own);
    for (auto const filter : lost_.forget(read_by_all))
        own.meta_erases.push_back(key::lost(filter));
    for (auto const sequence : parts_.retention.forget(target))
        own.meta_erases.push_back(key::checkpoint(sequence));
    // Written and synced before anything is dropped: a reader must be able to see that something is missing.
    if (commits_.write(std::move(own)))
        return;
    ++parts_.statistics.trims;
    auto const from = key::log(0);
    auto const upto = key::log(target);
    auto const begin = slice(from.view());
    auto const end = slice(upto.view());
    auto const status = rocksdb::DeleteFilesInRange(&parts_.data.db(), parts_.data.at(column::log), &begin, &end);
    if (!status.ok())
        log_warning("trimmed log files could not be deleted", {{"reason", status.ToString()}});
}

// Counts, per filter, what is given up although somebody has not read it.
void maintenance::account_losses(log_sequence low_water, log_sequence target, housekeeping& own)
{
    std::uint64_t total = 0;
    auto const index = parts_.data.iterate(column::index);
    for (auto const& [filter, needed_from] : parts_.cursors.behind(target)) {
        loss lost{std::max(low_water, needed_from), target, 0};
        for (index->Seek(slice(key::index(filter, lost.after + 1).view())); index->Valid(); index->Next()) {
            auto const entry = key::parse_index({index->key().data(), index->key().size()});
            if (!entry || entry->filter != filter || entry->sequence > target)
                break;
            ++lost.messages;
        }
        if (lost.messages == 0)
            continue;
        total += lost.messages;
        own.meta_puts.emplace_back(key::lost(filter), encode_losses(lost_.add(filter, lost)));
    }
    parts_.statistics.messages_lost_to_retention += total;
    if (total > 0)
        log_warning("retention removed queued messages that were not read", {{"messages", total}, {"upto", target}});
}

void maintenance::note_position()
{
    auto const reached = parts_.data.db().GetLatestSequenceNumber();
    if (reached == std::exchange(noted_, reached))
        return;
    write_position(parts_.settings.path, {reached, parts_.settings.durability == durability::fsync});
}

// --- remains -------------------------------------------------------------------------------------

void maintenance::erase_remains()
{
    auto const erased = commits_.take_erased();
    for (std::size_t from = 0; from < erased.size(); from += sessions_per_batch) {
        housekeeping own;
        for (auto i = from; i < std::min(erased.size(), from + sessions_per_batch); ++i)
            collect_remains(erased[i], own);
        if (!own.row_erases.empty() && commits_.write(std::move(own)))
            return;  // the next start removes them
    }
}

void maintenance::collect_remains(session_id id, housekeeping& own) const
{
    auto const prefix = key::session(id);
    for (auto const where : {column::subscriptions, column::inflight}) {
        auto const rows = parts_.data.iterate(where);
        for (rows->Seek(slice(prefix.view())); rows->Valid() && rows->key().starts_with(slice(prefix.view()));
             rows->Next())
            own.row_erases.emplace_back(where, rows->key().ToString());
    }
}

}  // namespace fulmar::storage
