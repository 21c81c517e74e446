#include "tests/ledger/publisher.hpp"

#include <algorithm>

namespace fulmar::ledger {

namespace {

constexpr std::size_t backlog_max = 256 * 1024;

}  // namespace

publisher::publisher(event_loop& loop, publisher_settings settings, journal& book)
    : client(loop, settings.connection),
      settings_(std::move(settings)),
      book_(book),
      window_(settings_.window),
      sequences_(settings_.topics),
      last_acknowledged_(settings_.topics)
{
    std::vector<stream_id> streams;
    for (std::uint32_t topic = 0; topic < settings_.topics; ++topic)
        streams.push_back({settings_.number, topic});
    book_.header(settings_.run, settings_.qos, streams);
}

void publisher::tick(std::chrono::milliseconds since_last)
{
    if (!running_ || !online())
        return;
    due_ = std::min(due_ + settings_.rate_per_s * static_cast<double>(since_last.count()) / 1'000, 10'000.0);
    while (due_ >= 1 && in_flight_.size() < window_ && backlog() < backlog_max) {
        due_ -= 1;
        publish_next();
    }
    flush();
}

void publisher::publish_next()
{
    do
        ++next_id_;
    while (next_id_ == 0 || order_by_id_.contains(next_id_));
    flight f;
    f.id = next_id_;
    f.topic = next_topic_;
    f.sequence = ++sequences_[f.topic];
    next_topic_ = (next_topic_ + 1) % settings_.topics;
    auto const order = ++sent_;
    order_by_id_[f.id] = order;
    in_flight_[order] = f;
    book_.sent(f.topic, f.sequence);
    transmit(f, false);
}

void publisher::transmit(flight const& f, bool dup)
{
    if (f.released) {
        send(encode_ack(packet_type::pubrel, f.id));
        return;
    }
    stream_id const stream{settings_.number, f.topic};
    auto const payload = make_payload({settings_.run, stream, f.sequence}, settings_.payload_bytes);
    auto const topic = topic_name(settings_.run, stream);
    send(encode_publish({speaks(), topic, payload, settings_.qos, f.id, dup}));
}

void publisher::on_session(packet const& connack)
{
    window_ = std::min<std::size_t>(settings_.window, connack.receive_maximum);
    if (established_ && !connack.session_present) {
        // Whatever was under way is nobody's any more: its fate stays unknown.
        book_.forgotten();
        in_flight_.clear();
        order_by_id_.clear();
    }
    established_ = true;
    resume();
}

void publisher::resume()
{
    for (auto const& [order, f] : in_flight_)
        transmit(f, true);
}

void publisher::on_packet(packet const& p)
{
    switch (p.type) {
    case packet_type::puback:
        if (settings_.qos == 1)
            return settle(p.id, p.reason);
        break;
    case packet_type::pubrec:
        if (settings_.qos == 2)
            return received(p.id, p.reason);
        break;
    case packet_type::pubcomp:
        if (settings_.qos == 2)
            return settle(p.id, 0);
        break;
    case packet_type::disconnect: return drop_connection();
    case packet_type::pingresp: return;
    default: break;
    }
    book_.violation("a publisher was sent packet type " + std::to_string(static_cast<int>(p.type)));
}

void publisher::settle(std::uint16_t id, std::uint8_t reason)
{
    auto const order = order_by_id_.find(id);
    if (order == order_by_id_.end()) {
        book_.violation("acknowledgement of packet id " + std::to_string(id) + ", which is not in flight");
        return;
    }
    auto const found = in_flight_.find(order->second);
    auto const f = found->second;
    in_flight_.erase(found);
    order_by_id_.erase(order);
    if (f.released)
        return;  // QoS 2: the promise was given by PUBREC
    if (settings_.qos == 2)
        book_.violation("PUBCOMP without PUBREC for packet id " + std::to_string(id));
    else if (reason >= 0x80)
        book_.refused(f.topic, f.sequence, reason);
    else
        note_acknowledged(f);
}

void publisher::received(std::uint16_t id, std::uint8_t reason)
{
    auto const order = order_by_id_.find(id);
    if (order == order_by_id_.end()) {
        book_.violation("PUBREC for packet id " + std::to_string(id) + ", which is not in flight");
        return;
    }
    auto& f = in_flight_.at(order->second);
    if (reason >= 0x80) {
        book_.refused(f.topic, f.sequence, reason);
        in_flight_.erase(order->second);
        order_by_id_.erase(order);
        return;
    }
    if (!f.released) {
        f.released = true;
        note_acknowledged(f);
    }
    transmit(f, false);
}

void publisher::note_acknowledged(flight const& f)
{
    book_.acknowledged(f.topic, f.sequence);
    last_acknowledged_[f.topic] = std::max(last_acknowledged_[f.topic], f.sequence);
    ++acknowledged_;
}

}  // namespace fulmar::ledger
