#include "storage/survey.hpp"

#include "storage/database.hpp"
#include "storage/key.hpp"
#include "storage/record.hpp"
#include "storage/row.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

namespace fulmar::storage {

using namespace broker;

namespace {

constexpr log_sequence positions_max = std::uint64_t{1} << 32;  // half a gigabyte of bits, each way

std::string_view view(rocksdb::Slice slice) { return {slice.data(), slice.size()}; }

class surveyor
{
public:
    using damaged_row = std::function<void(rocksdb::ColumnFamilyHandle*, rocksdb::Slice)>;

    surveyor(surveyed_database const& database, store_report& report, damaged_row const& on_damaged)
        : database_{database}, report_{report}, on_damaged_{on_damaged}
    {
    }

    bool run()
    {
        read_everything();
        if (report_.furthest > report_.last)
            report_.problem(
                fmt::format("a session has read up to position {}, but the log ends at {}: its end is missing",
                            report_.furthest, report_.last));
        return readable_;
    }

private:
    void read_everything()
    {
        read_meta();
        read_log();
        read_index();
        read_sessions();
        read_rows_of_sessions();
        each_row(column::retained, report_.retained, [](std::string_view row_key, std::string_view value) {
            auto const m = decode_record({value.data(), value.size()});
            return m && key::retained((*m)->app, (*m)->topic()) == row_key;
        });
        each_row(column::groups, report_.groups, [](std::string_view row_key, std::string_view value) {
            auto const hash = key::parse_group(row_key);
            return hash && decode_group(*hash, value).has_value();
        });
        each_row(column::outbox, report_.outbox,
                 [](std::string_view row_key, std::string_view) { return key::parse_outbox(row_key).has_value(); });
    }

    // Calls `sound` for every row; a row of which it says no is damaged.
    template <class Sound>
    void each_row(column where, std::uint64_t& counted, Sound&& sound)
    {
        rocksdb::ReadOptions options;
        options.fill_cache = false;
        options.readahead_size = std::size_t{1} << 20;
        auto* const handle = handle_of(where);
        std::unique_ptr<rocksdb::Iterator> const rows{database_.db.NewIterator(options, handle)};
        for (rows->SeekToFirst(); rows->Valid(); rows->Next()) {
            ++counted;
            if (sound(view(rows->key()), view(rows->value())))
                continue;
            ++report_.damaged_rows;
            report_.problem(
                fmt::format("a row of {} is damaged ({})", to_string(where), name_of(where, view(rows->key()))));
            if (on_damaged_)
                on_damaged_(handle, rows->key());
        }
        if (rows->status().ok())
            return;
        readable_ = false;
        report_.problem(fmt::format("{} cannot be read to its end: {}", to_string(where), rows->status().ToString()));
    }

    [[nodiscard]] rocksdb::ColumnFamilyHandle* handle_of(column which) const
    {
        return database_.columns[static_cast<std::size_t>(which)];
    }

    static std::string name_of(column where, std::string_view row_key)
    {
        if (where == column::log)
            if (auto const sequence = key::parse_log(row_key))
                return fmt::format("log position {}", *sequence);
        if (where == column::retained && row_key.size() > 4)
            return fmt::format("a topic of {} bytes", row_key.size() - 4);
        if (auto const id = key::parse_session(row_key))
            return fmt::format("{:016x}", static_cast<std::uint64_t>(*id));
        return "unknown key";
    }

    void read_meta()
    {
        std::uint64_t ignored = 0;
        each_row(column::meta, ignored, [&](std::string_view row_key, std::string_view value) {
            if (row_key == key::low_water) {
                auto const low_water = key::parse_number(value);
                report_.low_water = low_water.value_or(0);
                return low_water.has_value();
            }
            if (row_key == key::log_end)
                report_.last = key::parse_number(value).value_or(0);
            if (auto const sequence = key::parse_suffix(row_key, key::checkpoint_prefix))
                return decode_checkpoint(*sequence, value).has_value();
            if (key::parse_suffix(row_key, key::lost_prefix))
                return decode_losses(value).has_value();
            return true;
        });
    }

    void read_log()
    {
        each_row(column::log, report_.records, [&](std::string_view row_key, std::string_view value) {
            auto const sequence = key::parse_log(row_key);
            if (!sequence || !decode_record({value.data(), value.size()}))
                return false;
            report_.record_bytes += value.size();
            report_.last = std::max(report_.last, *sequence);
            mark(*sequence);
            return true;
        });
        report_.last = std::max(report_.last, report_.low_water);
    }

    void read_index()
    {
        std::vector<bool> told;
        each_row(column::index, report_.index_entries, [&](std::string_view row_key, std::string_view) {
            auto const entry = key::parse_index(row_key);
            if (!entry)
                return false;
            if (entry->sequence <= report_.low_water || marked(entry->sequence))
                return true;
            if (on_damaged_)
                on_damaged_(handle_of(column::index), {row_key.data(), row_key.size()});
            auto const at = entry->sequence - report_.low_water;
            if (at < positions_max) {
                if (told.size() <= at)
                    told.resize(at + 1);
                if (told[at])
                    return true;
                told[at] = true;
            }
            ++report_.missing_records;
            report_.problem(fmt::format("log position {} is missing; sessions are told of a gap", entry->sequence));
            return true;
        });
    }

    void read_sessions()
    {
        each_row(column::sessions, report_.sessions, [&](std::string_view row_key, std::string_view value) {
            auto const id = key::parse_session(row_key);
            if (!id || row_key.size() != 8 || !decode_session(*id, value))
                return false;
            sessions_.push_back(*id);
            return true;
        });
    }

    void read_rows_of_sessions()
    {
        each_row(column::subscriptions, report_.subscriptions, [&](std::string_view row_key, std::string_view value) {
            belongs(row_key);
            auto const filter = key::subscription_filter(row_key);
            return !filter.empty() && decode_subscription(filter, value).has_value();
        });
        each_row(column::cursors, report_.cursors, [&](std::string_view row_key, std::string_view value) {
            belongs(row_key);
            auto const cursor = key::parse_number(value);
            report_.furthest = std::max(report_.furthest, cursor.value_or(0));
            return cursor.has_value();
        });
        each_row(column::inflight, report_.inflight, [&](std::string_view row_key, std::string_view value) {
            belongs(row_key);
            auto const entry = key::parse_inflight(row_key);
            return entry && decode_inflight(entry->packet, value).has_value();
        });
    }

    void belongs(std::string_view row_key)
    {
        auto const id = key::parse_session(row_key);
        if (id && !std::binary_search(sessions_.begin(), sessions_.end(), *id))
            ++report_.remains;
    }

    void mark(log_sequence sequence)
    {
        if (sequence <= report_.low_water || sequence - report_.low_water >= positions_max)
            return;
        auto const at = sequence - report_.low_water;
        if (present_.size() <= at)
            present_.resize(std::max<std::size_t>(at + 1, present_.size() * 2));
        present_[at] = true;
    }

    [[nodiscard]] bool marked(log_sequence sequence) const
    {
        auto const at = sequence - report_.low_water;
        return at < present_.size() && present_[at];
    }

    surveyed_database const& database_;
    store_report& report_;
    damaged_row const& on_damaged_;
    std::vector<bool> present_;         // by position after the low water
    std::vector<session_id> sessions_;  // in key order: sorted
    bool readable_ = true;
};

}  // namespace

bool survey(surveyed_database const& database, store_report& report,
            std::function<void(rocksdb::ColumnFamilyHandle*, rocksdb::Slice)> const& on_damaged)
{
    return surveyor{database, report, on_damaged}.run();
}

}  // namespace fulmar::storage
