// Reads one page of a session's queue: the merge, by position and without duplicates, of its filters' index streams.
//
// Every stream is entered by seeking to a position, never from its beginning, so what was trimmed costs nothing.
//
// Owner:    reader, one per thread.
// Threads:  that thread's.
// Limits:   one page: messages_max and bytes_max of the request.
// Cost:     one seek per filter and page, then a few hundred nanoseconds per message while its record is cached.
#pragma once

#include "storage/committer.hpp"
#include "storage/losses.hpp"

#include <vector>

namespace fulmar::storage {

class queue_scan
{
public:
    queue_scan(store_parts const& parts, losses const& lost) : parts_{parts}, lost_{lost} {}

    // `end` is what was committed when the read began.
    [[nodiscard]] broker::queue_page page(broker::queue_read const& request, broker::log_sequence end);

private:
    struct source
    {
        broker::queue_filter const* filter;
        std::string_view inner;  // what topics are matched with
        broker::filter_hash hash;
        broker::log_sequence from;
    };
    struct candidate
    {
        broker::log_sequence sequence;
        std::uint32_t source;
    };

    void find_sources(broker::queue_read const& request, broker::queue_page& page);
    void keep_newest(broker::queue_read const& request, broker::log_sequence end, broker::queue_page& page);
    void keep_newest_bytes(std::uint64_t most, broker::log_sequence end, broker::queue_page& page);
    [[nodiscard]] bool find_candidates(std::size_t limit, broker::log_sequence end);
    [[nodiscard]] bool keep_first(std::size_t limit);
    void fetch();
    [[nodiscard]] broker::message_ptr decode(broker::log_sequence sequence, rocksdb::Slice bytes);
    void fill(broker::queue_read const& request, broker::log_sequence end, bool all_found, broker::queue_page& page);
    [[nodiscard]] bool wanted(std::size_t first, std::size_t last, broker::message const& m) const;
    void count_missing(broker::log_sequence sequence, broker::queue_page& page) const;

    store_parts parts_;
    losses const& lost_;
    std::vector<source> sources_;
    std::vector<candidate> candidates_;             // by sequence
    std::vector<broker::logged_message> messages_;  // one per distinct sequence; null: not there
    bool failed_ = false;
};

}  // namespace fulmar::storage
