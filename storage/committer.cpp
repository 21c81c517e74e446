#include "storage/committer.hpp"

#include "broker/log.hpp"

#include <chrono>
#include <iterator>

namespace fulmar::storage {

using namespace broker;

namespace {

constexpr std::size_t commit_bytes_max = std::size_t{8} << 20;
constexpr std::size_t postponed_ops_max = 65'536;
constexpr std::size_t erased_max = 1'000'000;  // beyond it the next start removes the remains

std::size_t bytes_of(std::vector<store_op> const& ops)
{
    auto total = ops.size() * sizeof(store_op);
    for (auto const& op : ops)
        if (auto const* publish = std::get_if<publish_op>(&op.what))
            total += publish->message->footprint();
        else if (auto const* row = std::get_if<put_outbox_op>(&op.what))
            total += row->row.capacity();
    return total;
}

// What a full disk refuses first: publishes that would have to be written.
bool needs_space(store_op const& op)
{
    auto const* publish = std::get_if<publish_op>(&op.what);
    return publish != nullptr && (publish->retain || !publish->filters.empty());
}

// Operations that only let go of something: losing them would make the broker repeat itself, so they wait for space.
bool lets_go(store_op const& op)
{
    return !std::holds_alternative<publish_op>(op.what) && !std::holds_alternative<put_session_op>(op.what) &&
           !std::holds_alternative<put_subscription_op>(op.what) && !std::holds_alternative<put_inflight_op>(op.what) &&
           !std::holds_alternative<put_outbox_op>(op.what);
}

}  // namespace

committer::committer(store_parts const& parts)
    : parts_{parts}, writer_{parts.data}, next_{parts.data.last_at_open() + 1}, last_{parts.data.last_at_open()}
{
    parts_.statistics.last_sequence = last_.load();
    thread_ = std::thread{[this] { run(); }};
}

committer::~committer() { close(); }

void committer::attach(shard_id shard, store_listener& listener) { listeners_.at(shard) = &listener; }
void committer::wants_log(shard_id shard, bool wanted) { wants_log_.at(shard) = wanted; }
store_listener* committer::listener_of(shard_id shard) const noexcept { return listeners_[shard]; }

void committer::submit(shard_id shard, std::vector<store_op> ops)
{
    if (ops.empty())
        return;
    hand_over work;
    work.shard = shard;
    work.bytes = bytes_of(ops);
    work.ops = std::move(ops);
    {
        std::lock_guard const lock{mutex_};
        if (closing_)
            return;
        pending_bytes_ += work.bytes;
        queue_.push_back(std::move(work));
    }
    wake_.notify_one();
}

error_code committer::write(housekeeping own)
{
    std::promise<error_code> done;
    auto answer = done.get_future();
    {
        std::lock_guard const lock{mutex_};
        if (closing_)
            return errc::shutting_down;
        hand_over work;
        work.own = std::move(own);
        work.done = &done;
        queue_.push_back(std::move(work));
    }
    wake_.notify_one();
    return answer.get();
}

void committer::close()
{
    {
        std::lock_guard const lock{mutex_};
        closing_ = true;
    }
    wake_.notify_one();
    if (thread_.joinable())
        thread_.join();
}

store_state committer::state() const noexcept
{
    if (failed_)
        return store_state::failed;
    return low_space_ || needs_resume_ ? store_state::full : store_state::healthy;
}

void committer::resumed()
{
    {
        std::lock_guard const lock{mutex_};
        resume_ = true;
    }
    needs_resume_ = false;
    wake_.notify_one();
}

void committer::fail(std::string const& why)
{
    if (!failed_.exchange(true))
        log_error("the store failed; durable work is refused until the broker is restarted", {{"reason", why}});
}

std::vector<session_id> committer::take_erased()
{
    std::lock_guard const lock{mutex_};
    return std::exchange(erased_, {});
}

void committer::run()
{
    std::vector<hand_over> work;
    while (take(work)) {
        commit(work);
        work.clear();
    }
}

bool committer::take(std::vector<hand_over>& work)
{
    std::unique_lock lock{mutex_};
    wake_.wait(lock, [&] { return closing_ || resume_ || !queue_.empty(); });
    if (std::exchange(resume_, false)) {
        std::move(postponed_.begin(), postponed_.end(), std::back_inserter(work));
        postponed_.clear();
        postponed_ops_ = 0;
    }
    for (std::size_t bytes = 0; !queue_.empty() && bytes < commit_bytes_max;) {
        bytes += queue_.front().bytes;
        work.push_back(std::move(queue_.front()));
        queue_.pop_front();
    }
    return !work.empty() || !closing_;
}

void committer::commit(std::vector<hand_over>& work)
{
    for (auto const& each : work)
        gathered_bytes_ += each.bytes;
    batch_results results;
    admit(work, results);
    commit_batch(work, results);
}

// Refuses or postpones what cannot be written now; what is left in `work` is written.
void committer::admit(std::vector<hand_over>& work, batch_results& results)
{
    for (auto& each : work) {
        if (failed_)
            refuse(each, errc::store_failed, results);
        else if (needs_resume_)
            postpone(each, results);
        else if (low_space_)
            std::erase_if(each.ops, [&](store_op const& op) {
                if (!needs_space(op))
                    return false;
                ++parts_.statistics.refused_full;
                if (op.ticket != 0)
                    results[each.shard].push_back({op.ticket, errc::store_full, 0});
                return true;
            });
    }
}

void committer::commit_batch(std::vector<hand_over>& work, batch_results& results)
{
    auto const began = std::chrono::steady_clock::now();
    std::vector<logged_message> logged;
    std::size_t operations = 0;
    bool own = false;
    writer_.clear();
    for (auto const& each : work) {
        for (auto const& op : each.ops) {
            auto const logs = batch_writer::logs(op);
            writer_.add(op, next_);
            if (logs)
                logged.push_back({next_++, std::get<publish_op>(op.what).message});
        }
        operations += each.ops.size();
        if (each.own) {
            writer_.add(*each.own);
            own = true;
        }
    }
    if (operations == 0 && !own)
        return notify(results, nullptr);

    std::optional<checkpoint> due;
    if (!logged.empty())
        due = parts_.retention.note(logged.back().sequence, writer_.record_bytes(), parts_.clock.wall());
    if (due)
        writer_.add(housekeeping{{}, {{key::checkpoint(due->sequence), encode_checkpoint(*due)}}, {}, {}});

    auto const status = write_batch(own, operations);
    if (!status.ok())
        return on_write_failed(status, work, results);
    if (due)
        parts_.retention.confirm(*due);
    auto const took = std::chrono::steady_clock::now() - began;
    parts_.statistics.commit_us.observe(
        static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(took).count()));
    settle(work, std::move(logged), results);
}

