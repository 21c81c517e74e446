#include "broker/retained_index.hpp"

#include "broker/fast_hash.hpp"
#include "broker/ordered_refs.hpp"
#include "broker/probe_table.hpp"
#include "broker/topic.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>
#include <shared_mutex>

namespace fulmar::broker {

namespace {

// Topics are ordered with '/' below every other byte, so that everything below a level directly follows it.
[[nodiscard]] unsigned rank(char c) noexcept { return c == '/' ? 0U : static_cast<unsigned char>(c); }

[[nodiscard]] int compare_topics(std::string_view a, std::string_view b) noexcept
{
    auto const common = std::min(a.size(), b.size());
    auto const [at_a, at_b] = std::mismatch(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(common), b.begin());
    if (at_a == a.begin() + static_cast<std::ptrdiff_t>(common))
        return a.size() == b.size() ? 0 : a.size() < b.size() ? -1 : 1;
    return rank(*at_a) < rank(*at_b) ? -1 : 1;
}

// Is `topic` the topic `parent` itself or somewhere below it?
[[nodiscard]] bool at_or_below(std::string_view topic, std::string_view parent) noexcept
{
    return topic.starts_with(parent) && (topic.size() == parent.size() || topic[parent.size()] == '/');
}

// Where a scan continues: at the first topic that is not before this.
struct seek_target
{
    enum class kind : char { at = 'a', after = 'b', after_subtree = 'c', nowhere = 'd' };
    kind how = kind::at;
    std::string topic;

    [[nodiscard]] bool is_past(std::string_view candidate) const noexcept  // is `candidate` still before the target?
    {
        auto const order = compare_topics(candidate, topic);
        if (how == kind::at)
            return order < 0;
        if (how == kind::after)
            return order <= 0;
        return order <= 0 || at_or_below(candidate, topic);
    }
};

// Decides for one topic whether it matches a filter, and if it does not, where the next one that could is to be sought.
class filter_walk
{
public:
    explicit filter_walk(std::string_view filter) : filter_{filter}
    {
        auto const first = filter.find_first_of("+#");
        literal_prefix_ = filter.substr(0, first);
        wildcard_first_ = first == 0;
    }

    [[nodiscard]] seek_target begin() const
    {
        // "a/#" begins with "a" itself.
        auto start = literal_prefix_;
        if (start.size() < filter_.size() && filter_[start.size()] == '#' && !start.empty())
            start.remove_suffix(1);
        return {seek_target::kind::at, std::string{start}};
    }

    struct verdict
    {
        bool matches = false;
        seek_target next;
    };
    [[nodiscard]] verdict judge(std::string_view topic) const;

private:
    [[nodiscard]] seek_target mismatch(std::string_view topic, std::size_t level_at, std::string_view level,
                                       std::string_view wanted, bool plus_seen) const
    {
        auto const parent = topic.substr(0, level_at);  // with its '/'
        if (compare_topics(level, wanted) < 0)
            return {seek_target::kind::at, std::string{parent}.append(wanted)};
        if (!plus_seen)
            return {seek_target::kind::nowhere, {}};
        return {seek_target::kind::after_subtree, std::string{parent.substr(0, parent.size() - 1)}};
    }

    std::string_view filter_;
    std::string_view literal_prefix_;
    bool wildcard_first_ = false;
};

[[nodiscard]] std::string_view level_at(std::string_view text, std::size_t at) noexcept
{
    return text.substr(at, text.find('/', at) - at);
}

filter_walk::verdict filter_walk::judge(std::string_view topic) const
{
    using kind = seek_target::kind;
    if (wildcard_first_ && topic.front() == '$')  // [MQTT-4.7.2-1]; '%' is the byte after '$'
        return {false, {kind::at, "%"}};
    std::size_t in_filter = 0;
    std::size_t in_topic = 0;
    auto plus_seen = false;
    while (true) {
        auto const wanted = level_at(filter_, in_filter);
        if (wanted == "#")
            return {true, {kind::after, {}}};
        auto const level = level_at(topic, in_topic);
        if (wanted == "+")
            plus_seen = true;
        else if (level != wanted)
            return {false, mismatch(topic, in_topic, level, wanted, plus_seen)};
        auto const filter_ends = in_filter + wanted.size() == filter_.size();
        auto const topic_ends = in_topic + level.size() == topic.size();
        in_filter += wanted.size() + 1;
        in_topic += level.size() + 1;
        if (filter_ends)
            return {topic_ends, {kind::after_subtree, std::string{topic.substr(0, in_topic - 1)}}};
        if (topic_ends)
            return {filter_.substr(in_filter) == "#", {kind::after, {}}};
    }
}

}  // namespace

struct retained_index::impl
{
    static constexpr std::size_t stripe_count = 16;

    struct deadline
    {
        wall_ms at = 0;
        std::uint32_t entry = 0;
        [[nodiscard]] bool operator<(deadline const& other) const noexcept  // the earliest is on top of a heap
        {
            return at != other.at ? at > other.at : entry > other.entry;
        }
        [[nodiscard]] bool operator==(deadline const&) const noexcept = default;
    };

