// MQTT 3.1.1 and 5.0 as a client, QoS 0 to 2, over TCP or WebSocket; acknowledges by itself.
//
// Spec:     MQTT 3.1.1, MQTT 5.0; §6 (WebSocket).
#pragma once

#include "bench/load/conversation.hpp"

namespace fulmar::load {

class mqtt_conversation final : public conversation
{
public:
    mqtt_conversation(swarm& all, broker_address const& address);

    void on_connected(client& c) override;
    void on_bytes(client& c, std::string_view& bytes) override;
    void publish(client& c, std::string_view topic, std::string_view payload, std::uint8_t qos,
                 std::uint16_t id) override;
    void leave(client& c) override;

private:
    void greet(client& c);
    void on_frames(client& c, std::string_view& bytes);
    [[nodiscard]] bool on_ws_frame(client& c, std::uint8_t opcode, std::string_view payload);
    void on_packets(client& c, std::string_view& bytes);
    [[nodiscard]] bool on_packet(client& c, std::uint8_t first, std::string_view body);
    void on_publish(client& c, std::uint8_t first, std::string_view body);
    void on_connack(client& c, std::string_view body);
    void on_suback(client& c, std::string_view body);
    void send(client& c, std::string_view packet);

    swarm& all_;
    broker_address const address_;
    bool const websocket_;
    bool const v5_;
    std::string scratch_;  // the packet being written
    std::uint32_t mask_ = 0x9E3779B9;
};

}  // namespace fulmar::load