rocksdb::Status committer::write_batch(bool always_sync, std::size_t operations)
{
    rocksdb::WriteOptions options;
    options.sync = always_sync || parts_.settings.durability == durability::fsync;
    auto& statistics = parts_.statistics;
    auto status = parts_.data.db().Write(options, &writer_.finish());
    if (!status.ok())
        return status;
    ++statistics.commits;
    statistics.syncs += options.sync ? 1 : 0;
    statistics.operations += operations;
    statistics.batch_ops.observe(operations);
    return status;
}

void committer::settle(std::vector<hand_over>& work, std::vector<logged_message> logged, batch_results& results)
{
    auto& statistics = parts_.statistics;
    statistics.records += logged.size();
    statistics.record_bytes += writer_.record_bytes();
    parts_.cache.add(logged);
    auto next = logged.begin();
    for (auto& each : work) {
        parts_.cursors.apply(each.ops);
        for (auto const& op : each.ops) {
            auto const sequence = batch_writer::logs(op) ? (next++)->sequence : 0;
            if (op.ticket != 0)
                results[each.shard].push_back({op.ticket, {}, sequence});
            if (auto const* gone = std::get_if<erase_session_op>(&op.what)) {
                std::lock_guard const lock{mutex_};
                if (erased_.size() < erased_max)
                    erased_.push_back(gone->id);
            }
        }
        if (each.own && each.own->low_water) {
            parts_.data.low_water() = *each.own->low_water;
            statistics.low_water = *each.own->low_water;
        }
        if (each.done != nullptr)
            each.done->set_value({});
    }
    committed_batch batch;
    if (!logged.empty()) {
        last_.store(logged.back().sequence, std::memory_order_release);
        statistics.last_sequence = logged.back().sequence;
        batch = std::make_shared<std::vector<logged_message> const>(std::move(logged));
    }
    notify(results, batch);
}

// No space: the database refuses writes until it is resumed, and says so; nothing of the batch was applied.
// Anything else: what is on disk is unknown, and stays so.
void committer::on_write_failed(rocksdb::Status const& status, std::vector<hand_over>& work, batch_results& results)
{
    ++parts_.statistics.commit_failures;
    if (is_no_space(status)) {
        if (!needs_resume_.exchange(true))
            log_error("the disk of the store is full; durable publishes are refused until there is space",
                      {{"reason", status.ToString()}});
    } else
        fail(status.ToString());
    for (auto& each : work)
        failed_ ? refuse(each, errc::store_failed, results) : postpone(each, results);
    notify(results, nullptr);
}

void committer::refuse(hand_over& work, error_code error, batch_results& results)
{
    auto& counted = error == errc::store_full ? parts_.statistics.refused_full : parts_.statistics.refused_failed;
    counted += work.ops.size();
    for (auto const& op : work.ops)
        if (op.ticket != 0)
            results[work.shard].push_back({op.ticket, error, 0});
    work.ops.clear();
    if (work.done != nullptr)
        work.done->set_value(error);
    work.own.reset();
    work.done = nullptr;
}

void committer::postpone(hand_over& work, batch_results& results)
{
    hand_over later;
    later.shard = work.shard;
    auto const room = postponed_ops_max - std::min(postponed_ops_max, postponed_ops_);
    for (auto& op : work.ops)
        if (lets_go(op) && later.ops.size() < room)
            later.ops.push_back(std::move(op));
        else {
            ++parts_.statistics.refused_full;
            if (op.ticket != 0)
                results[work.shard].push_back({op.ticket, errc::store_full, 0});
        }
    work.ops.clear();
    refuse(work, errc::store_full, results);
    if (later.ops.empty())
        return;
    postponed_ops_ += later.ops.size();
    postponed_.push_back(std::move(later));
}

void committer::notify(batch_results& results, committed_batch const& logged)
{
    pending_bytes_ -= std::exchange(gathered_bytes_, 0);
    for (std::size_t shard = 0; shard < shards_max; ++shard) {
        auto* const listener = listeners_[shard].load();
        auto const batch = wants_log_[shard] ? logged : committed_batch{};
        if (listener != nullptr && (batch || !results[shard].empty()))
            listener->on_committed(std::move(results[shard]), batch);
    }
}

}  // namespace fulmar::storage
