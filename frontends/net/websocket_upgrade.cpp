#include "frontends/net/websocket_upgrade.hpp"

#include "frontends/net/cors.hpp"

#include <openssl/evp.h>
#include <algorithm>
#include <array>
#include <boost/beast/http/field.hpp>
#include <boost/beast/http/status.hpp>

namespace fulmar::net {

namespace {

namespace http = boost::beast::http;

constexpr std::string_view handshake_guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

[[nodiscard]] std::string name_of(http::field field)
{
    auto const name = http::to_string(field);
    return {name.data(), name.size()};
}

[[nodiscard]] bool is_base64(char c) noexcept
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
}

// Sixteen bytes in base64: 22 characters, the last of which carries four unused bits, and two for padding.
[[nodiscard]] bool valid_key(std::string_view key) noexcept
{
    return key.size() == 24 && key.ends_with("==") && std::all_of(key.begin(), key.end() - 2, is_base64) &&
           std::string_view{"AQgw"}.find(key[21]) != std::string_view::npos;
}

[[nodiscard]] std::optional<http_response> check_request(http_request const& request)
{
    if (request.method != "GET" || !request.version_1_1)
        return plain_response(400, "a WebSocket handshake is a GET request of HTTP/1.1");
    if (!request.lists("Connection", "upgrade") || !request.lists("Upgrade", "websocket"))
        return plain_response(400, "a WebSocket handshake needs Connection: Upgrade and Upgrade: websocket");
    if (!request.body.empty() || request.count("Content-Length") + request.count("Transfer-Encoding") > 0)
        return plain_response(400, "a WebSocket handshake has no body");
    if (request.count("Sec-WebSocket-Version") != 1 || request.header("Sec-WebSocket-Version") != "13") {
        auto refusal = plain_response(426, "only WebSocket version 13 is spoken here");
        refusal.headers.push_back({name_of(http::field::sec_websocket_version), "13"});
        refusal.headers.push_back({name_of(http::field::upgrade), "websocket"});
        return refusal;
    }
    if (request.count("Sec-WebSocket-Key") != 1 || !valid_key(request.header("Sec-WebSocket-Key")))
        return plain_response(400, "Sec-WebSocket-Key is not 16 bytes in base64");
    return std::nullopt;
}

// The client's list is in its order of preference; names are compared as they are [MQTT-6.0.0-3].
[[nodiscard]] std::string choose_subprotocol(http_request const& request, std::vector<std::string> const& known)
{
    std::string chosen;
    for_each_element(request.joined("Sec-WebSocket-Protocol"), [&](std::string_view offered) {
        if (chosen.empty() && std::find(known.begin(), known.end(), offered) != known.end())
            chosen = offered;
    });
    return chosen;
}

}  // namespace

bool asks_for_websocket(http_request const& request) { return request.lists("Upgrade", "websocket"); }

std::string accept_key(std::string_view key)
{
    auto const text = std::string{key}.append(handshake_guid);
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    ::EVP_Digest(text.data(), text.size(), digest.data(), &size, ::EVP_sha1(), nullptr);
    std::array<unsigned char, 4 * ((EVP_MAX_MD_SIZE + 2) / 3) + 1> encoded{};
    auto const length = ::EVP_EncodeBlock(encoded.data(), digest.data(), static_cast<int>(size));
    return {reinterpret_cast<char const*>(encoded.data()), static_cast<std::size_t>(length)};
}

websocket_handshake answer_handshake(http_request const& request, websocket_route const& route)
{
    if (auto refusal = check_request(request))
        return {std::move(*refusal), {}, {}};
    if (!origin_allowed(request, route.allowed_origins))
        return {plain_response(403, "this origin may not connect"), {}, {}};
    websocket_handshake open;
    open.subprotocol = choose_subprotocol(request, route.subprotocols);
    if (open.subprotocol.empty() && route.subprotocol_required && !route.subprotocols.empty())
        return {plain_response(
                    400, "Sec-WebSocket-Protocol must list one of: " +
                             [&] {
                                 std::string all;
                                 for (auto const& name : route.subprotocols)
                                     all += (all.empty() ? "" : ", ") + name;
                                 return all;
                             }()),
                {},
                {}};
    if (route.admit)
        if (auto refusal = route.admit(request))
            return {std::move(*refusal), {}, {}};
    if (route.deflate)
        open.deflate = negotiate_deflate(request.joined("Sec-WebSocket-Extensions"));

    open.answer.status = 101;
    open.answer.headers.push_back({name_of(http::field::upgrade), "websocket"});
    open.answer.headers.push_back(
        {name_of(http::field::sec_websocket_accept), accept_key(request.header("Sec-WebSocket-Key"))});
    if (!open.subprotocol.empty())
        open.answer.headers.push_back({name_of(http::field::sec_websocket_protocol), open.subprotocol});
    if (open.deflate)
        open.answer.headers.push_back({name_of(http::field::sec_websocket_extensions), deflate_answer(*open.deflate)});
    return open;
}

std::unique_ptr<protocol> open_session(wire& connection, http_request const& request, websocket_route const& route,
                                       websocket_handshake const& agreed)
{
    auto const make_stream = [&](wire& inner) { return route.stream(inner, request, agreed.subprotocol); };
    auto const make_messages = [&](message_wire& inner) { return route.messages(inner, request, agreed.subprotocol); };
    if (route.stream)
        return std::make_unique<websocket_session>(connection, route.settings, agreed.deflate,
                                                   websocket_session::stream_factory{make_stream});
    return std::make_unique<websocket_session>(connection, route.settings, agreed.deflate,
                                               websocket_session::message_factory{make_messages});
}

}  // namespace fulmar::net
