#include "tests/ledger/subscriber.hpp"

#include <algorithm>

namespace fulmar::ledger {

namespace {

constexpr std::uint64_t messages_between_faults = 200;

}  // namespace

subscriber::subscriber(event_loop& loop, subscriber_settings settings, journal& book)
    : client(loop, settings.connection),
      settings_(std::move(settings)),
      book_(book),
      until_fault_(messages_between_faults)
{
    book_.header(settings_.run, settings_.qos, settings_.expects);
}

std::uint64_t subscriber::highest(stream_id stream) const
{
    auto const found = highest_.find(stream);
    return found == highest_.end() ? 0 : found->second;
}

void subscriber::on_session(packet const& connack)
{
    book_.connected();
    if (established_ && !connack.session_present) {
        book_.forgotten();
        received_ids_.clear();
        subscribed_ = false;
    }
    established_ = true;
    if (!subscribed_)
        send(encode_subscribe(speaks(), 1, settings_.filters, settings_.qos));
}

void subscriber::on_lost() { book_.disconnected(); }

void subscriber::on_packet(packet const& p)
{
    switch (p.type) {
    case packet_type::publish: return on_publish(p);
    case packet_type::pubrel: received_ids_.erase(p.id); return send(encode_ack(packet_type::pubcomp, p.id));
    case packet_type::suback:
        if (p.reason > 2)
            book_.violation("SUBSCRIBE was refused with " + std::to_string(p.reason));
        subscribed_ = true;
        return;
    case packet_type::disconnect: return drop_connection();
    case packet_type::pingresp: return;
    default: book_.violation("a subscriber was sent packet type " + std::to_string(static_cast<int>(p.type)));
    }
}

void subscriber::on_publish(packet const& p)
{
    if (p.qos != 0 && p.id == 0) {
        book_.violation("PUBLISH without a packet id");
        return drop_connection();
    }
    if (p.qos > settings_.qos)
        book_.violation("PUBLISH above the granted QoS");
    if (p.qos == 2) {
        bool const first = received_ids_.insert(p.id).second;
        if (first)
            record(p);
        else if (!p.dup)
            book_.violation("packet id " + std::to_string(p.id) + " was used again before its handshake ended");
        return send(encode_ack(packet_type::pubrec, p.id));
    }
    record(p);
    if (p.qos == 1)
        send(encode_ack(packet_type::puback, p.id));
}

void subscriber::record(packet const& p)
{
    ++deliveries_;
    auto const id = read_payload(p.payload);
    bool const damaged = settings_.fault == sabotage::corrupt && --until_fault_ == 0;
    if (damaged)
        until_fault_ = messages_between_faults;
    if (damaged || !id || p.topic != topic_name(id->run, id->stream) || id->run != settings_.run)
        return book_.corrupt(p.payload);
    auto& highest = highest_[id->stream];
    highest = std::max(highest, id->sequence);
    write_down(*id, p.dup);
}

void subscriber::write_down(message_id const& id, bool dup)
{
    if (held_.sequence != 0 && held_.stream == id.stream) {
        book_.received(id.stream, id.sequence, dup);
        book_.received(held_.stream, held_.sequence, false);
        held_.sequence = 0;
        return;
    }
    bool const faulty =
        settings_.fault != sabotage::none && settings_.fault != sabotage::corrupt && --until_fault_ == 0;
    if (!faulty)
        return book_.received(id.stream, id.sequence, dup);
    until_fault_ = messages_between_faults;
    if (settings_.fault == sabotage::swap) {
        held_ = id;
    } else if (settings_.fault == sabotage::repeat) {
        book_.received(id.stream, id.sequence, dup);
        book_.received(id.stream, id.sequence, dup);
    }
}

void subscriber::begin_flapping(std::chrono::milliseconds mean)
{
    flapping_ = true;
    flap_mean_ = mean;
    flap_later();
}

void subscriber::end_flapping()
{
    flapping_ = false;
    go_online();
}

void subscriber::flap_later()
{
    std::uniform_real_distribution<> share{0.2, 1.8};
    auto const wait =
        std::chrono::milliseconds{static_cast<std::int64_t>(static_cast<double>(flap_mean_.count()) * share(random_))};
    loop_.after(wait, [this] {
        if (!flapping_)
            return;
        if (online()) {
            std::uniform_int_distribution<> how{0, 2};
            go_offline(static_cast<goodbye>(how(random_)));
        } else {
            go_online();
        }
        flap_later();
    });
}

}  // namespace fulmar::ledger
