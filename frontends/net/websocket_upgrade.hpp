// The WebSocket handshake: from an HTTP request to the answer that opens the WebSocket, or to the reason why not.
//
// Spec:     RFC 6455 §4.2 (opening handshake), §10.2 (Origin); RFC 7692 §5; MQTT 5.0 §6 (sub-protocols).
// Threads:  pure functions.
#pragma once

#include "frontends/net/http_router.hpp"
#include "frontends/net/permessage_deflate.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace fulmar::net {

// Does the request ask for a WebSocket, well-formed or not?
[[nodiscard]] bool asks_for_websocket(http_request const& request);

// Sec-WebSocket-Accept for a client's key.
[[nodiscard]] std::string accept_key(std::string_view key);

struct websocket_handshake
{
    http_response answer;  // status 101: open
    std::string subprotocol;
    std::optional<deflate_parameters> deflate;
};

// Refuses with 400 (malformed, or no acceptable sub-protocol), 403 (Origin) or 426 (version).
[[nodiscard]] websocket_handshake answer_handshake(http_request const& request, websocket_route const& route);

// After an answer of 101: the session that takes the connection over, with the route's inner protocol.
[[nodiscard]] std::unique_ptr<protocol> open_session(wire& connection, http_request const& request,
                                                     websocket_route const& route, websocket_handshake const& agreed);

}  // namespace fulmar::net
