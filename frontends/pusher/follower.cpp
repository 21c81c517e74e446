#include "frontends/pusher/follower.hpp"

#include "broker/shard.hpp"
#include "frontends/pusher/channel_client.hpp"
#include "frontends/pusher/channel_name.hpp"
#include "frontends/pusher/channel_shard.hpp"
#include "frontends/pusher/event.hpp"
#include "frontends/pusher/logged_channel.hpp"

#include <algorithm>
#include <utility>

namespace fulmar::pusher {

namespace {

constexpr std::size_t page_messages_max = 256;
constexpr std::size_t page_bytes_max = 256 * 1024;
// Closer to the end of the log than this, a page being read also keeps what is new meanwhile.
constexpr broker::log_sequence join_distance = 4'096;

constexpr std::string_view gap_new = "new";
constexpr std::string_view gap_retention = "retention";
constexpr std::string_view gap_limit = "limit";
constexpr std::string_view gap_unavailable = "unavailable";

}  // namespace

channel_client* follower::peer() const noexcept { return phase_ == phase::ended ? nullptr : owner_.find(client_); }

bool follower::excluded_by(std::uint64_t publisher) const noexcept
{
    return publisher != 0 && (publisher == static_cast<std::uint64_t>(client_) ||
                              std::find(own_.begin(), own_.end(), publisher) != own_.end());
}

void follower::end() noexcept
{
    phase_ = phase::ended;
    opened_ = {};
    first_ = joined_ = std::vector<broker::logged_message>{};
    held_ = std::vector<broker::message_ptr>{};
}

// --- what was missed ---------------------------------------------------------------------------------------------

void follower::open(home_sessions::claim const& from, std::function<void()> done)
{
    if (phase_ == phase::ended)
        return;
    own_ = from.own;
    after_ = from.from;
    known_ = from.known;
    away_since_ = from.away_since;
    opened_ = std::move(done);
    if (!known_)
        gap_ = gap_new;
    if (after_ >= owner_.home().position() && after_ >= owner_.home().node().store.last_committed()) {
        complete_ = joining_ = true;
        return opened();
    }
    read(true);
}

broker::queue_read follower::request_after(broker::log_sequence position) const
{
    broker::queue_read request;
    request.filters.push_back({in_->app(), in_->name(), position, false});
    request.after = position;
    request.messages_max = page_messages_max;
    request.bytes_max = page_bytes_max;
    return request;
}

void follower::read(bool first)
{
    auto& home = owner_.home();
    reading_ = true;
    joining_ = home.position() < after_ + join_distance;
    joined_.clear();
    auto request = request_after(after_);
    if (first) {
        auto const* const app = owner_.apps()->find(in_->app());
        request.newest_max = app == nullptr ? 1 : app->sessions.messages_max;
        request.newest_bytes_max = app == nullptr ? 1 : app->sessions.bytes_max;
    }
    home.read(std::move(request), [self = shared_from_this(), first](broker::queue_page&& page) {
        self->reading_ = false;
        if (self->phase_ == phase::ended)
            return;
        if (first)
            self->on_first_page(std::move(page));
        else
            self->on_page(std::move(page));
    });
}

// Client events are of the moment, and what excludes one of the session's own connections is not for it.
bool follower::replays(broker::message const& m) const { return !client_event(m.event()) && !excluded_by(m.publisher); }

void follower::on_first_page(broker::queue_page&& page)
{
    if (page.error) {
        gap_ = gap_unavailable;
        complete_ = joining_ = true;
        after_ = owner_.home().position();
        return opened();
    }
    if (known_ && page.gap > 0)
        gap_ = gap_retention;
    else if (known_ && page.skipped > 0)
        gap_ = gap_limit;
    std::erase_if(page.messages, [this](auto const& item) { return !replays(*item.message); });
    first_ = std::move(page.messages);
    missed_ = first_.size();
    after_ = std::max(after_, page.reached);
    complete_ = page.complete && (joining_ || after_ >= owner_.home().position());
    if (complete_) {
        joining_ = true;
        return opened();
    }
    joining_ = false;
    joined_.clear();
    count_rest();
}

// More than one page: how many come after it, without reading them.
void follower::count_rest()
{
    auto request = request_after(after_);
    request.newest_max = request.messages_max = 1;
    owner_.home().read(std::move(request), [self = shared_from_this()](broker::queue_page&& page) {
        if (self->phase_ == phase::ended)
            return;
        self->missed_ += page.skipped + page.messages.size();
        self->opened();
    });
}

void follower::opened()
{
    if (!gap_.empty() && gap_ != gap_new)
        owner_.metrics().session_gaps.add();
    if (auto const done = std::exchange(opened_, {}))
        done();
}

std::string follower::verdict() const
{
    std::string text{R"("recovered":)"};
    text.append(gap_.empty() ? "true" : "false");
    if (!gap_.empty())
        text.append(R"(,"reason":")").append(gap_).append("\"");
    return text.append(R"(,"missed":)").append(std::to_string(missed_));
}

