// Which part of the log is too old or too much, known from checkpoints: where the log stood, when, after how many bytes.
//
// Owner:    rocks_store.
// Threads:  note and confirm by the committer, the rest by the maintenance thread; one lock.
// Limits:   a few hundred checkpoints: one per 1/64 of the allowed bytes or age.
#pragma once

#include "storage/row.hpp"
#include "storage/settings.hpp"

#include <deque>
#include <mutex>
#include <optional>
#include <vector>

namespace fulmar::storage {

class retention
{
public:
    explicit retention(store_settings const& settings);

    // From the database, in order; then where the log ends, and the bytes of what was logged after restored().
    void restore(checkpoint const& stored);
    [[nodiscard]] broker::log_sequence restored() const;
    void restore_end(broker::log_sequence last, std::uint64_t bytes);

    // The log grew by `bytes` to `last`: the checkpoint that should be written with it, if one is due.
    [[nodiscard]] std::optional<checkpoint> note(broker::log_sequence last, std::uint64_t bytes, broker::wall_ms now);
    void confirm(checkpoint const& written);

    // Everything at or before this position is past its age or over the bytes.
    [[nodiscard]] broker::log_sequence exceeded(broker::wall_ms now) const;
    // Everything at or before this position is at least `age_ms` old.
    [[nodiscard]] broker::log_sequence older_than(std::uint64_t age_ms, broker::wall_ms now) const;
    // Forgets checkpoints that lie before `low_water`; returns those whose rows are to be erased.
    [[nodiscard]] std::vector<broker::log_sequence> forget(broker::log_sequence low_water);
    // Approximate bytes of the records after `low_water`.
    [[nodiscard]] std::uint64_t bytes_after(broker::log_sequence low_water) const;

private:
    std::uint64_t const age_ms_;
    std::uint64_t const bytes_max_;
    std::uint64_t const bytes_step_;
    std::uint64_t const age_step_ms_;

    mutable std::mutex mutex_;
    std::deque<checkpoint> checkpoints_;  // by sequence
    checkpoint end_;                      // where the log is now
};

}  // namespace fulmar::storage
