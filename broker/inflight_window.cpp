#include "broker/inflight_window.hpp"

#include "broker/errors.hpp"

#include <algorithm>

namespace fulmar::broker {

namespace {
[[nodiscard]] packet_id successor(packet_id id) noexcept
{
    return id == 65'535 ? packet_id{1} : static_cast<packet_id>(id + 1);
}
}  // namespace

packet_id inflight_window::next_id() noexcept
{
    // With span_max entries in sequence the successor is always free; after a restart it may be taken.
    last_id_ = successor(last_id_);
    while (!in_sequence_ && find(last_id_) != nullptr)
        last_id_ = successor(last_id_);
    return last_id_;
}

inflight_entry& inflight_window::push(inflight_entry entry)
{
    FULMAR_ASSERT(!full());
    auto const previous = last_id_;
    entry.id = next_id();
    if (!entries_.empty() && entry.id != successor(previous))
        in_sequence_ = false;
    entries_.push_back(std::move(entry));
    return entries_[entries_.size() - 1];
}

void inflight_window::restore(inflight_entry entry)
{
    in_sequence_ = false;
    last_id_ = entry.id;
    entries_.push_back(std::move(entry));
}

inflight_entry* inflight_window::find(packet_id id) noexcept
{
    if (entries_.empty() || id == 0)
        return nullptr;
    if (in_sequence_) {
        auto const first = entries_.front().id;
        auto const distance = id >= first ? id - first : id + 65'535 - first;
        if (static_cast<std::size_t>(distance) >= entries_.size())
            return nullptr;
        auto& entry = entries_[static_cast<std::size_t>(distance)];
        return entry.acknowledged ? nullptr : &entry;
    }
    auto const found = std::find_if(entries_.begin(), entries_.end(),
                                    [id](auto const& entry) { return entry.id == id && !entry.acknowledged; });
    return found == entries_.end() ? nullptr : &*found;
}

inflight_entry* inflight_window::find_sequence(log_sequence sequence) noexcept
{
    auto const found = std::find_if(entries_.begin(), entries_.end(), [sequence](auto const& entry) {
        return entry.sequence == sequence && entry.group.number == 0;
    });
    return found == entries_.end() ? nullptr : &*found;
}

std::optional<log_sequence> inflight_window::first_unacknowledged() const noexcept
{
    std::optional<log_sequence> lowest;
    for (auto const& entry : entries_) {
        if (!entry.acknowledged && entry.sequence != 0 && entry.group.number == 0 &&
            (!lowest || entry.sequence < *lowest))
            lowest = entry.sequence;
        if (lowest && in_sequence_)
            break;  // sent in log order
    }
    return lowest;
}

}  // namespace fulmar::broker
