#include "broker/shared_group.hpp"

#include "broker/router.hpp"
#include "broker/session.hpp"
#include "broker/shard.hpp"
#include "broker/topic.hpp"

#include <algorithm>

namespace fulmar::broker {

shared_group::shared_group(shard& home, app_id app, std::string filter)
    : home_{home}, app_{app}, filter_{std::move(filter)}, id_{hash_filter(app, filter_)}, queue_{*this, 0}
{
}

void shared_group::join(group_member member)
{
    auto const known =
        std::find_if(members_.begin(), members_.end(), [&](auto const& m) { return m.client == member.client; });
    if (known == members_.end()) {
        members_.push_back(std::move(member));
    } else {
        member.outstanding = known->outstanding;
        *known = std::move(member);
    }
    pump();
}

void shared_group::leave(std::uint64_t client, bool for_good)
{
    auto const member =
        std::find_if(members_.begin(), members_.end(), [&](auto const& m) { return m.client == client; });
    if (member == members_.end())
        return;
    member->online = false;
    auto const keeps_begun = !for_good && member->durable;
    std::vector<std::pair<std::uint64_t, logged_message>> back;
    for (auto const& [number, sent] : outstanding_) {
        auto const level = std::min(sent.item.message->level, member->options.level);
        if (sent.client == client && !(keeps_begun && level == qos::exactly_once))
            back.emplace_back(number, sent.item);
    }
    std::sort(back.begin(), back.end(), [](auto const& a, auto const& b) { return a.first < b.first; });
    if (for_good)
        members_.erase(member);
    for (auto const& [number, item] : back)
        returned(number);
}

bool shared_group::update_durable()
{
    auto const wanted = std::any_of(members_.begin(), members_.end(), [](auto const& m) { return m.durable; });
    if (wanted == durable_)
        return false;
    durable_ = wanted;
    if (durable_) {
        queue_.start_live(home_);
        stored_cursor_ = cursor();
        home_.store({group_cursor_op{id_, filter_, stored_cursor_, false}});
    } else {
        queue_.stop();
        unsettled_.clear();
        home_.store({group_cursor_op{id_, filter_, 0, true}});
    }
    return true;
}

void shared_group::restore(log_sequence cursor_stored)
{
    durable_ = true;
    stored_cursor_ = cursor_stored;
    queue_.start(home_, cursor_stored);
}

group_member* shared_group::pick(bool needs_credit)
{
    for (std::size_t tried = 0; tried < members_.size(); ++tried) {
        next_ = (next_ + 1) % members_.size();
        auto& member = members_[next_];
        if (member.online && (!needs_credit || member.outstanding < member.credit))
            return &member;
    }
    return nullptr;
}

std::size_t shared_group::room() const
{
    std::size_t free = 0;
    for (auto const& member : members_)
        free += member.online ? member.credit - std::min(member.credit, member.outstanding) : 0;
    return free - std::min(free, waiting_.size());
}

void shared_group::route(message_ptr const& m)
{
    if (m->level == qos::at_most_once) {
        if (auto* const member = pick(false))
            return deliver(*member, {0, m});
        home_.metrics().dropped[static_cast<std::size_t>(drop_reason::no_member)].add();
        return;
    }
    enqueue({0, m});
    pump();
}

void shared_group::on_logged(logged_message const& item) { queue_.on_logged(item, {}); }

void shared_group::take(logged_message const& item, matched_subscription const*)
{
    unsettled_.insert(item.sequence);
    if (auto* const member = pick(true))
        deliver(*member, item);
    else
        waiting_.push_back(item);
}

void shared_group::enqueue(logged_message const& item)
{
    waiting_.push_back(item);
    if (item.sequence == 0 && waiting_.size() > home_.limit().session_pending_messages) {
        waiting_.pop_front();
        home_.metrics().dropped[static_cast<std::size_t>(drop_reason::pending_full)].add();
    }
}

void shared_group::deliver(group_member& to, logged_message const& item)
{
    auto const level = std::min(item.message->level, to.options.level);
    group_ticket ticket{id_, home_.id(), 0};
    if (level != qos::at_most_once) {
        ticket.number = ++last_number_;
        outstanding_.emplace(ticket.number, delivery{item, to.client});
        ++to.outstanding;
    } else if (item.sequence != 0) {
        unsettled_.erase(item.sequence);
    }
    matched_subscription match;
    match.level = to.options.level;
    match.no_local = false;
    match.retain_as_published = to.options.retain_as_published;
    if (to.options.identifier != 0)
        match.identifiers.push_back(to.options.identifier);
    home_.send(to.session.shard, [session_at = to.session, item, match, ticket](shard& there) {
        auto* const member = static_cast<session*>(there.resolve(session_at));
        if (member == nullptr || !member->deliver_shared(item, match, ticket))
            there.routes().return_to_group(ticket);
    });
}

// Takes a delivery off its member's account; nullopt if it was settled before.
std::optional<logged_message> shared_group::settle(std::uint64_t number)
{
    auto const found = outstanding_.find(number);
    if (found == outstanding_.end())
        return std::nullopt;
    for (auto& member : members_) {
        if (member.client == found->second.client && member.outstanding > 0)
            --member.outstanding;
    }
    auto item = std::move(found->second.item);
    outstanding_.erase(found);
    return item;
}

void shared_group::acknowledged(std::uint64_t number)
{
    auto const item = settle(number);
    if (!item)
        return;
    unsettled_.erase(item->sequence);
    pump();
}

void shared_group::returned(std::uint64_t number)
{
    auto const item = settle(number);
    if (!item)
        return;
    enqueue(*item);
    pump();
}

void shared_group::pump()
{
    while (!waiting_.empty()) {
        auto* const member = pick(true);
        if (member == nullptr)
            break;
        deliver(*member, waiting_.pop_front());
    }
    if (durable_)
        queue_.pump();
}

std::vector<queue_filter> shared_group::filters() const { return {{app_, filter_, 0}}; }

void shared_group::on_passed_over(std::uint64_t gap, std::uint64_t expired, std::uint64_t skipped)
{
    auto& dropped = home_.metrics().dropped;
    dropped[static_cast<std::size_t>(drop_reason::retention)].add(gap);
    dropped[static_cast<std::size_t>(drop_reason::expired)].add(expired);
    dropped[static_cast<std::size_t>(drop_reason::queue_limit)].add(skipped);
}

log_sequence shared_group::cursor() const
{
    auto const consumed = queue_.consumed();
    return unsettled_.empty() ? consumed : std::min(consumed, *unsettled_.begin() - 1);
}

void shared_group::store_cursor()
{
    if (!durable_ || cursor() == stored_cursor_)
        return;
    stored_cursor_ = cursor();
    home_.store({group_cursor_op{id_, filter_, stored_cursor_, false}});
}

}  // namespace fulmar::broker