    struct stripe
    {
        mutable std::shared_mutex lock;
        std::vector<message_ptr> entries = std::vector<message_ptr>(1);  // by reference; [0] stays empty
        std::vector<std::uint32_t> vacant;
        probe_table by_topic;
        ordered_refs in_order;
        std::vector<deadline> deadlines;  // a heap; what no longer agrees with its entry is stale
        std::size_t expiring = 0;         // entries that have a deadline

        [[nodiscard]] std::uint32_t find(app_id app, std::string_view topic, std::uint64_t hash) const
        {
            return by_topic.find(
                hash, [&](std::uint32_t i) { return entries[i]->app == app && entries[i]->topic() == topic; });
        }

        // The first entry of `app` that is not before the target.
        [[nodiscard]] ordered_refs::position seek(app_id app, seek_target const& target) const
        {
            return in_order.seek([&](std::uint32_t i) {
                auto const& m = *entries[i];
                return m.app != app ? m.app < app : target.is_past(m.topic());
            });
        }

        void add(message_ptr&& m, std::uint64_t hash);
        [[nodiscard]] message_ptr replace(std::uint32_t entry, message_ptr&& m);
        [[nodiscard]] message_ptr remove(std::uint32_t entry, std::uint64_t hash);
        void note_deadline(std::uint32_t entry);
        [[nodiscard]] bool stale(deadline const& d) const noexcept
        {
            return !entries[d.entry] || entries[d.entry]->expires_at != d.at;
        }
    };

    std::uint64_t const seed = random_seed();
    std::array<stripe, stripe_count> stripes;
    std::atomic<std::size_t> count{0};
    std::atomic<std::size_t> held_bytes{0};
    std::atomic<std::size_t> sweep_from{0};

    [[nodiscard]] std::uint64_t hash(app_id app, std::string_view topic) const noexcept
    {
        return fast_hash(topic, seed + static_cast<std::uint32_t>(app));
    }
    [[nodiscard]] stripe& stripe_of(std::uint64_t hash) noexcept { return stripes[(hash >> 60) % stripe_count]; }

