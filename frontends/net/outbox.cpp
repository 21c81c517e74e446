#include "frontends/net/outbox.hpp"

#include "broker/errors.hpp"

#include <algorithm>
#include <array>

namespace fulmar::net {
namespace {

constexpr std::size_t compact_bytes_min = 16 * 1024;
constexpr std::size_t pieces_kept_max = 8;

auto& outbox_full(broker::shard_metrics& metrics)
{
    return metrics.dropped[static_cast<std::size_t>(broker::drop_reason::outbox_full)];
}

std::size_t frame_begin(broker::frame_run const& run, std::size_t frame)
{
    return frame == 0 ? 0 : run.frame_ends[frame - 1];
}

}  // namespace

void outbox::append(std::string_view head, std::string_view tail, std::shared_ptr<void const> keep)
{
    append_owned(head.data(), head.size());
    if (keep == nullptr || tail.size() < keep_bytes_min) {
        append_owned(tail.data(), tail.size());
        return;
    }
    segments_.push_back({.what = kind::kept, .size = tail.size(), .source = tail.data(), .keep = std::move(keep)});
    waiting_ += tail.size();
}

void outbox::append_shared(std::string_view bytes, std::shared_ptr<void const> keep)
{
    if (!bytes.empty()) {
        segments_.push_back(
            {.what = kind::shared, .size = bytes.size(), .source = bytes.data(), .keep = std::move(keep)});
        shared_ += bytes.size();
    }
}

void outbox::append_owned(char const* bytes, std::size_t size)
{
    if (size == 0) {
        return;
    }
    auto const offset = bytes_.size();
    bytes_.insert(bytes_.end(), bytes, bytes + size);
    waiting_ += size;
    if (!empty()) {
        auto& last = segments_.back();
        if (last.what == kind::owned && last.offset + last.size == offset) {
            last.size += size;
            return;
        }
    }
    segments_.push_back({.what = kind::owned, .offset = offset, .size = size});
}

void outbox::append_run(broker::frame_run const& run, std::uint32_t first_byte, std::uint32_t first_frame)
{
    segments_.push_back({.what = kind::run, .first_frame = first_frame, .offset = first_byte, .source = &run});
    has_runs_ = true;
}

std::string_view outbox::view(segment const& s) const noexcept
{
    switch (s.what) {
    case kind::owned: return {bytes_.data() + s.offset, s.size};
    case kind::kept:
    case kind::shared: return {static_cast<char const*>(s.source) + s.offset, s.size};
    case kind::run: break;
    }
    auto const& run = *static_cast<broker::frame_run const*>(s.source);
    return {run.bytes.data() + s.offset, run.bytes.size() - s.offset};
}

io_status outbox::flush(stream to, std::size_t limit, broker::shard_metrics& metrics)
{
    auto const status = blocked_ ? io_status::would_block : write_segments(to, metrics);
    if (status == io_status::would_block) {
        if (has_runs_) {
            absorb_runs(limit, metrics);
        }
        if (bytes_.size() > 2 * waiting_ + compact_bytes_min) {
            compact();
        }
    }
    report(metrics);
    return status;
}

io_status outbox::write_segments(stream to, broker::shard_metrics& metrics)
{
    std::array<iovec, pieces_max> pieces;
    while (!empty() || to.holds_unsent()) {
        std::size_t count = 0;
        std::size_t wanted = 0;
        for (auto i = first_; i < segments_.size() && count < pieces_max; ++i) {
            auto const bytes = view(segments_[i]);
            if (bytes.empty()) {
                continue;
            }
            pieces[count++] = {const_cast<char*>(bytes.data()), bytes.size()};
            wanted += bytes.size();
        }
        if (count == 0 && !to.holds_unsent()) {
            break;
        }
        auto const sent = to.write({pieces.data(), count});
        metrics.sends.add();
        metrics.bytes_out.add(sent.bytes);
        if (sent.status == io_status::failed) {
            return io_status::failed;
        }
        consume(sent.bytes, metrics);
        if (sent.status == io_status::would_block || sent.bytes < wanted) {
            metrics.sends_short.add();
            blocked_ = true;
            return io_status::would_block;
        }
    }
    forget_all();
    return io_status::done;
}

void outbox::consume(std::size_t sent, broker::shard_metrics& metrics)
{
    for (; first_ < segments_.size(); ++first_) {
        auto& s = segments_[first_];
        auto const size = view(s).size();
        auto const part = std::min(size, sent);
        sent -= part;
        s.offset += part;
        if (s.what != kind::run) {
            s.size -= part;
            (s.what == kind::shared ? shared_ : waiting_) -= part;
        }
        if (part < size) {
            return;
        }
        if (s.what == kind::run) {
            auto const frames = static_cast<broker::frame_run const*>(s.source)->frame_ends.size();
            metrics.messages_out[0].add(frames - s.first_frame);
        }
        s.keep.reset();
    }
}

void outbox::absorb_runs(std::size_t limit, broker::shard_metrics& metrics)
{
    for (auto i = first_; i < segments_.size(); ++i) {
        if (segments_[i].what == kind::run) {
            absorb(segments_[i], limit, metrics);
        }
    }
    has_runs_ = false;
}

// Copies what is left of a run: a frame that is partly sent, and as many whole frames as the limit allows.
void outbox::absorb(segment& s, std::size_t limit, broker::shard_metrics& metrics)
{
    auto const& run = *static_cast<broker::frame_run const*>(s.source);
    auto const& ends = run.frame_ends;
    auto const frame_after = [&ends](std::size_t from, std::size_t position) {
        return static_cast<std::size_t>(
            std::upper_bound(ends.begin() + static_cast<std::ptrdiff_t>(from), ends.end(), position) - ends.begin());
    };
    auto const current = frame_after(s.first_frame, s.offset);
    auto const begun = s.offset != frame_begin(run, current);
    auto const room = limit > waiting_ ? limit - waiting_ : 0;
    auto const kept = std::max(current + (begun ? 1 : 0), frame_after(current, s.offset + room));
    auto const end = std::max(s.offset, frame_begin(run, kept));
    metrics.messages_out[0].add(kept - s.first_frame);
    outbox_full(metrics).add(ends.size() - kept);

    auto const size = end - s.offset;
    auto const* const from = run.bytes.data() + s.offset;
    s.what = kind::owned;
    s.offset = bytes_.size();
    s.size = size;
    s.source = nullptr;
    bytes_.insert(bytes_.end(), from, from + size);
    waiting_ += size;
}

// Closes the holes that sent segments left, so that a receiver that never quite catches up costs no more than what waits.
void outbox::compact()
{
    segments_.erase(segments_.begin(), segments_.begin() + static_cast<std::ptrdiff_t>(first_));
    first_ = 0;
    std::vector<char> live;
    live.reserve(waiting_);
    for (auto& s : segments_) {
        if (s.what == kind::owned) {
            auto const bytes = view(s);
            s.offset = live.size();
            live.insert(live.end(), bytes.begin(), bytes.end());
        }
    }
    bytes_.swap(live);
}

void outbox::report(broker::shard_metrics& metrics) noexcept
{
    auto const now = waiting_ + shared_;
    if (now != reported_) {
        metrics.outbox_bytes.add(now - reported_);  // modulo 2^64: also downwards
        reported_ = now;
    }
}

void outbox::forget_all() noexcept
{
    segments_.clear();
    bytes_.clear();
    first_ = 0;
    waiting_ = 0;
    shared_ = 0;
    has_runs_ = false;
}

std::size_t outbox::memory() const noexcept { return bytes_.capacity() + segments_.capacity() * sizeof(segment); }

void outbox::clear(broker::shard_metrics& metrics) noexcept
{
    forget_all();
    blocked_ = false;
    report(metrics);
}

std::unique_ptr<outbox> outbox_pool::acquire()
{
    if (free_.empty()) {
        return std::make_unique<outbox>();
    }
    auto box = std::move(free_.back());
    free_.pop_back();
    bytes_ -= box->memory();
    return box;
}

void outbox_pool::release(std::unique_ptr<outbox> box, broker::shard_metrics& metrics) noexcept
{
    box->clear(metrics);
    if (free_.size() == boxes_max) {
        return;
    }
    if (box->bytes_.capacity() > box_bytes_max || bytes_ + box->memory() > bytes_max) {
        box->bytes_ = std::vector<char>{};  // ={} would keep its memory
    }
    if (box->segments_.capacity() > pieces_kept_max || bytes_ + box->memory() > bytes_max) {
        box->segments_ = std::vector<outbox::segment>{};
    }
    bytes_ += box->memory();
    free_.push_back(std::move(box));
}

}  // namespace fulmar::net
