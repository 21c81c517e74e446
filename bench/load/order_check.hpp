// Checks one receiver's stream from one publisher: nothing missing, nothing twice, nothing out of order.
//
// Cost: one comparison per message while all is well.
#pragma once

#include <cstdint>
#include <set>

namespace fulmar::load {

// Sums over all streams of a run.
struct order_faults
{
    std::uint64_t missing = 0;  // skipped and not seen later
    std::uint64_t duplicates = 0;
    std::uint64_t reordered = 0;  // seen after a later one
    std::uint64_t corrupt = 0;    // payload is not what was sent
};

class stream_check
{
public:
    enum class verdict : std::uint8_t { expected, early, late, duplicate };

    // The next message of the stream has this number.
    verdict note(std::uint64_t sequence, order_faults& faults)
    {
        if (sequence == next_) {
            ++next_;
            return verdict::expected;
        }
        return note_unexpected(sequence, faults);
    }

    // Counts what was published up to `end` and never came.
    void finish(std::uint64_t end, order_faults& faults)
    {
        if (end > next_) {
            faults.missing += end - next_;
            next_ = end;
        }
    }

    [[nodiscard]] std::uint64_t next() const noexcept { return next_; }

private:
    verdict note_unexpected(std::uint64_t sequence, order_faults& faults)
    {
        if (sequence > next_) {
            faults.missing += sequence - next_;
            for (auto i = next_; i < sequence && skipped_.size() < skipped_max; ++i)
                skipped_.insert(i);
            next_ = sequence + 1;
            return verdict::early;
        }
        if (skipped_.erase(sequence) == 1) {
            --faults.missing;
            ++faults.reordered;
            return verdict::late;
        }
        ++faults.duplicates;
        return verdict::duplicate;
    }

    static constexpr std::size_t skipped_max = 10'000;  // beyond it a late message counts as missing and duplicate
    std::uint64_t next_ = 0;
    std::set<std::uint64_t> skipped_;
};

}  // namespace fulmar::load
