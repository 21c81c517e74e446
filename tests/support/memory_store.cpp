#include "tests/support/memory_store.hpp"

#include "broker/topic.hpp"

#include <algorithm>
#include <iterator>
#include <type_traits>

namespace fulmar::test {

using namespace broker;

namespace {

broker::system_clock const real_clock;

std::size_t bytes_of(std::vector<store_op> const& ops)
{
    std::size_t total = ops.size() * sizeof(store_op);
    for (auto const& op : ops)
        if (auto const* publish = std::get_if<publish_op>(&op.what); publish && publish->message)
            total += publish->message->footprint();
    return total;
}

// What a full disk refuses: publishes that would have to be written. Everything else is still taken.
bool needs_space(store_op const& op)
{
    auto const* publish = std::get_if<publish_op>(&op.what);
    return publish != nullptr && (publish->retain || !publish->filters.empty());
}

std::string_view inner_filter(std::string_view filter)
{
    auto const shared = parse_shared(filter);
    return shared ? shared->filter : filter;
}

recovered_session recovered(auto const& stored)
{
    recovered_session out{stored.record, {}, {}, stored.cursor};
    for (auto const& [filter, what] : stored.subscriptions)
        out.subscriptions.push_back(what);
    for (auto const& [key, record] : stored.inflight)
        out.inflight.push_back(record);
    return out;
}

}  // namespace

memory_store::memory_store() : memory_store{real_clock} {}
memory_store::memory_store(broker::clock const& clock) : clock_{clock} {}

// --- what a test controls ------------------------------------------------------------------------

void memory_store::hold()
{
    std::lock_guard const lock{mutex_};
    held_ = true;
}

void memory_store::confirm_next()
{
    std::unique_lock lock{mutex_};
    if (waiting_.empty())
        return;
    auto work = std::move(waiting_.front());
    waiting_.pop_front();
    commit(std::move(work));
    drain_notices(lock);
}

void memory_store::confirm_all()
{
    for (auto left = waiting(); left > 0; --left)
        confirm_next();
}

void memory_store::release()
{
    {
        std::lock_guard const lock{mutex_};
        held_ = false;
    }
    while (waiting() > 0)
        confirm_next();
}

void memory_store::hold_reads()
{
    std::lock_guard const lock{mutex_};
    reads_held_ = true;
}

void memory_store::release_reads()
{
    std::unique_lock lock{mutex_};
    reads_held_ = false;
    for (auto const& [shard, request] : std::exchange(waiting_reads_, {}))
        answer(shard, request);
    drain_notices(lock);
}

void memory_store::hold_pages()
{
    std::lock_guard const lock{mutex_};
    pages_held_ = true;
}

void memory_store::release_pages()
{
    std::unique_lock lock{mutex_};
    pages_held_ = false;
    std::move(held_pages_.begin(), held_pages_.end(), std::back_inserter(notices_));
    held_pages_.clear();
    drain_notices(lock);
}

void memory_store::fail_next(error_code error)
{
    std::lock_guard const lock{mutex_};
    failures_.push_back(error);
}

void memory_store::set_state(store_state state) { state_ = state; }

void memory_store::trim_to(log_sequence low_water)
{
    std::lock_guard const lock{mutex_};
    log_.erase(log_.begin(), log_.upper_bound(low_water));
    low_water_ = std::max(low_water_.load(), low_water);
}

void memory_store::restart()
{
    std::lock_guard const lock{mutex_};
    waiting_.clear();
    waiting_reads_.clear();
    notices_.clear();
    listeners_.clear();
    failures_.clear();
    pending_bytes_ = 0;
    held_ = reads_held_ = closed_ = false;
}

// --- what a test looks at ------------------------------------------------------------------------

std::size_t memory_store::waiting() const
{
    std::lock_guard const lock{mutex_};
    return waiting_.size();
}

std::size_t memory_store::committed() const
{
    std::lock_guard const lock{mutex_};
    return committed_;
}

std::vector<logged_message> memory_store::log() const
{
    std::lock_guard const lock{mutex_};
    std::vector<logged_message> out;
    for (auto const& [sequence, m] : log_)
        out.push_back({sequence, m});
    return out;
}

std::vector<message_ptr> memory_store::retained() const
{
    std::lock_guard const lock{mutex_};
    std::vector<message_ptr> out;
    for (auto const& [topic, m] : retained_)
        out.push_back(m);
    return out;
}

std::vector<recovered_session> memory_store::sessions() const
{
    std::lock_guard const lock{mutex_};
    std::vector<recovered_session> out;
    for (auto const& [id, stored] : sessions_)
        out.push_back(recovered(stored));
    return out;
}

std::optional<recovered_session> memory_store::session(std::string_view client_id) const
{
    for (auto& found : sessions())
        if (found.record.client_id == client_id)
            return found;
    return std::nullopt;
}

std::map<std::uint64_t, std::string> memory_store::outbox() const
{
    std::lock_guard const lock{mutex_};
    return outbox_;
}

std::vector<recovered_group> memory_store::groups() const
{
    std::lock_guard const lock{mutex_};
    std::vector<recovered_group> out;
    for (auto const& [hash, group] : groups_)
        out.push_back(group);
    return out;
}

// --- session_store -------------------------------------------------------------------------------

void memory_store::recover(recovery_sink const& sink)
{
    if (sink.session)
        for (auto& found : sessions())
            sink.session(std::move(found));
    if (sink.group)
        for (auto& found : groups())
            sink.group(std::move(found));
    if (sink.retained)
        for (auto& found : retained())
            if (!found->expired(clock_.wall()))
                sink.retained(std::move(found));
    if (sink.outbox)
        for (auto const& [id, row] : outbox())
            sink.outbox({id, row});
}

void memory_store::attach(shard_id shard, store_listener& listener)
{
    std::lock_guard const lock{mutex_};
    listeners_[shard].listener = &listener;
}

void memory_store::wants_log(shard_id shard, bool wanted)
{
    std::lock_guard const lock{mutex_};
    listeners_[shard].wants_log = wanted;
}

void memory_store::submit(shard_id shard, std::vector<store_op> ops)
{
    if (ops.empty())
        return;
    std::unique_lock lock{mutex_};
    if (closed_)
        return;
    hand_over work{shard, std::move(ops), 0};
    work.bytes = bytes_of(work.ops);
    pending_bytes_ += work.bytes;
    if (held_ || !waiting_.empty())
        waiting_.push_back(std::move(work));
    else
        commit(std::move(work));
    drain_notices(lock);
}

void memory_store::read(shard_id shard, queue_read request)
{
    std::unique_lock lock{mutex_};
    if (closed_)
        return;
    if (reads_held_)
        waiting_reads_.emplace_back(shard, std::move(request));
    else
        answer(shard, request);
    drain_notices(lock);
}

void memory_store::close()
{
    release();
    std::lock_guard const lock{mutex_};
    closed_ = true;
    listeners_.clear();
}

// --- private: the lock is held -------------------------------------------------------------------

void memory_store::commit(hand_over work)
{
    pending_bytes_ -= work.bytes;
    error_code refused;
    if (!failures_.empty()) {
        refused = failures_.front();
        failures_.pop_front();
    } else if (state_ == store_state::failed)
        refused = errc::store_failed;

    std::vector<store_result> results;
    std::vector<logged_message> logged;
    for (auto const& op : work.ops) {
        auto const error =
            !refused && state_ == store_state::full && needs_space(op) ? error_code{errc::store_full} : refused;
        auto const result = error ? store_result{op.ticket, error, 0} : apply(op, logged);
        if (op.ticket != 0)
            results.push_back(result);
    }
    // Rows of a session that was never put are remains of one that was erased: not recovered, as in the real store.
    std::erase_if(sessions_, [](auto const& entry) { return entry.second.record.id == session_id{}; });
    ++committed_;
    auto const batch =
        logged.empty() ? nullptr : std::make_shared<std::vector<logged_message> const>(std::move(logged));
    for (auto const& [shard, to] : listeners_) {
        auto own = shard == work.shard ? results : std::vector<store_result>{};
        auto const sent = to.wants_log ? batch : nullptr;
        if (to.listener != nullptr && (!own.empty() || sent))
            notices_.push_back([listener = to.listener, own, sent] { listener->on_committed(own, sent); });
    }
}

store_result memory_store::apply(store_op const& op, std::vector<logged_message>& logged)
{
    store_result out{op.ticket, {}, 0};
    std::visit(
        [&](auto const& what) {
            using op_type = std::decay_t<decltype(what)>;
            if constexpr (std::is_same_v<op_type, publish_op>)
                out.sequence = apply_publish(what, logged);
            else if constexpr (std::is_same_v<op_type, put_session_op>)
                sessions_[what.record.id].record = what.record;
            else if constexpr (std::is_same_v<op_type, erase_session_op>)
                sessions_.erase(what.id);
            else if constexpr (std::is_same_v<op_type, put_subscription_op>)
                sessions_[what.id].subscriptions[what.what.filter] = what.what;
            else if constexpr (std::is_same_v<op_type, erase_subscription_op>)
                sessions_[what.id].subscriptions.erase(what.filter);
            else if constexpr (std::is_same_v<op_type, cursor_op>)
                sessions_[what.id].cursor = what.cursor;
            else if constexpr (std::is_same_v<op_type, put_inflight_op>)
                sessions_[what.id].inflight[{what.record.state == inflight_state::received, what.record.id}] =
                    what.record;
            else if constexpr (std::is_same_v<op_type, erase_inflight_op>)
                sessions_[what.id].inflight.erase({what.incoming, what.packet});
            else if constexpr (std::is_same_v<op_type, group_cursor_op>) {
                if (what.erase)
                    groups_.erase(what.group);
                else
                    groups_[what.group] = {what.group, what.filter, what.cursor};
            } else if constexpr (std::is_same_v<op_type, erase_retained_op>)
                retained_.erase({what.app, what.topic});
            else if constexpr (std::is_same_v<op_type, put_outbox_op>)
                outbox_[what.id] = what.row;
            else if constexpr (std::is_same_v<op_type, erase_outbox_op>)
                outbox_.erase(what.id);
        },
        op.what);
    return out;
}

log_sequence memory_store::apply_publish(publish_op const& op, std::vector<logged_message>& logged)
{
    log_sequence sequence = 0;
    if (!op.filters.empty()) {
        sequence = last_ + 1;
        last_ = sequence;
        log_[sequence] = op.message;
        for (auto const filter : op.filters)
            index_[filter].insert(sequence);
        logged.push_back({sequence, op.message});
    }
    if (op.retain) {
        std::pair const key{op.message->app, std::string{op.message->topic()}};
        if (op.message->payload().empty())
            retained_.erase(key);
        else
            retained_[key] = op.message;
    }
    if (op.received_by != session_id{})
        sessions_[op.received_by].inflight[{true, op.received_id}] = {
            op.received_id, inflight_state::received, qos::exactly_once, 0, {}};
    return sequence;
}

queue_page memory_store::page_of(queue_read const& request) const
{
    queue_page page;
    page.ticket = request.ticket;
    auto const end = std::min(request.upto, last_.load());
    std::set<log_sequence> due;
    std::set<log_sequence> lost;
    for (auto const& wanted : request.filters) {
        auto const found = index_.find(wanted.history ? hash_history(wanted.app, wanted.filter)
                                                      : hash_filter(wanted.app, wanted.filter));
        if (found == index_.end())
            continue;
        auto const& stream = found->second;
        for (auto at = stream.upper_bound(std::max(request.after, wanted.begin)); at != stream.end() && *at <= end;
             ++at) {
            auto const entry = log_.find(*at);
            if (entry == log_.end())
                lost.insert(*at);
            else if (entry->second->app == wanted.app && matches(inner_filter(wanted.filter), entry->second->topic()))
                due.insert(*at);
        }
    }
    page.gap = lost.size();
    for (; request.newest_max != 0 && due.size() > request.newest_max; ++page.skipped)
        due.erase(due.begin());
    std::uint64_t newest_bytes = 0;
    for (auto at = due.rbegin(); request.newest_bytes_max != 0 && at != due.rend(); ++at) {
        newest_bytes += log_.at(*at)->footprint();
        if (newest_bytes > request.newest_bytes_max && at != due.rbegin()) {
            auto const first = at.base();  // the one after it
            page.skipped += static_cast<std::uint64_t>(std::distance(due.begin(), first));
            due.erase(due.begin(), first);
            break;
        }
    }
    std::size_t bytes = 0;
    page.reached = std::max(request.after, lost.empty() ? 0 : *lost.rbegin());
    for (auto const sequence : due) {
        auto const& m = log_.at(sequence);
        if (page.messages.size() >= request.messages_max || (bytes > 0 && bytes + m->footprint() > request.bytes_max))
            return page;
        page.reached = sequence;
        if (!request.include_expired && m->expired(clock_.wall())) {
            ++page.expired;
            continue;
        }
        bytes += m->footprint();
        page.messages.push_back({sequence, m});
    }
    page.reached = std::max(request.after, end);
    page.complete = true;
    return page;
}

void memory_store::answer(shard_id shard, queue_read const& request)
{
    auto const to = listeners_.find(shard);
    if (to == listeners_.end() || to->second.listener == nullptr)
        return;
    auto& queue = pages_held_ ? held_pages_ : notices_;
    queue.push_back([listener = to->second.listener, page = page_of(request)] { listener->on_page(page); });
}

// One caller at a time, in order; a listener that calls back only adds to the queue.
void memory_store::drain_notices(std::unique_lock<std::mutex>& lock)
{
    if (notifying_)
        return;
    notifying_ = true;
    while (!notices_.empty()) {
        auto const next = std::move(notices_.front());
        notices_.pop_front();
        lock.unlock();
        next();
        lock.lock();
    }
    notifying_ = false;
}

}  // namespace fulmar::test