    [[nodiscard]] std::size_t scan_stripe(stripe const& s, app_id app, filter_walk const& walk, seek_target& target,
                                          wall_ms now, std::size_t budget, std::vector<message_ptr>& out) const;
    [[nodiscard]] std::size_t sweep_stripe(stripe& s, wall_ms now, std::size_t budget, std::vector<message_ptr>& out);
};

void retained_index::impl::stripe::add(message_ptr&& m, std::uint64_t hash)
{
    auto const place = seek(m->app, {seek_target::kind::at, std::string{m->topic()}});
    std::uint32_t entry = 0;
    if (vacant.empty()) {
        entry = static_cast<std::uint32_t>(entries.size());
        if (entries.size() == entries.capacity())
            entries.reserve(entries.size() + std::max<std::size_t>(entries.size() / 4, 8));
        entries.push_back(std::move(m));
    } else {
        entry = vacant.back();
        vacant.pop_back();
        entries[entry] = std::move(m);
    }
    by_topic.insert(hash, entry);
    in_order.insert(place, entry);
    note_deadline(entry);
}

message_ptr retained_index::impl::stripe::replace(std::uint32_t entry, message_ptr&& m)
{
    auto const was = entries[entry]->expires_at;
    expiring -= was != 0;
    entries[entry].swap(m);
    if (entries[entry]->expires_at != was)
        note_deadline(entry);
    else
        expiring += was != 0;
    return std::move(m);
}

message_ptr retained_index::impl::stripe::remove(std::uint32_t entry, std::uint64_t hash)
{
    auto const& m = *entries[entry];
    in_order.erase(seek(m.app, {seek_target::kind::at, std::string{m.topic()}}));
    by_topic.erase(hash, entry);
    expiring -= m.expires_at != 0;
    vacant.push_back(entry);
    return std::exchange(entries[entry], nullptr);
}

void retained_index::impl::stripe::note_deadline(std::uint32_t entry)
{
    if (entries[entry]->expires_at == 0)
        return;
    ++expiring;
    // Replaced messages leave stale and double deadlines behind: never more than there are good ones.
    if (deadlines.size() >= 2 * expiring + 64) {
        std::erase_if(deadlines, [this](deadline const& d) { return stale(d); });
        std::sort(deadlines.begin(), deadlines.end());
        deadlines.erase(std::unique(deadlines.begin(), deadlines.end()), deadlines.end());
        std::make_heap(deadlines.begin(), deadlines.end());
    }
    deadlines.push_back({entries[entry]->expires_at, entry});
    std::push_heap(deadlines.begin(), deadlines.end());
}

// Returns how many entries it looked at; target becomes `nowhere` when the stripe is finished.
std::size_t retained_index::impl::scan_stripe(stripe const& s, app_id app, filter_walk const& walk, seek_target& target,
                                              wall_ms now, std::size_t budget, std::vector<message_ptr>& out) const
{
    using kind = seek_target::kind;
    std::shared_lock const held{s.lock};
    auto at = s.seek(app, target);
    std::size_t looked = 0;
    while (true) {
        if (s.in_order.at_end(at) || s.entries[s.in_order[at]]->app != app) {
            target = {kind::nowhere, {}};
            return looked;
        }
        auto const& m = s.entries[s.in_order[at]];
        if (looked == budget) {
            target = {kind::at, std::string{m->topic()}};
            return looked;
        }
        ++looked;
        auto verdict = walk.judge(m->topic());
        if (verdict.matches && !m->expired(now))
            out.push_back(m);
        if (verdict.next.how == kind::nowhere) {
            target = {kind::nowhere, {}};
            return looked;
        }
        at = s.in_order.next(at);
        if (verdict.next.how == kind::after || s.in_order.at_end(at))
            continue;
        auto const& following = *s.entries[s.in_order[at]];
        if (following.app == app && verdict.next.is_past(following.topic()))
            at = s.seek(app, verdict.next);
    }
}

std::size_t retained_index::impl::sweep_stripe(stripe& s, wall_ms now, std::size_t budget,
                                               std::vector<message_ptr>& out)
{
    std::lock_guard const held{s.lock};
    std::size_t looked = 0;
    while (looked < budget && !s.deadlines.empty() && s.deadlines.front().at <= now) {
        auto const due = s.deadlines.front();
        std::pop_heap(s.deadlines.begin(), s.deadlines.end());
        s.deadlines.pop_back();
        ++looked;
        if (s.stale(due))
            continue;
        auto const& m = *s.entries[due.entry];
        out.push_back(s.remove(due.entry, hash(m.app, m.topic())));
        count.fetch_sub(1, std::memory_order_relaxed);
        held_bytes.fetch_sub(out.back()->footprint(), std::memory_order_relaxed);
    }
    return looked;
}

retained_index::retained_index() : impl_{std::make_unique<impl>()} {}
retained_index::~retained_index() = default;

void retained_index::set(message_ptr m)
{
    auto& index = *impl_;
    auto const hash = index.hash(m->app, m->topic());
    auto& s = index.stripe_of(hash);
    auto const removes = m->payload().empty();
    auto const added_bytes = m->footprint();
    message_ptr replaced;  // dies after the lock is released
    {
        std::lock_guard const held{s.lock};
        auto const found = s.find(m->app, m->topic(), hash);
        if (removes) {
            if (found == 0)
                return;
            replaced = s.remove(found, hash);
        } else if (found != 0) {
            replaced = s.replace(found, std::move(m));
        } else {
            s.add(std::move(m), hash);
        }
        // Counted under the lock, so that the sums never fall below zero.
        if (!removes)
            index.held_bytes.fetch_add(added_bytes, std::memory_order_relaxed);
        if (replaced)
            index.held_bytes.fetch_sub(replaced->footprint(), std::memory_order_relaxed);
        if (removes)
            index.count.fetch_sub(1, std::memory_order_relaxed);
        else if (!replaced)
            index.count.fetch_add(1, std::memory_order_relaxed);
    }
}

message_ptr retained_index::get(app_id app, std::string_view topic) const
{
    auto const hash = impl_->hash(app, topic);
    auto const& s = impl_->stripe_of(hash);
    std::shared_lock const held{s.lock};
    auto const found = s.find(app, topic, hash);
    return found != 0 ? s.entries[found] : nullptr;
}

void retained_index::scan(app_id app, std::string_view filter, wall_ms now, scan_state& state, std::size_t budget,
                          std::vector<message_ptr>& out) const
{
    if (state.done)
        return;
    if (!has_wildcard(filter)) {
        auto m = get(app, filter);
        if (m && !m->expired(now))
            out.push_back(std::move(m));
        state.done = true;
        return;
    }
    filter_walk const walk{filter};
    std::size_t number = 0;
    auto target = walk.begin();
    if (!state.cursor.empty()) {  // stripe number, kind, topic
        number = static_cast<unsigned char>(state.cursor[0]);
        target = {static_cast<seek_target::kind>(state.cursor[1]), state.cursor.substr(2)};
    }
    while (true) {
        budget -= impl_->scan_stripe(impl_->stripes[number], app, walk, target, now, budget, out);
        if (target.how == seek_target::kind::nowhere) {
            target = walk.begin();
            if (++number == impl::stripe_count) {
                state = {{}, true};
                return;
            }
        }
        if (budget == 0)
            break;
    }
    state.cursor.assign(1, static_cast<char>(number));
    state.cursor.push_back(static_cast<char>(target.how));
    state.cursor.append(target.topic);
}

std::vector<message_ptr> retained_index::sweep_expired(wall_ms now, std::size_t budget)
{
    std::vector<message_ptr> removed;
    auto const first = impl_->sweep_from.fetch_add(1, std::memory_order_relaxed);
    for (std::size_t i = 0; i < impl::stripe_count && budget > 0; ++i)
        budget -= impl_->sweep_stripe(impl_->stripes[(first + i) % impl::stripe_count], now, budget, removed);
    return removed;
}

std::size_t retained_index::size() const noexcept { return impl_->count.load(std::memory_order_relaxed); }
std::size_t retained_index::bytes() const noexcept { return impl_->held_bytes.load(std::memory_order_relaxed); }

}  // namespace fulmar::broker
