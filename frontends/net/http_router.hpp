// Which handler answers which method and path.
//
// Owner:    whoever builds the listeners. Routes are added while starting; afterwards the table is only read.
// Threads:  find() from every shard at once; handlers run on the shard of their connection.
// Cost:     O(routes) comparisons per request.
#pragma once

#include "frontends/net/http_message.hpp"
#include "frontends/net/websocket_session.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fulmar::net {

class http_exchange;

// Answers one request, now or later, on the shard of its connection. Copies answer the same request: the first answer
// counts. If the last copy goes without an answer, the client gets a 500.
class http_responder
{
public:
    explicit http_responder(std::shared_ptr<http_exchange> exchange) : exchange_(std::move(exchange)) {}
    void send(http_response response) const;
    // An answer whose end is not known: `head` (its body is ignored) is sent at once and the connection goes over to what
    // `make` gives, whose bytes are the body, until it closes. HEAD gets the head alone.
    void stream(http_response head, std::function<std::unique_ptr<protocol>(wire&)> const& make) const;
    // The connection has ended, or somebody has answered: nobody waits any more.
    [[nodiscard]] bool gone() const noexcept;

private:
    std::shared_ptr<http_exchange> exchange_;
};

using http_handler = std::function<http_response(http_request const&)>;
using http_async_handler = std::function<void(http_request&&, http_responder)>;

// A path that becomes a WebSocket.
struct websocket_route
{
    websocket_settings settings;
    // Origins of browser pages, compared as a whole; "*": any. Empty: pages of the host that the client connects to, and
    // of this machine. Who sends no Origin is no browser and may always connect.
    std::vector<std::string> allowed_origins;
    std::vector<std::string> subprotocols;  // acceptable; the first of the client's list that is here is answered
    bool subprotocol_required = true;       // else a client that names none, or none of these, is accepted too
    bool deflate = true;
    // Refuses with an answer of its own (status >= 400); may be empty.
    std::function<std::optional<http_response>(http_request const&)> admit;
    // Makes the inner protocol; exactly one of the two.
    std::function<std::unique_ptr<protocol>(wire&, http_request const&, std::string_view subprotocol)> stream;
    std::function<std::unique_ptr<message_protocol>(message_wire&, http_request const&, std::string_view subprotocol)>
        messages;
};

struct http_route
{
    std::string method;                 // empty: any
    std::vector<std::string> segments;  // "{name}" captures one segment; "{name*}", as the last, all that are left
    std::size_t body_bytes_max = 0;
    http_handler handler;  // one of these three
    http_async_handler async_handler;
    std::unique_ptr<websocket_route> websocket;
};

inline constexpr std::size_t body_bytes_default = 1024 * 1024;

class http_router
{
public:
    http_router() = default;
    http_router(http_router const&) = delete;
    http_router& operator=(http_router const&) = delete;

    // `pattern` is a path; segments may be "{name}", the last one "{name*}". Literal segments win over captured ones.
    void get(std::string_view pattern, http_handler handler);
    void post(std::string_view pattern, http_handler handler, std::size_t body_bytes_max = body_bytes_default);
    void on(std::string_view method, std::string_view pattern, http_async_handler handler,
            std::size_t body_bytes_max = body_bytes_default);
    void upgrade(std::string_view pattern, websocket_route route);

    struct found
    {
        http_route const* route = nullptr;  // null: 404, or 405 if `allowed` is not empty
        std::vector<http_field> captures;
        std::string allowed;  // methods of the routes with this path, if there is none for this one
    };
    // `upgrading`: the request asks for a WebSocket; otherwise upgrade routes answer only if there is nothing else.
    [[nodiscard]] found find(std::string_view method, std::string_view path, bool upgrading) const;

private:
    http_route& add(std::string_view method, std::string_view pattern);

    std::vector<std::unique_ptr<http_route>> routes_;
};

}  // namespace fulmar::net
