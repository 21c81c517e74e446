#include "storage/batch_writer.hpp"

#include "storage/record.hpp"
#include "storage/row.hpp"

namespace fulmar::storage {

using namespace broker;

namespace {

constexpr std::size_t buffer_bytes_kept = std::size_t{4} << 20;

rocksdb::Slice slice(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace

bool batch_writer::logs(store_op const& op) noexcept
{
    auto const* publish = std::get_if<publish_op>(&op.what);
    return publish != nullptr && !publish->filters.empty();
}

void batch_writer::clear()
{
    if (batch_.GetDataSize() > buffer_bytes_kept)
        batch_ = rocksdb::WriteBatch{};
    else
        batch_.Clear();
    if (record_.capacity() > buffer_bytes_kept)
        record_ = {};
    record_bytes_ = 0;
    cursors_.clear();
    inflight_.clear();
    groups_.clear();
}

void batch_writer::add(store_op const& op, log_sequence sequence)
{
    if (auto const* publish = std::get_if<publish_op>(&op.what))
        return apply(*publish, sequence);
    std::visit(
        [this](auto const& what) {
            if constexpr (!std::is_same_v<std::decay_t<decltype(what)>, publish_op>)
                apply(what);
        },
        op.what);
}

void batch_writer::add(housekeeping const& own)
{
    if (own.low_water)
        put(column::meta, key::low_water, key::number(*own.low_water).view());
    for (auto const& [name, value] : own.meta_puts)
        put(column::meta, name, value);
    for (auto const& name : own.meta_erases)
        erase(column::meta, name);
    for (auto const& [where, row] : own.row_erases)
        erase(where, row);
}

rocksdb::WriteBatch& batch_writer::finish()
{
    for (auto const& [id, cursor] : cursors_) {
        auto const row = key::session(id);
        if (cursor)
            put(column::cursors, row.view(), key::number(*cursor).view());
        else
            erase(column::cursors, row.view());
    }
    for (auto const& [entry, record] : inflight_) {
        auto const row = key::inflight(entry);
        if (record)
            put(column::inflight, row.view(), encode_inflight(*record));
        else
            erase(column::inflight, row.view());
    }
    for (auto const& [hash, op] : groups_) {
        auto const row = key::group(hash);
        if (op->erase)
            erase(column::groups, row.view());
        else
            put(column::groups, row.view(), encode_group(op->filter, op->cursor));
    }
    return batch_;
}

void batch_writer::apply(publish_op const& op, log_sequence sequence)
{
    auto const& m = *op.message;
    auto const logged = !op.filters.empty();
    auto const removes = op.retain && m.payload().empty();
    if (logged || (op.retain && !removes))
        encode_record(m, record_);
    if (logged) {
        put(column::log, key::log(sequence).view(), record_);
        record_bytes_ += record_.size();
        auto const size = key::size(record_.size());
        for (auto const filter : op.filters)
            put(column::index, key::index(filter, sequence).view(), size.view());
    }
    if (removes)
        erase(column::retained, key::retained(m.app, m.topic()));
    else if (op.retain)
        put(column::retained, key::retained(m.app, m.topic()), record_);
    if (op.received_by != session_id{})
        inflight_[{op.received_by, true, op.received_id}] =
            inflight_record{op.received_id, inflight_state::received, qos::exactly_once, 0, {}};
}

void batch_writer::apply(put_session_op const& op)
{
    put(column::sessions, key::session(op.record.id).view(), encode_session(op.record));
}

// Its subscriptions and in-flight records are only remains without this row; maintenance erases them (session
// identifiers are never used again).
void batch_writer::apply(erase_session_op const& op)
{
    erase(column::sessions, key::session(op.id).view());
    cursors_[op.id] = std::nullopt;
}

void batch_writer::apply(put_subscription_op const& op)
{
    put(column::subscriptions, key::subscription(op.id, op.what.filter), encode_subscription(op.what));
}

void batch_writer::apply(erase_subscription_op const& op)
{
    erase(column::subscriptions, key::subscription(op.id, op.filter));
}

void batch_writer::apply(cursor_op const& op) { cursors_[op.id] = op.cursor; }

void batch_writer::apply(put_inflight_op const& op)
{
    inflight_[{op.id, op.record.state == inflight_state::received, op.record.id}] = op.record;
}

void batch_writer::apply(erase_inflight_op const& op) { inflight_[{op.id, op.incoming, op.packet}] = std::nullopt; }

void batch_writer::apply(group_cursor_op const& op) { groups_[op.group] = &op; }

void batch_writer::apply(erase_retained_op const& op) { erase(column::retained, key::retained(op.app, op.topic)); }

void batch_writer::apply(put_outbox_op const& op) { put(column::outbox, key::number(op.id).view(), op.row); }

void batch_writer::apply(erase_outbox_op const& op) { erase(column::outbox, key::number(op.id).view()); }

void batch_writer::put(column where, std::string_view key, std::string_view value)
{
    auto const status = batch_.Put(database_.at(where), slice(key), slice(value));
    FULMAR_ASSERT(status.ok());  // memory only: fails for keys of 4 GiB
}

void batch_writer::erase(column where, std::string_view key)
{
    auto const status = batch_.Delete(database_.at(where), slice(key));
    FULMAR_ASSERT(status.ok());
}

}  // namespace fulmar::storage
