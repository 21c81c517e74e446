#include "storage/recovery.hpp"

#include "broker/log.hpp"
#include "storage/key.hpp"
#include "storage/record.hpp"
#include "storage/row.hpp"

#include <stdexcept>

namespace fulmar::storage {

using namespace broker;

namespace {

constexpr std::size_t remains_per_batch = 10'000;

std::string_view view(rocksdb::Slice slice) { return {slice.data(), slice.size()}; }

[[noreturn]] void damaged(store_parts const& parts, column where)
{
    throw std::runtime_error{
        advice(parts.settings.path,
               rocksdb::Status::Corruption(std::string{"a row of "} + to_string(where) + " does not decode"))};
}

// A cursor over one column. Throws when it ends for another reason than the end.
class rows
{
public:
    rows(store_parts const& parts, column where) : parts_{parts}, where_{where}
    {
        rocksdb::ReadOptions options;
        options.fill_cache = false;
        options.readahead_size = std::size_t{1} << 20;
        iterator_ = parts.data.iterate(where, options);
        iterator_->SeekToFirst();
        check();
    }

    [[nodiscard]] bool valid() const { return iterator_->Valid(); }
    [[nodiscard]] std::string_view key() const { return view(iterator_->key()); }
    [[nodiscard]] std::string_view value() const { return view(iterator_->value()); }
    void next()
    {
        iterator_->Next();
        check();
    }
    [[nodiscard]] session_id session() const
    {
        auto const id = key::parse_session(key());
        if (!id)
            damaged(parts_, where_);
        return *id;
    }
    [[nodiscard]] column where() const { return where_; }

private:
    void check() const
    {
        if (!iterator_->status().ok())
            throw std::runtime_error{advice(parts_.settings.path, iterator_->status())};
    }

    store_parts const& parts_;
    column where_;
    std::unique_ptr<rocksdb::Iterator> iterator_;
};

// Rows whose session was erased.
class remains
{
public:
    explicit remains(store_parts const& parts) : parts_{parts} {}
    ~remains() { flush(); }

    void add(rows const& row)
    {
        auto const status =
            batch_.Delete(parts_.data.at(row.where()), rocksdb::Slice{row.key().data(), row.key().size()});
        if (status.ok() && batch_.Count() >= static_cast<int>(remains_per_batch))
            flush();
    }

private:
    void flush()
    {
        if (batch_.Count() == 0)
            return;
        rocksdb::WriteOptions synced;
        synced.sync = true;
        // If it fails they are still here at the next start.
        auto const status = parts_.data.db().Write(synced, &batch_);
        status.PermitUncheckedError();
        batch_.Clear();
    }

    store_parts const& parts_;
    rocksdb::WriteBatch batch_;
};

// Calls `take` for the rows of `id`; those of sessions before it have none any more.
template <class Take>
void take_rows(rows& from, session_id id, remains& gone, Take&& take)
{
    for (; from.valid() && from.session() < id; from.next())
        gone.add(from);
    for (; from.valid() && from.session() == id; from.next())
        take(from);
}

void recover_sessions(store_parts const& parts, recovery_sink const& sink)
{
    rows sessions{parts, column::sessions};
    rows subscriptions{parts, column::subscriptions};
    rows cursors{parts, column::cursors};
    rows inflight{parts, column::inflight};
    remains gone{parts};
    for (; sessions.valid(); sessions.next()) {
        auto record = decode_session(sessions.session(), sessions.value());
        if (!record)
            damaged(parts, column::sessions);
        recovered_session found{std::move(*record), {}, {}, 0};
        auto const id = found.record.id;
        take_rows(subscriptions, id, gone, [&](rows const& row) {
            auto what = decode_subscription(key::subscription_filter(row.key()), row.value());
            if (!what)
                damaged(parts, column::subscriptions);
            found.subscriptions.push_back(std::move(*what));
        });
        take_rows(cursors, id, gone, [&](rows const& row) {
            auto const cursor = key::parse_number(row.value());
            if (!cursor)
                damaged(parts, column::cursors);
            found.cursor = *cursor;
        });
        take_rows(inflight, id, gone, [&](rows const& row) {
            auto const entry = key::parse_inflight(row.key());
            auto const what = entry ? decode_inflight(entry->packet, row.value()) : std::nullopt;
            if (!what)
                damaged(parts, column::inflight);
            found.inflight.push_back(*what);
        });
        parts.cursors.restore(found);
        if (sink.session)
            sink.session(std::move(found));
    }
    for (auto* rest : {&subscriptions, &cursors, &inflight})
        for (; rest->valid(); rest->next())
            gone.add(*rest);
}

void recover_groups(store_parts const& parts, recovery_sink const& sink)
{
    for (rows groups{parts, column::groups}; groups.valid(); groups.next()) {
        auto const hash = key::parse_group(groups.key());
        auto found = hash ? decode_group(*hash, groups.value()) : std::nullopt;
        if (!found)
            damaged(parts, column::groups);
        parts.cursors.restore(*found);
        if (sink.group)
            sink.group(std::move(*found));
    }
}

void recover_retained(store_parts const& parts, recovery_sink const& sink)
{
    auto const now = parts.clock.wall();
    std::uint64_t bad = 0;
    for (rows retained{parts, column::retained}; retained.valid(); retained.next()) {
        auto m = decode_record({retained.value().data(), retained.value().size()});
        if (!m || key::retained((*m)->app, (*m)->topic()) != retained.key())
            ++bad;
        else if (sink.retained && !(*m)->expired(now))
            sink.retained(std::move(*m));
    }
    if (bad == 0)
        return;
    parts.statistics.corrupt_records += bad;
    log_error("retained messages are damaged and were left out; run 'fulmar store check'", {{"messages", bad}});
}

void recover_outbox(store_parts const& parts, recovery_sink const& sink)
{
    for (rows outbox{parts, column::outbox}; outbox.valid(); outbox.next()) {
        auto const id = key::parse_outbox(outbox.key());
        if (!id)
            damaged(parts, column::outbox);
        if (sink.outbox)
            sink.outbox({*id, std::string{outbox.value()}});
    }
}

// At most the bytes between two checkpoints: the step of retention.
std::uint64_t logged_after(store_parts const& parts, log_sequence position)
{
    std::uint64_t bytes = 0;
    auto const from = key::log(position + 1);
    auto const log = parts.data.iterate(column::log);
    for (log->Seek({from.view().data(), from.view().size()}); log->Valid(); log->Next())
        bytes += log->value().size();
    return bytes;
}

}  // namespace

void recover_bookkeeping(store_parts const& parts, losses& lost)
{
    for (rows meta{parts, column::meta}; meta.valid(); meta.next()) {
        if (auto const sequence = key::parse_suffix(meta.key(), key::checkpoint_prefix)) {
            auto const stored = decode_checkpoint(*sequence, meta.value());
            if (!stored)
                damaged(parts, column::meta);
            parts.retention.restore(*stored);
        } else if (auto const filter = key::parse_suffix(meta.key(), key::lost_prefix)) {
            auto stored = decode_losses(meta.value());
            if (!stored)
                damaged(parts, column::meta);
            lost.restore(filter_hash{*filter}, std::move(*stored));
        }
    }
    parts.retention.restore_end(parts.data.last_at_open(), logged_after(parts, parts.retention.restored()));
}

void recover_rows(store_parts const& parts, recovery_sink const& sink)
{
    recover_sessions(parts, sink);
    recover_groups(parts, sink);
    recover_retained(parts, sink);
    recover_outbox(parts, sink);
}

}  // namespace fulmar::storage