bool follower::covers(broker::message const& cached) const
{
    // What it missed ends with the last event that is logged.
    if (missed_ > 0 && cached.level != broker::qos::at_most_once)
        return true;
    auto const same = [&cached](broker::logged_message const& item) {
        auto const& m = *item.message;
        return &m == &cached || (m.published_at == cached.published_at && m.publisher == cached.publisher &&
                                 m.event() == cached.event() && m.payload() == cached.payload());
    };
    if (std::any_of(first_.begin(), first_.end(), same) || std::any_of(joined_.begin(), joined_.end(), same))
        return true;
    // Without a gap the client has had every event but those that no log keeps and that were published meanwhile.
    return gap_.empty() && (cached.level != broker::qos::at_most_once || cached.published_at < away_since_);
}

// --- sending it --------------------------------------------------------------------------------------------------

void follower::send(channel_client& to, broker::logged_message const& item)
{
    std::string text;
    append_event(text, *item.message);
    to.take_text(text);
}

// `again`: they were published while nobody was there to receive them.
void follower::send_all(std::vector<broker::logged_message> const& items, bool again)
{
    auto const now = owner_.home().wall();
    for (auto const& item : items) {
        auto* const to = peer();
        if (to == nullptr)
            return;
        if (item.message->expired(now))
            continue;
        if (again)
            owner_.metrics().events_replayed.add();
        owner_.home().metrics().messages_out[0].add();
        send(*to, item);
    }
}

void follower::enter()
{
    if (phase_ != phase::opening)
        return;
    phase_ = phase::behind;
    in_->on_entered();
    auto const missed = std::exchange(first_, {});
    send_all(missed, true);
    if (phase_ != phase::behind)
        return;
    if (complete_ && joining_)
        return go_live();
    go_on();
}

void follower::go_on()
{
    if (phase_ != phase::behind || reading_)
        return;
    auto* const to = peer();
    if (to == nullptr || to->crowded())
        return;
    if (after_ >= owner_.home().position() && after_ >= owner_.home().node().store.last_committed()) {
        joined_.clear();
        return go_live();
    }
    read(false);
}

void follower::on_page(broker::queue_page&& page)
{
    if (page.error) {
        // It comes back and is told what is missing then.
        if (auto* const to = peer())
            to->on_lost();
        return;
    }
    if (page.gap > 0) {
        owner_.metrics().session_gaps.add();
        if (auto* const to = peer())
            to->on_lost();
        return;
    }
    std::erase_if(page.messages, [this](auto const& item) { return !replays(*item.message); });
    send_all(page.messages, true);
    if (phase_ != phase::behind)
        return;
    after_ = std::max(after_, page.reached);
    if (page.complete && (joining_ || after_ >= owner_.home().position()))
        return go_live();
    if (auto* const to = peer())
        to->on_part_sent();
    joining_ = false;
    joined_.clear();
    go_on();
}

void follower::go_live()
{
    auto const reached = after_;
    auto fresh = std::exchange(joined_, {});
    std::erase_if(fresh, [this, reached](auto const& item) {
        return item.sequence <= reached || excluded_by(item.message->publisher);
    });
    joining_ = false;
    skip_upto_ = reached;
    phase_ = phase::live;
    in_->on_live();
    send_all(fresh, false);
    for (auto const& m : std::exchange(held_, {})) {
        auto* const to = peer();
        if (to == nullptr)
            return;
        if (!excluded_by(m->publisher))
            send(*to, {0, m});
    }
    if (auto* const to = peer())
        to->on_caught_up();
}

void follower::note(broker::logged_message const& item)
{
    if (!joining_)
        return;
    if (joined_.size() < joined_max)
        return joined_.push_back(item);
    joining_ = complete_ = false;
    joined_ = std::vector<broker::logged_message>{};
}

void follower::hold(broker::message_ptr const& m)
{
    if (held_.size() < held_max)
        return held_.push_back(m);
    owner_.home().metrics().dropped[static_cast<std::size_t>(broker::drop_reason::pending_full)].add();
}

void follower::fall_behind(broker::log_sequence next)
{
    phase_ = phase::behind;
    in_->on_behind();
    after_ = std::max(skip_upto_, next - 1);
    joining_ = false;
    joined_.clear();
}

}  // namespace fulmar::pusher
