#include "broker/topic_follower.hpp"

#include "broker/history_rules.hpp"
#include "broker/router.hpp"
#include "broker/shard.hpp"
#include "broker/topic.hpp"

#include <algorithm>
#include <utility>

namespace fulmar::broker {

namespace {

constexpr std::size_t page_messages_max = 256;
constexpr std::size_t page_bytes_max = 256 * 1024;
constexpr std::size_t newest_bytes_max = 16 * 1024 * 1024;
constexpr std::uint32_t window_max = 65'536;
// Closer to the end of the log than this, a page being read also keeps what is new meanwhile.
constexpr log_sequence join_distance = 4'096;

}  // namespace

topic_follower::topic_follower(shard& home, app_id app, std::vector<std::string> topics, starting_point begin)
    : home_{home}, app_{app}, topics_{std::move(topics)}, begin_{begin}
{
}

topic_follower::~topic_follower() { leave(); }

bool topic_follower::keeps_history(std::string const& filter) const
{
    std::vector<queue_filter> sources;
    auto const* const rules = home_.routes().history();
    return rules != nullptr && rules->append_sources(app_, filter, sources);
}

// --- opening -------------------------------------------------------------------------------------

void topic_follower::follow()
{
    add_sources();
    shares_runs_ = sources_.empty();
    find_beginning();
    unconfirmed_ = topics_.size();
    subscription_options options;
    options.level = durable() ? qos::at_least_once : qos::at_most_once;
    for (auto const& filter : topics_)
        home_.routes().subscribe(app_, *this, filter, options, durable(), [this, alive = std::weak_ptr<int>{alive_}] {
            if (!alive.expired() && --unconfirmed_ == 0)
                on_subscribed();
        });
}

void topic_follower::follow_durably(std::vector<topic_begin> begins)
{
    begins_ = std::move(begins);
    follow();
}

// Streams of rules come first: they are told apart by their filters.
void topic_follower::add_sources()
{
    if (auto const* const rules = home_.routes().history(); rules != nullptr)
        for (auto const& filter : topics_)
            (void)rules->append_sources(app_, filter, sources_);
    for (std::size_t i = 0; i < begins_.size(); ++i)
        sources_.push_back({app_, topics_[i], begins_[i].logged, false});
}

void topic_follower::find_beginning()
{
    after_ = home_.position();
    switch (begin_.what) {
    case starting_point::kind::now:
    case starting_point::kind::newest: break;
    case starting_point::kind::cursor: after_ = begin_.sequence; break;
    case starting_point::kind::earliest:
    case starting_point::kind::time: after_ = 0; break;
    }
}

void topic_follower::on_subscribed()
{
    if (phase_ == phase::closed)
        return;
    phase_ = phase::behind;
    on_ready(after_);
    if (sources_.empty())
        return go_live();
    auto const& store = home_.node().store;
    if (begin_.what == starting_point::kind::cursor) {
        // A position that is not reached yet is none of this log.
        if (auto const last = std::max(store.last_committed(), home_.position()); after_ > last) {
            on_gap(0, last);
            after_ = last;
        } else if (auto const lost = store.low_water(); lost > after_) {
            on_gap(after_, lost);
            after_ = lost;
        }
    }
    if (begin_.what == starting_point::kind::newest)
        return read_newest();
    go_on();
}

// --- catching up ---------------------------------------------------------------------------------

void topic_follower::go_on()
{
    if (phase_ != phase::behind || reading_ || crowded())
        return;
    if (after_ >= home_.position() && after_ >= home_.node().store.last_committed())
        return catch_up_done(after_);
    read();
}

void topic_follower::read()
{
    reading_ = true;
    joining_ = home_.position() < after_ + join_distance;
    joined_.clear();
    home_.read(next_page(), [this, alive = std::weak_ptr<int>{alive_}](queue_page&& page) {
        if (!alive.expired())
            on_page(std::move(page));
    });
}

queue_read topic_follower::next_page()
{
    queue_read request;
    request.filters = sources_;
    request.after = after_;
    request.messages_max = page_messages_max;
    request.bytes_max = page_bytes_max;
    if (!std::exchange(first_page_, false))
        return request;
    if (durable()) {
        request.newest_max = home_.limit().session_queue_messages;
    } else if (topics_.size() == 1 && !has_wildcard(topics_.front())) {
        auto const* const rule = home_.routes().history()->find(app_, topics_.front());
        request.newest_max = rule == nullptr ? 0 : rule->max_messages;
        request.newest_bytes_max = rule == nullptr ? 0 : rule->max_bytes;
    }
    return request;
}

void topic_follower::on_page(queue_page&& page)
{
    reading_ = false;
    if (phase_ != phase::behind)
        return;
    if (page.error)
        return on_unreadable();
    if (durable()) {
        auto& dropped = home_.metrics().dropped;
        dropped[static_cast<std::size_t>(drop_reason::queue_limit)].add(page.skipped);
        dropped[static_cast<std::size_t>(drop_reason::retention)].add(page.gap);
        dropped[static_cast<std::size_t>(drop_reason::expired)].add(page.expired);
    }
    if (begin_.what == starting_point::kind::cursor && page.gap + page.skipped > 0)
        on_gap(after_, page.messages.empty() ? page.reached : page.messages.front().sequence - 1);
    write_page(page.messages);
    after_ = std::max(after_, page.reached);
    if (page.complete && (joining_ || after_ >= home_.position()))
        return catch_up_done(after_);
    joining_ = false;
    joined_.clear();
    go_on();
}

// The newest so many of what is wanted: with wildcards a stream of the log also holds what is not, so look further back.
void topic_follower::read_newest()
{
    reading_ = true;
    joining_ = true;
    joined_.clear();
    auto const least = static_cast<std::uint32_t>(begin_.count);
    window_ = window_ == 0 ? least : std::min(window_max, 4 * window_);
    queue_read request;
    request.filters = sources_;
    request.newest_max = window_;
    request.messages_max = window_;
    request.bytes_max = newest_bytes_max;
    home_.read(std::move(request), [this, alive = std::weak_ptr<int>{alive_}](queue_page&& page) {
        if (!alive.expired())
            on_newest(std::move(page));
    });
}

void topic_follower::on_newest(queue_page&& page)
{
    reading_ = false;
    if (phase_ != phase::behind)
        return;
    if (page.error)
        return on_unreadable();
    auto& found = page.messages;
    std::erase_if(found, [this](logged_message const& item) { return !wanted(item); });
    if (found.size() < begin_.count && page.skipped > 0 && window_ < window_max)
        return read_newest();
    if (page.complete && found.size() > begin_.count)
        found.erase(found.begin(), found.end() - static_cast<std::ptrdiff_t>(begin_.count));
    write_page(found);
    after_ = page.reached;
    first_page_ = false;
    if (page.complete && (joining_ || after_ >= home_.position()))
        return catch_up_done(after_);
    joining_ = false;
    joined_.clear();
    go_on();
}

void topic_follower::write_page(std::vector<logged_message> const& messages)
{
    for (auto const& item : messages)
        if (phase_ != phase::closed && wanted(item))
            hand_on(item, true);
}

void topic_follower::catch_up_done(log_sequence reached)
{
    for (auto const& item : std::exchange(joined_, {}))
        if (item.sequence > reached)
            hand_on(item, false);
    joining_ = false;
    skip_upto_ = reached;
    if (phase_ != phase::closed)
        go_live();
}

void topic_follower::go_live()
{
    phase_ = phase::live;
    if (home_.position() >= skip_upto_)
        share_runs();
}

// Everything that is logged from now on is new: the bytes may be shared with all others, if they have an order.
void topic_follower::share_runs()
{
    if (shares_runs_ || durable() || topics_.size() > 1 || has_wildcard(topics_.front()))
        return;
    shares_runs_ = true;
    home_.routes().changed();
}

// --- what is new ---------------------------------------------------------------------------------

void topic_follower::deliver(message_ptr const& m, matched_subscription const&)
{
    if (phase_ != phase::closed)
        hand_on({0, m}, false);
}

void topic_follower::deliver_history(logged_message const& item) { take_logged(item); }

void topic_follower::deliver_logged(logged_message const& item, matched_subscription const&) { take_logged(item); }

// A durable receiver is given what it is owed twice if its topic keeps a history, too.
void topic_follower::take_logged(logged_message const& item)
{
    if (phase_ == phase::live) {
        if (item.sequence <= skip_upto_)
            return;
        if (durable())
            skip_upto_ = item.sequence;
        hand_on(item, false);
        if (phase_ == phase::live)
            share_runs();
    } else if (phase_ == phase::behind && joining_) {
        if (!joined_.empty() && joined_.back().sequence == item.sequence)
            return;
        if (joined_.size() < joined_messages_max)
            return joined_.push_back(item);
        joining_ = false;
        joined_ = std::vector<logged_message>{};
    }
}

// Of a stream of the log: is it for one of our topics, may we read it, and is it still to be read?
bool topic_follower::wanted(logged_message const& item) const
{
    auto const& m = *item.message;
    if (begin_.what == starting_point::kind::time && m.published_at < begin_.time)
        return false;
    auto const named = [&](std::string const& filter) { return filter == m.topic() || matches(filter, m.topic()); };
    if (!durable())
        return std::any_of(topics_.begin(), topics_.end(), named) && may_receive(m.topic()) && in_history(m);
    auto const kept = in_history(m);
    auto const owed = m.level != qos::at_most_once;
    bool found = false;
    for (std::size_t i = 0; i < topics_.size() && !found; ++i)
        found = ((owed && item.sequence > begins_[i].logged) || (kept && item.sequence > begins_[i].history)) &&
                named(topics_[i]);
    return found && may_receive(m.topic());
}

bool topic_follower::in_history(message const& m) const
{
    auto const* const rules = home_.routes().history();
    auto const* const rule = rules == nullptr ? nullptr : rules->find(m.app, m.topic());
    return rule != nullptr && (rule->max_age_ms == 0 || m.published_at + rule->max_age_ms > home_.wall());
}

void topic_follower::leave()
{
    if (alive_ == nullptr)
        return;
    phase_ = phase::closed;
    alive_.reset();
    joined_ = std::vector<logged_message>{};
    for (auto const& filter : topics_)
        home_.routes().unsubscribe(app_, *this, filter);
}

}  // namespace fulmar::broker
