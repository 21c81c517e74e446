#include "broker/queue_cursor.hpp"

#include "broker/shard.hpp"

#include <algorithm>

namespace fulmar::broker {

namespace {
constexpr std::size_t page_messages_max = 512;
constexpr std::size_t page_bytes_max = 512 * 1024;
// Closer to the end of the stream than this, a page read also keeps what the stream brings meanwhile.
constexpr log_sequence join_distance = 4'096;
}  // namespace

void queue_cursor::start(shard& home, log_sequence after, extent readable)
{
    stop();
    home_ = &home;
    consumed_ = reached_ = after;
    if (after >= home.node().store.last_committed() && after >= home.position()) {
        state_ = state::live;
        skip_upto_ = after;
        return;
    }
    state_ = state::behind;
    limit_next_ = readable == extent::limited;
    pump();
}

void queue_cursor::start_live(shard& home)
{
    stop();
    home_ = &home;
    state_ = state::live;
    consumed_ = reached_ = skip_upto_ = home.position();
}

void queue_cursor::stop()
{
    if (home_ != nullptr)
        consumed_ = consumed();
    waiting_.clear();
    joined_.clear();
    waiting_bytes_ = 0;
    state_ = state::stopped;
    reading_ = joining_ = false;
    alive_.reset();
}

log_sequence queue_cursor::consumed() const
{
    if (!waiting_.empty() || state_ == state::stopped)
        return consumed_;
    if (state_ == state::behind)
        return std::max(consumed_, reached_);
    return std::max({consumed_, reached_, home_->position()});
}

void queue_cursor::take(logged_message const& item, matched_subscription const* match)
{
    consumed_ = item.sequence;
    owner_.take(item, match);
}

void queue_cursor::wait(logged_message const& item)
{
    waiting_bytes_ += item.message->footprint();
    waiting_.push_back(item);
}

void queue_cursor::on_logged(logged_message const& item, matched_subscription const& match)
{
    if (state_ == state::stopped || item.sequence <= skip_upto_)
        return;
    if (state_ == state::live && waiting_.empty() && owner_.room() > 0)
        return take(item, &match);
    auto const& limit = home_->limit();
    if (state_ == state::live) {
        wait(item);
        if (waiting_.size() > limit.durable_pending_messages || waiting_bytes_ > limit.durable_pending_bytes)
            fall_behind();
    } else if (joining_) {
        joined_.push_back(item);
        if (joined_.size() > limit.durable_pending_messages)
            joining_ = false, joined_.clear();
    }
}

void queue_cursor::fall_behind()
{
    waiting_.clear();
    waiting_bytes_ = 0;
    reached_ = consumed_;
    joining_ = false;
    state_ = state::behind;
}

void queue_cursor::pump()
{
    while (!waiting_.empty() && owner_.room() > 0) {
        auto const item = waiting_.pop_front();
        waiting_bytes_ -= item.message->footprint();
        take(item, nullptr);
    }
    if (waiting_.empty())
        waiting_bytes_ = 0;
    if (state_ == state::behind && !reading_ && waiting_.empty() && owner_.room() > 0)
        read();
}

void queue_cursor::read()
{
    reading_ = true;
    consumed_ = std::max(consumed_, reached_);
    joining_ = home_->position() < consumed_ + join_distance;
    joined_.clear();
    queue_read request;
    request.filters = owner_.filters();
    request.after = consumed_;
    request.messages_max = std::min(owner_.room(), page_messages_max);
    request.bytes_max = page_bytes_max;
    request.include_expired = true;
    request.newest_max = limit_next_ ? home_->limit().session_queue_messages : 0;
    limit_next_ = false;
    if (!alive_)
        alive_ = std::make_shared<int>(0);
    home_->read(std::move(request), [this, alive = std::weak_ptr<int>{alive_}](queue_page&& page) {
        if (!alive.expired())
            on_page(std::move(page));
    });
}

void queue_cursor::on_page(queue_page&& page)
{
    reading_ = false;
    if (page.error) {
        // The store cannot be read now: the next pump tries again.
        joining_ = false;
        joined_.clear();
        return;
    }
    owner_.on_passed_over(page.gap, page.expired, page.skipped);
    for (auto const& item : page.messages) {
        if (waiting_.empty() && owner_.room() > 0)
            take(item, nullptr);
        else
            wait(item);
    }
    reached_ = std::max(reached_, page.reached);
    if (page.complete && (joining_ || reached_ >= home_->position())) {
        for (auto const& item : joined_) {
            if (item.sequence > reached_)
                wait(item);
        }
        skip_upto_ = reached_;
        state_ = state::live;
    }
    joining_ = false;
    joined_.clear();
    pump();
    owner_.on_page_end();
}

}  // namespace fulmar::broker
