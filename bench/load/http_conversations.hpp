// Over plain HTTP: publishers that POST (REST, and Pusher's signed API) and subscribers of event streams (SSE).
//
// Spec:     RFC 9112 (with pipelining, RFC 9112 §9.3.2); WHATWG HTML §9.2 (event streams); Pusher HTTP API version 1.0.
#pragma once

#include "bench/load/conversation.hpp"

namespace fulmar::load {

// Answers come in the order of the requests; anything but 2xx ends the client.
class http_publisher : public conversation
{
public:
    explicit http_publisher(swarm& all, broker_address const& address) : all_{all}, address_{address} {}

    void on_connected(client& c) override;
    void on_bytes(client& c, std::string_view& bytes) override;

protected:
    // Counts a request and writes it with `target` as its path and `body` as its body.
    void post(client& c, std::string_view target, std::string_view type, std::string_view body, std::uint16_t id);

    swarm& all_;
    broker_address const address_;

private:
    std::string fixed_;  // the header lines that are always the same
};

class rest_conversation final : public http_publisher
{
public:
    using http_publisher::http_publisher;
    void publish(client& c, std::string_view topic, std::string_view payload, std::uint8_t qos,
                 std::uint16_t id) override;

private:
    std::string topic_;  // of the path written last: the next one is often the same
    std::string target_;
    std::uint8_t qos_ = 0;
};

class pusher_http_conversation final : public http_publisher
{
public:
    using http_publisher::http_publisher;
    void publish(client& c, std::string_view topic, std::string_view payload, std::uint8_t qos,
                 std::uint16_t id) override;

private:
    std::string body_;
    std::string target_;
};

class sse_conversation final : public conversation
{
public:
    explicit sse_conversation(swarm& all, broker_address const& address) : all_{all}, address_{address} {}

    void on_connected(client& c) override;
    void on_bytes(client& c, std::string_view& bytes) override;
    void publish(client&, std::string_view, std::string_view, std::uint8_t, std::uint16_t) override {}

private:
    [[nodiscard]] bool on_head(client& c, std::string_view& bytes);
    void on_chunks(client& c, std::string_view& bytes);
    void on_text(client& c, std::string_view text);
    [[nodiscard]] std::size_t on_events(client& c, std::string_view text);
    void on_event(client& c, std::string_view event);

    swarm& all_;
    broker_address const address_;
};

// The headers that say who asks, of REST and SSE.
[[nodiscard]] std::string authorization_lines(broker_address const& address);

[[nodiscard]] std::string hmac_sha256(std::string_view key, std::string_view text);  // lower-case hexadecimal

// The path with query of POST /apps/<id>/events, signed at `unix_s`.
[[nodiscard]] std::string signed_pusher_target(broker_address const& address, std::string_view body,
                                               std::int64_t unix_s);

}  // namespace fulmar::load
