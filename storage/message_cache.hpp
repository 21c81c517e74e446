// Decoded messages by sequence, so that many sessions replaying one topic decode each record once.
//
// A table indexed by the low bits of the sequence: the committer fills it in order, so it holds the newest messages;
// readers add what they had to decode. When it is over its limit the slots are emptied round robin, oldest first.
//
// Owner:    rocks_store.
// Threads:  any; one lock per batch of look-ups or insertions.
// Limits:   `bytes_max` of message footprints plus 24 bytes per slot.
// Cost:     O(1) per message.
#pragma once

#include "broker/session_store.hpp"

#include <mutex>
#include <span>
#include <vector>

namespace fulmar::storage {

class message_cache
{
public:
    explicit message_cache(std::size_t bytes_max);

    void add(std::span<broker::logged_message const> messages);
    // Fills in the message of every entry that is here; the others keep a null message. Returns how many were found.
    std::size_t find(std::span<broker::logged_message> wanted) const;

private:
    static constexpr std::size_t slot_count = 32'768;

    mutable std::mutex mutex_;
    std::size_t const bytes_max_;
    std::size_t bytes_ = 0;
    std::size_t hand_ = 0;
    std::vector<broker::logged_message> slots_;
};

}  // namespace fulmar::storage
