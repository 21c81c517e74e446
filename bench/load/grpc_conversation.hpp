// gRPC: a subscriber is a Subscribe stream, a publisher a PublishStream, each on a connection of its own.
//
// Spec:     RFC 9113, gRPC over HTTP/2, proto/fulmar/v1/broker.proto.
// Limits:   what the broker's flow control holds back waits in the client: the pipeline bounds it.
#pragma once

#include "bench/load/conversation.hpp"
#include "bench/load/grpc_wire.hpp"

namespace fulmar::load {

// Where a gRPC client is in its call.
struct grpc_progress
{
    std::deque<std::uint16_t> asked;  // publishes in the order in which they are acknowledged
    std::uint64_t acknowledged = 0;
    std::string held;  // messages, or parts, that wait for a window
    std::int64_t initial_window = h2_initial_window;
    std::int64_t stream_window = h2_initial_window;
    std::int64_t connection_window = h2_initial_window;
    std::uint32_t received = 0;  // since credit was given
    bool answered = false;       // the call has begun to be answered: its end is no refusal any more
};

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
