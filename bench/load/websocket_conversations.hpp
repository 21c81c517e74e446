// Text protocols over WebSocket: Pusher's subscribers and members of presence channels, and Socket.IO.
//
// Spec:     RFC 6455; Pusher Channels protocol 7; Engine.IO 4, Socket.IO 5.
#pragma once

#include "bench/load/conversation.hpp"

namespace fulmar::load {

class websocket_conversation : public conversation
{
public:
    websocket_conversation(swarm& all, broker_address const& address) : all_{all}, address_{address} {}

    void on_connected(client& c) override;
    void on_bytes(client& c, std::string_view& bytes) override;

protected:
    [[nodiscard]] virtual std::string target(client const& c) const = 0;
    virtual void on_text(client& c, std::string_view text) = 0;
    void say(client& c, std::string_view text);

    swarm& all_;
    broker_address const address_;

private:
    void on_frame(client& c, std::uint8_t opcode, std::string_view payload);

    std::uint32_t mask_ = 0x9E3779B9;
};

class pusher_conversation final : public websocket_conversation
{
public:
    using websocket_conversation::websocket_conversation;
    void publish(client&, std::string_view, std::string_view, std::uint8_t, std::uint16_t) override {}

private:
    [[nodiscard]] std::string target(client const& c) const override;
    void on_text(client& c, std::string_view text) override;
    void on_own_event(client& c, std::string_view event, std::string_view text);
    void subscribe(client& c, std::string channel, std::string_view socket);
};

// The server joins a room at ["join", room] and passes ["say", room, payload] on to it as ["said", payload]; it
// acknowledges both (bench/peers/socket_io.mjs).
class socket_io_conversation final : public websocket_conversation
{
public:
    using websocket_conversation::websocket_conversation;
    void publish(client& c, std::string_view topic, std::string_view payload, std::uint8_t qos,
                 std::uint16_t id) override;

private:
    [[nodiscard]] std::string target(client const& c) const override;
    void on_text(client& c, std::string_view text) override;

    std::string scratch_;
};

// The value of the string member `name` of a JSON object on one level, without unescaping; empty if there is none.
[[nodiscard]] std::string_view json_text_member(std::string_view object, std::string_view name) noexcept;

}  // namespace fulmar::load
