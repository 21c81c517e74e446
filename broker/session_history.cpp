#include "broker/session_history.hpp"

#include "broker/history_place.hpp"
#include "broker/history_rules.hpp"
#include "broker/router.hpp"
#include "broker/shard.hpp"
#include "broker/topic.hpp"

#include <algorithm>

namespace fulmar::broker {

session::impl::history_follower::history_follower(impl& of, subscribe_job const& job, std::string_view asked)
    : owner{of},
      filter{asked},
      asked_by{job.packet},
      not_before{job.past->what == starting_point::kind::time ? job.past->time : 0},
      asked_at{of.home->node().store.last_committed()},
      queued_before{of.lasting ? of.lasting->queue.consumed() : 0},
      cursor{*this, 0}
{
}

session::impl::~impl() = default;

session::impl::history_follower* session::impl::history_part::find(std::string_view filter) noexcept
{
    auto const found = std::find_if(followers.begin(), followers.end(),
                                    [&](auto const& follower) { return follower->filter == filter; });
    return found == followers.end() ? nullptr : found->get();
}

// --- asking --------------------------------------------------------------------------------------

bool session::impl::may_follow(std::string_view filter) const
{
    return !history || history->followers.size() < history_part::followers_max || history->find(filter) != nullptr;
}

// Before the subscription is made, so that no message of it comes another way.
void session::impl::follow_history(std::shared_ptr<subscribe_job> const& job, std::size_t index,
                                   std::string_view filter)
{
    auto& outcome = job->outcomes[index];
    outcome.past = subscribe_outcome::history::none;
    auto const* const rules = home->routes().history();
    history_question question{app, std::string{filter}, *job->past, {}, allowed};
    if (rules == nullptr || parse_shared(filter) || !rules->append_sources(app, filter, question.sources))
        return;
    forget_history(filter);
    if (!history)
        history = std::make_unique<history_part>();
    auto& follower = *history->followers.emplace_back(std::make_unique<history_follower>(*this, *job, filter));
    follower.sources = question.sources;
    home->routes().changed();
    ++job->missing;
    find_history_place(*home, std::move(question), [job, index](history_place const& found) {
        auto& answer = job->outcomes[index];
        answer.past = found.gap ? subscribe_outcome::history::from_gap : subscribe_outcome::history::from;
        answer.after = found.after;
        if (found.error)
            answer.error = found.error;
        job->arrive();
    });
}

// SUBACK is written: what was stored may follow.
void session::impl::begin_history(subscribe_job const& job)
{
    for (std::size_t i = 0; i < job.filters.size() && history; ++i) {
        auto const& outcome = job.outcomes[i];
        auto* const follower = history->find(job.filters[i]);
        if (follower == nullptr || follower->asked_by != job.packet || outcome.past < subscribe_outcome::history::from)
            continue;
        if (outcome.error) {
            forget_history(job.filters[i]);
            continue;
        }
        follower->started = true;
        follower->cursor.start(*home, outcome.after, queue_cursor::extent::whole);
    }
}

void session::impl::forget_history(std::string_view filter)
{
    if (!history)
        return;
    if (std::erase_if(history->followers, [&](auto const& follower) { return follower->filter == filter; }) == 0)
        return;
    if (history->followers.empty())
        history.reset();
    home->routes().changed();
}

void session::impl::forget_history()
{
    if (std::exchange(history, nullptr))
        home->routes().changed();
}

// --- following -----------------------------------------------------------------------------------

bool session::impl::follows(std::string_view topic) const
{
    return history && std::any_of(history->followers.begin(), history->followers.end(),
                                  [&](auto const& follower) { return matches(follower->filter, topic); });
}

bool session::follows_history(std::string_view topic) const { return self().follows(topic); }

void session::deliver_history(logged_message const& item)
{
    static matched_subscription const asked_later;
    if (!self().online() || !self().history)
        return;
    for (auto const& follower : self().history->followers)
        if (matches(follower->filter, item.message->topic()))
            follower->cursor.on_logged(item, asked_later);
}

void session::impl::pump_history()
{
    if (!history || !replays.empty())
        return;  // retained messages come first
    for (std::size_t i = 0; history && i < history->followers.size(); ++i)
        history->followers[i]->cursor.pump();
}

// The queue of a durable session waits for the past.
std::size_t session::impl::queue_room() const
{
    auto const waits = history && std::any_of(history->followers.begin(), history->followers.end(),
                                              [](auto const& follower) { return follower->in_the_past(); });
    return waits ? 0 : room();
}

std::size_t session::impl::history_follower::room() const
{
    return owner.replays.empty() && owner.pending.empty() ? owner.room() : 0;
}

// Of what the streams of the log hold: is it for this filter, may it be read, and is it still to be read?
bool session::impl::history_follower::wants(message const& m) const
{
    if (!matches(filter, m.topic()) || m.published_at < not_before || !owner.may_receive(m.topic()))
        return false;
    auto const* const rule = owner.home->routes().history()->find(m.app, m.topic());
    return rule != nullptr && (rule->max_age_ms == 0 || m.published_at + rule->max_age_ms > owner.home->wall());
}

void session::impl::history_follower::take(logged_message const& item, matched_subscription const*)
{
    auto const& m = item.message;
    if (!wants(*m))
        return;
    auto const& all = owner.history->followers;
    auto const later = std::find_if(all.rbegin(), all.rend(), [&](auto const& other) {
        return other.get() == this || (item.sequence > other->asked_at && matches(other->filter, m->topic()));
    });
    if (later->get() != this)
        return;
    if (owner.lasting && m->level != qos::at_most_once && item.sequence > queued_before &&
        owner.match_own(*m, item.sequence))
        return;  // comes with the session's own queue
    auto const match = owner.match_all(*m, log_end);
    if (!match)
        return;
    if (m->expired(owner.home->wall()))
        return owner.drop(drop_reason::expired);
    if (std::min(m->level, match->level) == qos::at_most_once)
        owner.send_best_effort({m, 0, item.sequence}, *match);
    else
        owner.send_reliable({m, 0, item.sequence}, *match, {});
}

}  // namespace fulmar::broker
