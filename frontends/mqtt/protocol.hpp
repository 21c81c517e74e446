// MQTT as spoken on one connection, without I/O: bytes in; packets out through net::wire; meaning through
// broker::session.
//
// Life: a connection awaits CONNECT; connects (authenticator, enhanced authentication, session claim), during which
// packets pipelined behind CONNECT stay unread with the connection; is connected; is closed. Each kind of dialogue
// has its own file handle_*.cpp.
//
// Spec:     MQTT 5.0 §3, §4; MQTT 3.1.1; MQTT 3.1.
// Owner:    the connection (net). The session belongs to broker::session_table; this only uses it while connected.
// Threads:  shard-owned.
// Limits:   mqtt_settings::maximum_connect_size bytes before CONNECT succeeds; requests_open_max unanswered SUBSCRIBE
//           and UNSUBSCRIBE; limits::receive_maximum unanswered publishes (v5: an error of the client, v3: it is not
//           read from).
// Cost:     an idle connection holds this object and no buffers; QoS 0 in: one message, nothing else.
#pragma once

#include "broker/session.hpp"
#include "frontends/mqtt/decoder.hpp"
#include "frontends/mqtt/encoder.hpp"
#include "frontends/mqtt/mqtt_frontend.hpp"

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fulmar::broker {
struct claim_result;
struct identity;
}  // namespace fulmar::broker

namespace fulmar::mqtt {

struct partial_answer;

class protocol final : public net::protocol, private broker::session_client
{
public:
    protocol(frontend_context const& context, net::wire& wire);
    ~protocol() override;
    protocol(protocol const&) = delete;
    protocol& operator=(protocol const&) = delete;

    [[nodiscard]] std::size_t on_bytes(std::span<char const> in) override;
    void on_deadline() override;
    void on_drained() override;
    [[nodiscard]] bool describe(net::client_description& out) const override;
    void end_by_administrator() override;
    void on_closed(bool clean) override;

    static constexpr std::uint16_t requests_open_max = 256;

private:
    enum class stage : std::uint8_t {
        awaiting_connect,
        connecting,  // CONNECT is being decided elsewhere: nothing is read
        exchanging,  // enhanced authentication: the client's AUTH is awaited
        connected,
        closed,
    };
    struct handshake;  // what is known between CONNECT and CONNACK
    struct extras;     // what few connections need: aliases, re-authentication, partly refused requests

    // --- protocol.cpp ----------------------------------------------------------------------------
    [[nodiscard]] std::size_t take_packet(std::span<char const> in);
    void on_packet(packet& p);
    void on_malformed(decode_error const& error);
    void check_rules();
    extras& more();
    [[nodiscard]] broker::shard& home() noexcept { return wire_.home(); }
    [[nodiscard]] bool v5() const noexcept { return peer_.version == protocol_version::v5; }
    void transmit(std::string_view head, std::string_view tail = {}, std::shared_ptr<void const> keep = {});
    // Ends the connection because the peer broke a rule or cannot be served: DISCONNECT with `reason` in v5, the will
    // is published.
    void close_with(reason_code reason, std::string_view what);
    // Ends the connection without a word; the session must have been given back.
    void shut(std::string_view what = {});
    void leave_session(bool publish_will, std::optional<std::uint32_t> expiry_s);
    void report(std::string_view what) const;
    void on_idle();
    void arm_keep_alive(std::uint16_t keep_alive_s);

    // Back-pressure: reads nothing from this client until every reason has passed.
    void pause(bool& reason);
    void ease(bool& reason);

    // --- handle_connect.cpp ----------------------------------------------------------------------
    [[nodiscard]] std::size_t take_connect(std::span<char const> in);
    void wait_unread();
    [[nodiscard]] reason_code acceptable(connect_packet const& c) const;
    void authenticate();
    void on_authenticated(broker::result<broker::identity> who);
    void claim_session(broker::identity const& who);
    void on_claimed(broker::result<broker::claim_result> claimed);
    [[nodiscard]] bool send_connack(handshake const& h, bool session_present);
    void finish_connect(std::unique_ptr<handshake> h);
    void refuse_connect(reason_code reason, std::string_view what);

    // --- handle_auth.cpp -------------------------------------------------------------------------
    [[nodiscard]] std::size_t take_exchange(std::span<char const> in);
    void begin_exchange();
    void continue_exchange(std::string_view client_data);
    void on_auth(auth_packet const& p);
    void continue_reauthentication(std::string_view client_data);
    void send_auth(reason_code reason, std::string_view method, std::string_view data);

    // --- handle_publish.cpp ----------------------------------------------------------------------
    void on_publish(publish_packet const& p);
    [[nodiscard]] bool publish_acceptable(publish_packet const& p, bool repeated);
    void refuse_publish(publish_packet const& p, broker::errc why);
    [[nodiscard]] broker::message_ptr make_message(publish_packet const& p, std::string_view topic);

    // --- handle_subscribe.cpp --------------------------------------------------------------------
    void on_subscribe(subscribe_packet const& p);
    void on_unsubscribe(unsubscribe_packet const& p);
    [[nodiscard]] reason_code judge(requested_subscription const& wanted) const;
    [[nodiscard]] reason_code unsupported(subscribe_packet const& p) const;
    [[nodiscard]] partial_answer take_refusals(packet_id id, packet_type type);
    void request_opened();
    void request_answered();

    // --- handle_acknowledge.cpp ------------------------------------------------------------------
    void on_acknowledge(ack_packet const& p);
    void send_ack(packet_type type, packet_id id, reason_code reason);
    void on_disconnect(disconnect_packet const& p);

    // --- broker::session_client ------------------------------------------------------------------
    [[nodiscard]] broker::wire_variant const* shared_variant() const noexcept override;
    void take_run(broker::frame_run const& run, std::uint32_t first_byte, std::uint32_t first_frame) override;
    [[nodiscard]] bool send_publish(broker::outgoing const& p) override;
    void send_pubrel(packet_id id) override;
    [[nodiscard]] std::size_t backlog_bytes() const noexcept override;
    void on_published(packet_id id, qos level, broker::publish_outcome const& outcome) override;
    void on_released(packet_id id, broker::error_code error) override;
    void on_subscribed(packet_id id, std::span<broker::subscribe_outcome const> outcomes) override;
    void on_unsubscribed(packet_id id, std::span<bool const> existed) override;
    void on_session_end(broker::session_end why) override;

    frontend_context const& context_;
    net::wire& wire_;
    broker::session* session_ = nullptr;  // while connected
    std::unique_ptr<handshake> handshake_;
    std::unique_ptr<extras> extras_;
    peer_limits peer_;
    std::uint32_t rules_seen_ = 0;
    broker::steady_time heard_;  // when the last whole packet arrived
    std::uint16_t requests_open_ = 0;
    std::uint16_t keep_alive_s_ = 0;
    stage stage_ = stage::awaiting_connect;
    bool asked_no_expiry_ = true;  // in CONNECT: that cannot be raised later
    // Why the client is not read from.
    bool publishes_waiting_ = false;
    bool requests_waiting_ = false;
};

}  // namespace fulmar::mqtt
