#include "storage/retention.hpp"

#include <algorithm>

namespace fulmar::storage {

using namespace broker;

namespace {

constexpr std::uint64_t checkpoints_per_limit = 64;
constexpr std::uint64_t step_bytes_max = std::uint64_t{64} << 20;
constexpr std::uint64_t step_ms_max = 600'000;

std::uint64_t step_of(std::uint64_t limit, std::uint64_t smallest, std::uint64_t largest)
{
    return limit == 0 ? largest : std::clamp(limit / checkpoints_per_limit, smallest, largest);
}

}  // namespace

retention::retention(store_settings const& settings)
    : age_ms_{settings.retention_age_s * 1000},
      bytes_max_{settings.retention_bytes},
      bytes_step_{step_of(settings.retention_bytes, 1, step_bytes_max)},
      age_step_ms_{step_of(settings.retention_age_s * 1000, 1, step_ms_max)}
{
}

void retention::restore(checkpoint const& stored)
{
    std::lock_guard const lock{mutex_};
    checkpoints_.push_back(stored);
    end_ = stored;
}

void retention::restore_end(log_sequence last, std::uint64_t bytes)
{
    std::lock_guard const lock{mutex_};
    if (last > end_.sequence)
        end_ = {last, end_.committed_at, end_.record_bytes + bytes};
}

log_sequence retention::restored() const
{
    std::lock_guard const lock{mutex_};
    return end_.sequence;
}

std::optional<checkpoint> retention::note(log_sequence last, std::uint64_t bytes, wall_ms now)
{
    std::lock_guard const lock{mutex_};
    end_ = {last, now, end_.record_bytes + bytes};
    if (!checkpoints_.empty() && end_.record_bytes - checkpoints_.back().record_bytes < bytes_step_ &&
        now - std::min(now, checkpoints_.back().committed_at) < age_step_ms_)
        return std::nullopt;
    return end_;
}

void retention::confirm(checkpoint const& written)
{
    std::lock_guard const lock{mutex_};
    checkpoints_.push_back(written);
}

log_sequence retention::exceeded(wall_ms now) const
{
    std::lock_guard const lock{mutex_};
    log_sequence upto = 0;
    for (auto const& at : checkpoints_) {
        auto const too_old = age_ms_ != 0 && at.committed_at + age_ms_ <= now;
        auto const too_much = bytes_max_ != 0 && end_.record_bytes - at.record_bytes >= bytes_max_;
        if (!too_old && !too_much)
            break;
        upto = at.sequence;
    }
    return upto;
}

log_sequence retention::older_than(std::uint64_t age_ms, wall_ms now) const
{
    std::lock_guard const lock{mutex_};
    log_sequence upto = 0;
    for (auto const& at : checkpoints_)
        if (at.committed_at + age_ms <= now)
            upto = at.sequence;
    return upto;
}

std::vector<log_sequence> retention::forget(log_sequence low_water)
{
    std::lock_guard const lock{mutex_};
    std::vector<log_sequence> gone;
    // The newest one at or before the low water stays: it tells how many bytes there were.
    while (checkpoints_.size() > 1 && checkpoints_[1].sequence <= low_water) {
        gone.push_back(checkpoints_.front().sequence);
        checkpoints_.pop_front();
    }
    return gone;
}

std::uint64_t retention::bytes_after(log_sequence low_water) const
{
    std::lock_guard const lock{mutex_};
    if (low_water >= end_.sequence)
        return 0;
    checkpoint before;
    auto after = end_;
    for (auto const& at : checkpoints_)
        if (at.sequence <= low_water)
            before = at;
        else {
            after = at;
            break;
        }
    if (before.sequence == 0 && low_water == 0)
        return end_.record_bytes;
    // Within a step the bytes are taken as evenly spread.
    auto const part = static_cast<double>(low_water - before.sequence) /
                      static_cast<double>(std::max<log_sequence>(1, after.sequence - before.sequence));
    auto const gone =
        static_cast<double>(before.record_bytes) + part * static_cast<double>(after.record_bytes - before.record_bytes);
    return end_.record_bytes - std::min(end_.record_bytes, static_cast<std::uint64_t>(gone));
}

}  // namespace fulmar::storage
