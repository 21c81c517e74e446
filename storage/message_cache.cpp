#include "storage/message_cache.hpp"

#include <algorithm>

namespace fulmar::storage {

using namespace broker;

message_cache::message_cache(std::size_t bytes_max) : bytes_max_{bytes_max} {}

void message_cache::add(std::span<logged_message const> messages)
{
    if (bytes_max_ == 0 || messages.empty())
        return;
    std::vector<message_ptr> evicted;  // freed after the lock
    std::lock_guard const lock{mutex_};
    if (slots_.empty())
        slots_.resize(slot_count);
    for (auto const& each : messages) {
        auto& slot = slots_[each.sequence % slot_count];
        if (slot.sequence == each.sequence)
            continue;
        auto const footprint = each.message->footprint();
        if (footprint > bytes_max_ / 8)
            continue;
        if (slot.message) {
            bytes_ -= slot.message->footprint();
            evicted.push_back(std::move(slot.message));
        }
        slot = each;
        bytes_ += footprint;
        if (bytes_ > bytes_max_ && hand_ == each.sequence % slot_count)
            hand_ = (hand_ + 1) % slot_count;  // never the one just added
        for (; bytes_ > bytes_max_; hand_ = (hand_ + 1) % slot_count)
            if (auto& oldest = slots_[hand_]; oldest.message) {
                bytes_ -= oldest.message->footprint();
                evicted.push_back(std::move(oldest.message));
                oldest = {};
            }
    }
}

std::size_t message_cache::find(std::span<logged_message> wanted) const
{
    std::size_t found = 0;
    std::lock_guard const lock{mutex_};
    if (slots_.empty())
        return 0;
    for (auto& each : wanted)
        if (auto const& slot = slots_[each.sequence % slot_count]; slot.sequence == each.sequence) {
            each.message = slot.message;
            ++found;
        }
    return found;
}

}  // namespace fulmar::storage
