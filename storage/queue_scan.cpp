#include "storage/queue_scan.hpp"

#include "broker/log.hpp"
#include "broker/topic.hpp"
#include "storage/key.hpp"
#include "storage/record.hpp"

#include <algorithm>
#include <bit>
#include <functional>

namespace fulmar::storage {

using namespace broker;

namespace {

constexpr std::size_t candidates_slack = 4;  // raw entries kept per wanted message before duplicates are dropped
constexpr int steps_before_seek = 16;        // walking this far costs less than a seek

rocksdb::Slice slice(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace

queue_page queue_scan::page(queue_read const& request, log_sequence end)
{
    queue_page page;
    page.ticket = request.ticket;
    end = std::min(end, request.upto);
    page.reached = request.after;
    failed_ = false;
    candidates_.clear();
    messages_.clear();
    auto const use = parts_.data.in_use();
    if (!parts_.data.is_open()) {
        page.error = errc::store_full;
        return page;
    }
    find_sources(request, page);
    keep_newest(request, end, page);
    auto const all_found = find_candidates(std::max<std::size_t>(1, request.messages_max), end);
    if (!failed_)
        fetch();
    if (failed_) {
        page.error = errc::store_failed;
        page.gap = 0;
        return page;
    }
    fill(request, end, all_found, page);
    return page;
}

// Where each stream begins for this reader, and whether retention took something that lay after that.
void queue_scan::find_sources(queue_read const& request, queue_page& page)
{
    sources_.clear();
    auto const low_water = parts_.data.low_water().load();
    auto const may_have_lost = !lost_.empty();
    for (auto const& each : request.filters) {
        auto const shared = parse_shared(each.filter);
        auto const hash = each.history ? hash_history(each.app, each.filter) : hash_filter(each.app, each.filter);
        auto const position = std::max(request.after, each.begin);
        sources_.push_back(
            {&each, shared ? shared->filter : std::string_view{each.filter}, hash, std::max(position, low_water)});
        if (may_have_lost && position < low_water)
            page.gap += lost_.after(hash, position);
    }
    if (page.gap > 0)
        page.reached = std::max(page.reached, low_water);
}

// Moves the beginning of every stream so far up that about newest_max messages are left, and counts the others. A message that
// several streams name counts once for each.
void queue_scan::keep_newest(queue_read const& request, log_sequence end, queue_page& page)
{
    if (request.newest_bytes_max != 0)
        keep_newest_bytes(request.newest_bytes_max, end, page);
    auto const most = request.newest_max;
    auto const first = std::min_element(sources_.begin(), sources_.end(),
                                        [](source const& a, source const& b) { return a.from < b.from; });
    if (most == 0 || first == sources_.end() || end <= first->from || end - first->from <= most)
        return;
    std::vector<log_sequence> newest;
    std::uint64_t total = 0;
    auto const cut = [&] {
        if (newest.size() <= most)
            return;
        std::nth_element(newest.begin(), newest.begin() + static_cast<std::ptrdiff_t>(most) - 1, newest.end(),
                         std::greater<>{});
        newest.resize(most);
    };
    auto const index = parts_.data.iterate(column::index);
    for (auto const& each : sources_) {
        for (index->SeekForPrev(slice(key::index(each.hash, end).view())); index->Valid(); index->Prev()) {
            auto const entry = key::parse_index({index->key().data(), index->key().size()});
            if (!entry || entry->filter != each.hash || entry->sequence <= each.from)
                break;
            ++total;
            newest.push_back(entry->sequence);
            if (newest.size() > 2 * most)
                cut();
        }
    }
    if (total <= most)
        return;
    cut();
    auto const begin = *std::min_element(newest.begin(), newest.end()) - 1;
    for (auto& each : sources_)
        each.from = std::max(each.from, begin);
    page.reached = std::max(page.reached, begin);
    page.skipped = total - newest.size();
}

// The same by bytes, for each stream: index entries carry the size of their record.
void queue_scan::keep_newest_bytes(std::uint64_t most, log_sequence end, queue_page& page)
{
    auto const index = parts_.data.iterate(column::index);
    for (auto& each : sources_) {
        std::uint64_t bytes = 0;
        std::uint64_t kept = 0;
        for (index->SeekForPrev(slice(key::index(each.hash, end).view())); index->Valid(); index->Prev()) {
            auto const entry = key::parse_index({index->key().data(), index->key().size()});
            if (!entry || entry->filter != each.hash || entry->sequence <= each.from)
                break;
            bytes += key::parse_size({index->value().data(), index->value().size()});
            if (bytes > most && kept > 0) {
                each.from = entry->sequence;
                page.reached = std::max(page.reached, entry->sequence);
                ++page.skipped;  // and what lies before it
                break;
            }
            ++kept;
        }
    }
}

// Collects the first `limit` distinct positions of all streams. False: there are more.
bool queue_scan::find_candidates(std::size_t limit, log_sequence end)
{
    rocksdb::ReadOptions options;
    options.async_io = false;
    auto const index = parts_.data.iterate(column::index, options);
    auto last_wanted = end;
    auto complete = true;
    for (std::uint32_t i = 0; i < sources_.size(); ++i) {
        auto const& from = sources_[i];
        if (from.from >= last_wanted)
            continue;
        std::size_t taken = 0;
        for (index->Seek(slice(key::index(from.hash, from.from + 1).view())); index->Valid(); index->Next()) {
            auto const entry = key::parse_index({index->key().data(), index->key().size()});
            if (!entry || entry->filter != from.hash || entry->sequence > last_wanted)
                break;
            // Each stream alone gives `limit` distinct positions; what follows cannot be among the first.
            if (++taken > limit) {
                complete = false;
                break;
            }
            candidates_.push_back({entry->sequence, i});
        }
        if (!index->status().ok()) {
            log_error("the index of the log cannot be read; run 'fulmar store check'",
                      {{"reason", index->status().ToString()}});
            failed_ = true;
            return false;
        }
        if (candidates_.size() > limit * candidates_slack || i + 1 == sources_.size())
            if (!keep_first(limit)) {
                complete = false;
                last_wanted = candidates_.back().sequence;
            }
    }
    return keep_first(limit) && complete;
}

// Sorts and cuts to `limit` distinct positions. False: something was cut.
bool queue_scan::keep_first(std::size_t limit)
{
    auto const before = [](candidate const& a, candidate const& b) {
        return a.sequence != b.sequence ? a.sequence < b.sequence : a.source < b.source;
    };
    if (!std::is_sorted(candidates_.begin(), candidates_.end(), before))
        std::sort(candidates_.begin(), candidates_.end(), before);
    if (candidates_.size() <= limit)
        return true;
    std::size_t distinct = 0;
    for (std::size_t i = 0; i < candidates_.size(); ++i)
        if ((i == 0 || candidates_[i].sequence != candidates_[i - 1].sequence) && ++distinct > limit) {
            candidates_.resize(i);
            return false;
        }
    return true;
}

// The messages of the candidates: from the cache, the others by walking the log.
void queue_scan::fetch()
{
    for (auto const& each : candidates_)
        if (messages_.empty() || messages_.back().sequence != each.sequence)
            messages_.push_back({each.sequence, nullptr});
    auto const hits = parts_.cache.find(messages_);
    parts_.statistics.cache_hits += hits;
    parts_.statistics.cache_misses += messages_.size() - hits;
    if (hits == messages_.size())
        return;

    std::vector<logged_message> decoded;
    auto const log = parts_.data.iterate(column::log);
    auto positioned = false;
    for (auto& each : messages_) {
        if (each.message)
            continue;
        auto const wanted = key::log(each.sequence);
        for (int step = 0;
             positioned && step < steps_before_seek && log->Valid() && log->key().compare(slice(wanted.view())) < 0;
             ++step)
            log->Next();
        if (!positioned || !log->Valid() || log->key().compare(slice(wanted.view())) != 0)
            log->Seek(slice(wanted.view()));
        positioned = log->Valid();
        if (positioned && log->key().compare(slice(wanted.view())) == 0)
            each.message = decode(each.sequence, log->value());
        if (each.message)
            decoded.push_back(each);
    }
    parts_.cache.add(decoded);
}

message_ptr queue_scan::decode(log_sequence sequence, rocksdb::Slice bytes)
{
    auto decoded = decode_record({bytes.data(), bytes.size()});
    if (decoded)
        return std::move(*decoded);
    log_debug("a log record does not decode", {{"position", sequence}});
    return nullptr;
}

void queue_scan::fill(queue_read const& request, log_sequence end, bool all_found, queue_page& page)
{
    auto const now = parts_.clock.wall();
    std::size_t bytes = 0;
    std::size_t first = 0;
    for (auto& each : messages_) {
        auto last = first;
        while (last < candidates_.size() && candidates_[last].sequence == each.sequence)
            ++last;
        if (!each.message)
            count_missing(each.sequence, page);
        else if (wanted(first, last, *each.message)) {
            if (!request.include_expired && each.message->expired(now))
                ++page.expired;
            else {
                auto const footprint = each.message->footprint();
                if (bytes > 0 && bytes + footprint > request.bytes_max)
                    return;
                bytes += footprint;
                page.messages.push_back(std::move(each));
            }
        }
        page.reached = std::max(page.reached, candidates_[first].sequence);
        first = last;
    }
    if (all_found) {
        page.reached = std::max(page.reached, end);
        page.complete = true;
    }
}

// Two filters with one hash share a stream: the topic tells them apart.
bool queue_scan::wanted(std::size_t first, std::size_t last, message const& m) const
{
    for (auto i = first; i < last; ++i) {
        auto const& from = sources_[candidates_[i].source];
        if (from.filter->app == m.app && (from.inner == m.topic() || matches(from.inner, m.topic())))
            return true;
    }
    return false;
}

// The index names it and the log does not have it: trimmed since the page was begun, or damaged.
void queue_scan::count_missing(log_sequence sequence, queue_page& page) const
{
    ++page.gap;
    if (sequence <= parts_.data.low_water().load())
        return;
    auto const count = ++parts_.statistics.corrupt_records;
    if (std::has_single_bit(count))
        log_error("a log record is damaged or missing and is not delivered; run 'fulmar store check'",
                  {{"position", sequence}, {"so_far", count}});
}

}  // namespace fulmar::storage
