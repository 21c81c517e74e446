#include "bench/load/conversation.hpp"

#include "bench/load/grpc_conversation.hpp"
#include "bench/load/http_conversations.hpp"
#include "bench/load/http_wire.hpp"
#include "bench/load/mqtt_conversation.hpp"
#include "bench/load/websocket_conversations.hpp"

namespace fulmar::load {

char const* to_string(protocol p) noexcept
{
    switch (p) {
    case protocol::mqtt: return "mqtt";
    case protocol::mqtt_ws: return "mqtt-ws";
    case protocol::pusher: return "pusher";
    case protocol::pusher_http: return "pusher-http";
    case protocol::sse: return "sse";
    case protocol::rest: return "rest";
    case protocol::socket_io: return "socket.io";
    case protocol::grpc: return "grpc";
    }
    return "unknown";
}

std::unique_ptr<conversation> make_conversation(swarm& all, broker_address const& address)
{
    switch (address.speaks) {
    case protocol::pusher: return std::make_unique<pusher_conversation>(all, address);
    case protocol::pusher_http: return std::make_unique<pusher_http_conversation>(all, address);
    case protocol::sse: return std::make_unique<sse_conversation>(all, address);
    case protocol::rest: return std::make_unique<rest_conversation>(all, address);
    case protocol::socket_io: return std::make_unique<socket_io_conversation>(all, address);
    case protocol::grpc: return std::make_unique<grpc_conversation>(all, address);
    case protocol::mqtt:
    case protocol::mqtt_ws: break;
    }
    return std::make_unique<mqtt_conversation>(all, address);
}

std::string path_for(broker_address const& address, std::string_view usual, std::string_view topic, unsigned qos)
{
    std::string path{address.path.empty() ? usual : std::string_view{address.path}};
    auto const fill_in = [&path](std::string_view what, std::string const& value) {
        for (auto at = path.find(what); at != path.npos; at = path.find(what, at + value.size()))
            path.replace(at, what.size(), value);
    };
    fill_in("{topic}", percent_encoded(topic));
    fill_in("{qos}", std::to_string(qos));
    return path;
}

}  // namespace fulmar::load
