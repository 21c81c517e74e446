#include "bench/load/publisher.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace fulmar::load {

publisher::publisher(publisher_settings settings, client& connection)
    : settings_{std::move(settings)},
      client_{connection},
      payload_{blank_payload(settings_.payload.size(), settings_.number)},
      slots_(std::bit_ceil(settings_.windowed ? settings_.window : settings_.outstanding_max))
{
}

bool publisher::may_publish() const noexcept
{
    if (settings_.qos > 0) {
        auto const protocol_max =
            std::min<std::size_t>(std::as_const(client_).connack().receive_maximum, slots_.size());
        if (unacknowledged_ >= protocol_max)
            return false;
        // An identifier and a slot are free again only when those before them are.
        if (next_ - first_unacknowledged_ >= slots_.size())
            return false;
    }
    if (!settings_.windowed)
        return true;
    if (settings_.window_by_ack)
        return unacknowledged_ < settings_.window;
    return next_ - complete_ < settings_.window;
}

void publisher::publish(swarm& through, std::int64_t stamped_ns)
{
    auto& s = slots_[place(next_)];
    s = {stamped_ns, settings_.receivers, settings_.qos > 0};
    unacknowledged_ += settings_.qos > 0;
    settings_.payload.write(payload_, {settings_.number, next_, stamped_ns});
    through.publish(client_, settings_.topic, payload_, settings_.qos, static_cast<std::uint16_t>(next_ % ids + 1));
    ++next_;
}

bool publisher::on_received(std::uint64_t sequence) noexcept
{
    if (!settings_.windowed || settings_.window_by_ack || sequence < complete_ || sequence >= next_)
        return false;
    auto& s = slots_[place(sequence)];
    if (s.waiting_for > 0)
        --s.waiting_for;
    auto const before = complete_;
    while (complete_ < next_ && slots_[place(complete_)].waiting_for == 0)
        ++complete_;
    return complete_ != before;
}

std::int64_t publisher::on_acknowledged(std::uint16_t id, std::int64_t now_ns) noexcept
{
    auto const first_id = first_unacknowledged_ % ids + 1;
    auto const sequence = first_unacknowledged_ + (id + ids - first_id) % ids;
    if (sequence >= next_ || !slots_[place(sequence)].unacknowledged)
        return -1;
    slots_[place(sequence)].unacknowledged = false;
    --unacknowledged_;
    while (first_unacknowledged_ < next_ && !slots_[place(first_unacknowledged_)].unacknowledged)
        ++first_unacknowledged_;
    return now_ns - slots_[place(sequence)].sent_at;
}

}  // namespace fulmar::load
