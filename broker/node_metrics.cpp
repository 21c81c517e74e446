#include "broker/node_metrics.hpp"

#include <vector>

namespace fulmar {

namespace {

template <std::size_t Bounds>
void write_histogram(admin::metric_writer& out, std::string_view name, std::string_view help,
                     storage::histogram<Bounds> const& values, double unit)
{
    std::vector<double> bounds;
    for (auto const bound : values.bounds)
        bounds.push_back(static_cast<double>(bound) * unit);
    std::vector<std::uint64_t> counts;
    for (auto const& bucket : values.buckets)
        counts.push_back(bucket.load(std::memory_order_relaxed));
    out.histogram(name, help, {bounds, counts, static_cast<double>(values.sum.load(std::memory_order_relaxed)) * unit});
}

}  // namespace

void write_store_metrics(storage::durable_store const& store, admin::metric_writer& out)
{
    auto const& s = store.statistics();
    auto const count = [&](std::string_view name, std::string_view help,
                           storage::store_statistics::number const& value) {
        out.counter(name, help, static_cast<double>(value.load(std::memory_order_relaxed)));
    };
    auto const level = [&](std::string_view name, std::string_view help,
                           storage::store_statistics::number const& value) {
        out.gauge(name, help, static_cast<double>(value.load(std::memory_order_relaxed)));
    };
    write_histogram(out, "fulmar_store_commit_seconds", "Time to write and sync one batch", s.commit_us, 1e-6);
    write_histogram(out, "fulmar_store_batch_operations", "Operations in one batch", s.batch_ops, 1);
    count("fulmar_store_commits_total", "Batches written", s.commits);
    count("fulmar_store_syncs_total", "Batches written with a sync", s.syncs);
    count("fulmar_store_commit_failures_total", "Batches that could not be written", s.commit_failures);
    count("fulmar_store_operations_total", "Operations committed", s.operations);
    count("fulmar_store_records_total", "Messages added to the log", s.records);
    count("fulmar_store_record_bytes_total", "Bytes of the messages added to the log", s.record_bytes);
    count("fulmar_store_refused_full_total", "Operations refused because the disk is full", s.refused_full);
    count("fulmar_store_refused_failed_total", "Operations refused because the store failed", s.refused_failed);
    count("fulmar_store_pages_total", "Queue pages read", s.pages);
    count("fulmar_store_messages_read_total", "Messages read from the log", s.messages_read);
    count("fulmar_store_cache_hits_total", "Messages found in the message cache", s.cache_hits);
    count("fulmar_store_cache_misses_total", "Messages not found in the message cache", s.cache_misses);
    count("fulmar_store_corrupt_records_total", "Damaged records found and not delivered", s.corrupt_records);
    count("fulmar_store_trims_total", "Times the log was trimmed", s.trims);
    count("fulmar_store_lost_to_retention_total", "Messages that retention removed before they were read",
          s.messages_lost_to_retention);
    count("fulmar_store_resumes_total", "Recoveries from a full disk", s.resumes);
    level("fulmar_store_low_water", "Position up to which the log was trimmed", s.low_water);
    level("fulmar_store_last_sequence", "Position of the last logged message", s.last_sequence);
    level("fulmar_store_log_bytes", "Bytes of the log between low water and its end", s.log_bytes);
    level("fulmar_store_disk_bytes", "Bytes of all files of the database", s.disk_bytes);
    level("fulmar_store_free_bytes", "Free bytes of the file system", s.free_bytes);
}

}  // namespace fulmar
