// gRPC: a subscriber is a Subscribe stream, a publisher a PublishStream, each on a connection of its own.
//
// Spec:     RFC 9113, gRPC over HTTP/2, proto/fulmar/v1/broker.proto.
// Limits:   what the broker's flow control holds back waits in the client: the pipeline bounds it.
#pragma once

#include "bench/load/conversation.hpp"
#include "bench/load/grpc_wire.hpp"

namespace fulmar::load {

class grpc_conversation final : public conversation
{
public:
    grpc_conversation(swarm& all, broker_address const& address);

    void on_connected(client& c) override;
    void on_bytes(client& c, std::string_view& bytes) override;
    void publish(client& c, std::string_view topic, std::string_view payload, std::uint8_t qos,
                 std::uint16_t id) override;
    void leave(client& c) override;

private:
    void on_frame(client& c, h2_frame const& frame);
    void on_settings(client& c, h2_frame const& frame);
    void on_data(client& c, h2_frame const& frame);
    void on_messages(client& c, std::string_view data);
    void on_message(client& c, std::string_view message);
    void on_answer(client& c, std::string_view message);
    void send_what_may(client& c);

    swarm& all_;
    broker_address const address_;
    std::string authorization_;
};

}  // namespace fulmar::load
