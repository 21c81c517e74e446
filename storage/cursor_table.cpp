#include "storage/cursor_table.hpp"

#include "broker/topic.hpp"

#include <algorithm>
#include <type_traits>

namespace fulmar::storage {

using namespace broker;

namespace {

constexpr std::size_t entries_per_slice = 4096;

// Shared subscriptions are read by their group's cursor, QoS 0 never from the log.
bool reads_log(subscription const& what)
{
    return what.options.level != qos::at_most_once && !what.filter.starts_with("$share/");
}

}  // namespace

void cursor_table::apply(std::vector<store_op> const& ops)
{
    std::lock_guard const lock{mutex_};
    for (auto const& op : ops)
        apply_one(op);
}

void cursor_table::apply_one(store_op const& op)
{
    std::visit(
        [this](auto const& what) {
            using op_type = std::decay_t<decltype(what)>;
            if constexpr (std::is_same_v<op_type, put_session_op>) {
                at(what.record.id);
                apps_[slots_[what.record.id]] = what.record.app;
            } else if constexpr (std::is_same_v<op_type, erase_session_op>)
                erase(what.id);
            else if constexpr (std::is_same_v<op_type, put_subscription_op>)
                put_subscription(what.id, what.what);
            else if constexpr (std::is_same_v<op_type, erase_subscription_op>)
                erase_subscription(what.id, what.filter);
            else if constexpr (std::is_same_v<op_type, cursor_op>) {
                if (auto const found = slots_.find(what.id); found != slots_.end())
                    entries_[found->second].cursor = what.cursor;
            } else if constexpr (std::is_same_v<op_type, put_inflight_op>)
                put_inflight(what.id, what.record);
            else if constexpr (std::is_same_v<op_type, erase_inflight_op>) {
                auto const found = what.incoming ? inflight_.end() : inflight_.find(what.id);
                if (found != inflight_.end() && found->second.erase(what.packet) > 0 && found->second.empty())
                    inflight_.erase(found);
            } else if constexpr (std::is_same_v<op_type, group_cursor_op>) {
                if (what.erase)
                    groups_.erase(what.group);
                else
                    groups_[what.group] = what.cursor;
            }
        },
        op.what);
}

void cursor_table::restore(recovered_session const& session)
{
    std::lock_guard const lock{mutex_};
    at(session.record.id).cursor = session.cursor;
    apps_[slots_[session.record.id]] = session.record.app;
    for (auto const& what : session.subscriptions)
        put_subscription(session.record.id, what);
    for (auto const& record : session.inflight)
        put_inflight(session.record.id, record);
}

void cursor_table::restore(recovered_group const& group)
{
    std::lock_guard const lock{mutex_};
    groups_[group.group] = group.cursor;
}

log_sequence cursor_table::lowest(log_sequence bound) const
{
    auto lowest = bound;
    for_each_entry([&](entry const& each) {
        if (!each.filters.empty())
            lowest = std::min(lowest, std::max(each.cursor, each.begin));
    });
    std::lock_guard const lock{mutex_};
    for (auto const& [group, cursor] : groups_)
        lowest = std::min(lowest, cursor);
    for (auto const& [id, packets] : inflight_)
        for (auto const& [packet, sequence] : packets)
            lowest = std::min(lowest, sequence - 1);
    return lowest;
}

std::unordered_map<filter_hash, log_sequence> cursor_table::behind(log_sequence position) const
{
    std::unordered_map<filter_hash, log_sequence> out;
    auto const need = [&](filter_hash filter, log_sequence from) {
        auto const [at, added] = out.try_emplace(filter, from);
        if (!added)
            at->second = std::min(at->second, from);
    };
    for_each_entry([&](entry const& each) {
        auto const from = std::max(each.cursor, each.begin);
        if (from < position)
            for (auto const filter : each.filters)
                need(filter, from);
    });
    std::lock_guard const lock{mutex_};
    for (auto const& [group, cursor] : groups_)
        if (cursor < position)
            need(group, cursor);
    return out;
}

std::size_t cursor_table::sessions() const
{
    std::lock_guard const lock{mutex_};
    return slots_.size();
}

void cursor_table::put_subscription(session_id id, subscription const& what)
{
    auto& of = at(id);
    auto const hash = hash_filter(app_of(id), what.filter);
    std::erase(of.filters, hash);
    if (!reads_log(what))
        return;
    of.begin = of.filters.empty() ? what.begin : std::min(of.begin, what.begin);
    of.filters.push_back(hash);
}

void cursor_table::erase_subscription(session_id id, std::string_view filter)
{
    if (auto const found = slots_.find(id); found != slots_.end())
        std::erase(entries_[found->second].filters, hash_filter(apps_[found->second], filter));
}

void cursor_table::put_inflight(session_id id, inflight_record const& record)
{
    if (record.state == inflight_state::received)
        return;
    // After PUBREC the message itself is not needed any more.
    if (record.state == inflight_state::published && record.sequence != 0)
        inflight_[id][record.id] = record.sequence;
    else if (auto const found = inflight_.find(id); found != inflight_.end())
        found->second.erase(record.id);
}

void cursor_table::erase(session_id id)
{
    inflight_.erase(id);
    auto const found = slots_.find(id);
    if (found == slots_.end())
        return;
    entries_[found->second] = {};
    free_.push_back(found->second);
    slots_.erase(found);
}

cursor_table::entry& cursor_table::at(session_id id)
{
    auto const [found, added] = slots_.try_emplace(id, 0);
    if (added) {
        if (free_.empty()) {
            found->second = entries_.size();
            entries_.emplace_back();
            apps_.push_back(default_app);
        } else {
            found->second = free_.back();
            free_.pop_back();
            apps_[found->second] = default_app;
        }
        entries_[found->second].used = true;
    }
    return entries_[found->second];
}

app_id cursor_table::app_of(session_id id) const
{
    auto const found = slots_.find(id);
    return found == slots_.end() ? default_app : apps_[found->second];
}

// Visits without holding the lock for long. What changes meanwhile only moves forward or begins at the end of the log,
// which is beyond the bound that the maintenance thread trims to.
template <class Visit>
void cursor_table::for_each_entry(Visit&& visit) const
{
    for (std::size_t from = 0;; from += entries_per_slice) {
        std::lock_guard const lock{mutex_};
        if (from >= entries_.size())
            return;
        for (auto at = from; at < std::min(entries_.size(), from + entries_per_slice); ++at)
            if (entries_[at].used)
                visit(entries_[at]);
    }
}

}  // namespace fulmar::storage
