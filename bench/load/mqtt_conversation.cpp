#include "bench/load/mqtt_conversation.hpp"

#include "bench/load/ws_wire.hpp"

namespace fulmar::load {

mqtt_conversation::mqtt_conversation(swarm& all, broker_address const& address)
    : all_{all}, address_{address}, websocket_{address.speaks == protocol::mqtt_ws}, v5_{address.v5}
{
}

void mqtt_conversation::on_connected(client& c)
{
    if (!websocket_)
        return greet(c);
    all_.set_state(c, client::state::upgrading);
    all_.out(c) = ws_request(address_.host, address_.port, path_for(address_, "/mqtt", {}, 0), "mqtt");
}

void mqtt_conversation::greet(client& c)
{
    all_.set_state(c, client::state::greeting);
    scratch_.clear();
    write_connect(scratch_, c.settings.connect, v5_);
    send(c, scratch_);
}

void mqtt_conversation::send(client& c, std::string_view packet)
{
    auto& out = all_.out(c);
    if (!websocket_) {
        out.append(packet);
        return;
    }
    mask_ = mask_ * 1'664'525U + 1'013'904'223U;
    write_ws_frame(out, packet, 2, mask_);
}

void mqtt_conversation::publish(client& c, std::string_view topic, std::string_view payload, std::uint8_t qos,
                                std::uint16_t id)
{
    scratch_.clear();
    write_publish(scratch_, topic, payload, qos, id, v5_);
    send(c, scratch_);
}

void mqtt_conversation::leave(client& c)
{
    scratch_.clear();
    write_disconnect(scratch_);
    send(c, scratch_);
}

void mqtt_conversation::on_bytes(client& c, std::string_view& bytes)
{
    if (c.now() == client::state::upgrading) {
        auto const size = ws_response(bytes);
        if (size == malformed)
            return all_.drop(c,
                             "the WebSocket handshake was refused: " + std::string{bytes.substr(0, bytes.find('\r'))});
        if (size == 0)
            return;
        bytes.remove_prefix(size);
        greet(c);
    }
    if (websocket_)
        on_frames(c, bytes);
    else
        on_packets(c, bytes);
}

void mqtt_conversation::on_frames(client& c, std::string_view& bytes)
{
    while (c.open()) {
        auto const frame = read_ws_frame(bytes);
        if (frame.bytes == 0)
            return;
        bytes.remove_prefix(frame.bytes);
        if (!on_ws_frame(c, frame.opcode, frame.payload))
            return;
    }
}

bool mqtt_conversation::on_ws_frame(client& c, std::uint8_t opcode, std::string_view payload)
{
    if (opcode == 8) {
        all_.drop(c, "the broker closed the WebSocket");
        return false;
    }
    if (opcode == 9) {
        write_ws_frame(all_.out(c), payload, 10, mask_);
    }
    if (opcode > 2)
        return true;
    if (c.partial.empty()) {
        on_packets(c, payload);
        c.partial.assign(payload);
        return c.open();
    }
    auto joined = std::move(c.partial);
    joined.append(payload);
    std::string_view packets{joined};
    on_packets(c, packets);
    c.partial.assign(packets);
    return c.open();
}

void mqtt_conversation::on_packets(client& c, std::string_view& bytes)
{
    auto const used =
        for_each_packet(bytes, [&](std::uint8_t first, std::string_view body) { return on_packet(c, first, body); });
    if (used == malformed)
        return all_.drop(c, "malformed packet");
    bytes.remove_prefix(used);
}

// False when the client closed.
bool mqtt_conversation::on_packet(client& c, std::uint8_t first, std::string_view body)
{
    auto const type = static_cast<packet_type>(first >> 4);
    if (type == packet_type::publish) {
        on_publish(c, first, body);
        return c.open();
    }
    auto const id = body.size() >= 2 ? read_u16(body.data()) : std::uint16_t{0};
    std::string written;
    switch (type) {
    case packet_type::connack: on_connack(c, body); break;
    case packet_type::suback: on_suback(c, body); break;
    case packet_type::puback:
    case packet_type::pubrec:
    case packet_type::pubcomp:
        if (v5_ && body.size() > 2 && static_cast<unsigned char>(body[2]) >= 0x80) {
            all_.drop(c, "publish refused with reason code " + std::to_string(static_cast<unsigned char>(body[2])));
        } else if (type == packet_type::pubrec) {
            write_ack(written, packet_type::pubrel, id);
        } else {
            c.events->on_published(c, id);
        }
        break;
    case packet_type::pubrel: write_ack(written, packet_type::pubcomp, id); break;
    case packet_type::disconnect:
        all_.drop(
            c, "DISCONNECT with reason code " + std::to_string(body.empty() ? 0 : static_cast<unsigned char>(body[0])));
        break;
    default: break;
    }
    if (!written.empty())
        send(c, written);
    return c.open();
}

void mqtt_conversation::on_publish(client& c, std::uint8_t first, std::string_view body)
{
    publish_view view;
    if (!read_publish(first & 0x0F, body, v5_, view))
        return all_.drop(c, "malformed PUBLISH");
    c.events->on_message(c, view);
    if (view.qos == 0 || !c.open())
        return;
    std::string ack;
    write_ack(ack, view.qos == 1 ? packet_type::puback : packet_type::pubrec, view.packet_id);
    send(c, ack);
}

void mqtt_conversation::on_connack(client& c, std::string_view body)
{
    if (!read_connack(body, v5_, c.connack()))
        return all_.drop(c, "malformed CONNACK");
    if (c.connack().code != 0)
        return all_.drop(c, "CONNACK refuses with code " + std::to_string(c.connack().code));
    if (c.settings.filter.empty())
        return all_.become_ready(c);
    all_.set_state(c, client::state::subscribing);
    scratch_.clear();
    write_subscribe(scratch_, 65'535, c.settings.filter, c.settings.qos, v5_);
    send(c, scratch_);
}

void mqtt_conversation::on_suback(client& c, std::string_view body)
{
    if (body.size() < 3 || static_cast<unsigned char>(body.back()) >= 0x80)
        return all_.drop(c, "SUBACK refuses");
    if (c.now() == client::state::subscribing)
        all_.become_ready(c);
}

}  // namespace fulmar::load
