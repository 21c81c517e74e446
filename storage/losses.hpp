// What retention took from each filter before everybody had read it, so that a reader can be told of its gap.
//
// Owner:    rocks_store.
// Threads:  any; one lock.
// Limits:   losses_per_filter entries per filter that ever lost something to a reader that is still behind.
#pragma once

#include "storage/row.hpp"

#include <mutex>
#include <unordered_map>

namespace fulmar::storage {

class losses
{
public:
    static constexpr std::size_t losses_per_filter = 8;

    void restore(broker::filter_hash filter, std::vector<loss> stored);
    // Adds one and returns the filter's list, to be written.
    [[nodiscard]] std::vector<loss> add(broker::filter_hash filter, loss what);
    // Forgets filters nobody is behind on (by `lowest`); returns them, so that their rows are erased.
    [[nodiscard]] std::vector<broker::filter_hash> forget(broker::log_sequence lowest);

    // Messages of the filter that were lost after `position`: exact unless a loss began before it, then at most that many.
    [[nodiscard]] std::uint64_t after(broker::filter_hash filter, broker::log_sequence position) const;
    [[nodiscard]] bool empty() const;

private:
    mutable std::mutex mutex_;
    std::unordered_map<broker::filter_hash, std::vector<loss>> by_filter_;
};

}  // namespace fulmar::storage
