// Client state that outlives connections: subscriptions, windows, the queue's cursor, the will.
//
// Spec:     MQTT 5.0 §4.1 session state, §4.3 QoS, §4.4 redelivery, §4.6 ordering, §4.9 flow control.
// Owner:    broker::session_table of one shard; moves between shards as a whole (session_table::claim).
// Threads:  shard-owned: every call is made on the session's shard.
// Limits:   limits::session_*, limits::durable_*, limits::inflight_max, subscriptions_per_session.
#pragma once

#include "broker/endpoint.hpp"
#include "broker/session_store.hpp"
#include "broker/starting_point.hpp"
#include "broker/subscriber.hpp"
#include "broker/subscription.hpp"

#include <functional>
#include <memory>
#include <span>
#include <string_view>

namespace fulmar::broker {

class shard;
class permissions;
struct group_ticket;

// Why a session no longer belongs to its connection.
enum class session_end : std::uint8_t {
    taken_over,      // another connection uses the client id (MQTT 5: 0x8E)
    slow_consumer,   // over its limits at QoS >= 1 (0x97)
    kicked,          // by an administrator (0x98)
    not_authorized,  // credentials or rules were withdrawn (0x87)
    shutting_down,   // the broker drains (0x8B)
    store_failed,    // its state can no longer be kept (0x80)
};

// One PUBLISH towards a client.
struct outgoing
{
    message_ptr const& message;
    qos level;                                   // effective
    packet_id id;                                // 0 at QoS 0
    bool duplicate;                              // DUP
    bool retain;                                 // RETAIN as the receiver must see it
    std::span<std::uint32_t const> identifiers;  // Subscription Identifiers
    log_sequence position;                       // told to who asked for history; 0: not
};

struct subscribe_outcome
{
    error_code error;  // not_authorized, topic_filter_invalid, quota_exceeded, store_failed
    qos granted = qos::at_most_once;
    // Was history asked for, and what comes of it: nothing is kept of these topics; what lies after `after`; the same, but
    // something that was asked for is gone.
    enum class history : std::uint8_t { not_asked, none, from, from_gap };
    history past = history::not_asked;
    log_sequence after = 0;
};

// Port: the protocol of the connection that uses a session. Calls into the session from inside these are allowed.
class session_client
{
public:
    virtual ~session_client() = default;

    // --- towards the wire: appends to the connection's outbox, never waits -----------------------
    [[nodiscard]] virtual wire_variant const* shared_variant() const noexcept = 0;
    virtual void take_run(frame_run const& run, std::uint32_t first_byte, std::uint32_t first_frame) = 0;
    // False: larger than the client's Maximum Packet Size; the session counts it and treats it as done [MQTT-3.1.2-25].
    [[nodiscard]] virtual bool send_publish(outgoing const& p) = 0;
    virtual void send_pubrel(packet_id id) = 0;
    // Bytes waiting for the socket: above limits::outbox_bytes the session holds messages back (QoS >= 1) or drops (QoS 0).
    [[nodiscard]] virtual std::size_t backlog_bytes() const noexcept = 0;

    // --- answers to what the protocol asked ------------------------------------------------------
    // For QoS 1: send PUBACK; for QoS 2: PUBREC. In the order of the publishes of each QoS [MQTT-4.6.0-2..-3].
    virtual void on_published(packet_id id, qos level, publish_outcome const& outcome) = 0;
    virtual void on_released(packet_id id, error_code error) = 0;  // PUBCOMP; errc::unknown_packet_id: it was not known
    virtual void on_subscribed(packet_id id, std::span<subscribe_outcome const> outcomes) = 0;
    virtual void on_unsubscribed(packet_id id, std::span<bool const> existed) = 0;

    // The session has gone from this connection; it must not be touched again. Close with the reason.
    virtual void on_session_end(session_end why) = 0;
};

// How a client connected, as far as its session cares.
struct client_settings
{
    std::uint16_t receive_maximum = 65'535;
    std::uint32_t maximum_packet_size = 0;  // 0 = none
    std::uint32_t expiry_s = 0;             // as granted
    std::shared_ptr<permissions const> allowed;
    std::optional<will_record> will;
};

// A session as administrators see it.
struct session_facts
{
    bool durable = false;
    std::uint32_t expiry_s = 0;  // after the connection has ended; 0xFFFFFFFF: never
    wall_ms away_since = 0;      // 0: connected
    log_sequence position = 0;   // everything of its queue at or before this is acknowledged; 0: it has none
    std::size_t subscriptions = 0;
    std::size_t in_flight = 0;  // sent at QoS >= 1 and not acknowledged
};

enum class acknowledgement : std::uint8_t { puback, pubrec, pubcomp };

class session : public subscriber, public endpoint
{
public:
    session(session const&) = delete;
    session& operator=(session const&) = delete;
    [[nodiscard]] std::string_view client_id() const noexcept;
    [[nodiscard]] std::string_view user() const noexcept;
    [[nodiscard]] bool connected() const noexcept;
    [[nodiscard]] app_id app() const noexcept;
    // What its client may do; null only while no connection has used it since a restart.
    [[nodiscard]] permissions const* allowed() const noexcept;
    [[nodiscard]] session_facts facts() const;
    void for_each_subscription(std::function<bool(subscription const&)> const& visit) const;  // until it says false

    // --- asked by the protocol -------------------------------------------------------------------
    // A PUBLISH from the client. QoS 0: id 0, no answer. QoS 2: a repeated id before PUBREL is answered again and not
    // routed [MQTT-4.3.3-10]. The protocol has checked topic, size and permission, and enforces Receive Maximum with
    // unacknowledged_publishes().
    void publish(message_ptr m, packet_id id);
    // Refuses a QoS 2 publish: answers in order without routing; remembers nothing.
    void refuse(packet_id id, qos level, error_code why);
    void release(packet_id id);  // PUBREL
    // Is this QoS 2 identifier taken and not yet released?
    [[nodiscard]] bool receiving(packet_id id) const noexcept;
    [[nodiscard]] std::size_t unacknowledged_publishes() const noexcept;  // incoming, QoS >= 1

    // PUBACK, PUBREC, PUBCOMP from the client. `refused`: its reason code was >= 0x80. Fails with errc::unknown_packet_id
    // (nothing changes) and errc::packet_id_in_use (the identifier belongs to the other QoS: protocol error).
    [[nodiscard]] error_code acknowledge(acknowledgement what, packet_id id, bool refused);

    // `past`: after the answer, first what is stored from there on (session_history.hpp); not for shared subscriptions.
    void subscribe(packet_id id, std::vector<subscription> wanted, std::optional<starting_point> const& past = {});
    void unsubscribe(packet_id id, std::vector<std::string> filters);

    // The socket drained: sends what was held back.
    void on_drained();

    void set_permissions(std::shared_ptr<permissions const> allowed);

    // The connection ends. `publish_will`: not after a clean DISCONNECT. `expiry_s`: changed by MQTT 5 DISCONNECT.
    // The session must not be touched afterwards: it may be gone.
    void disconnect(bool publish_will, std::optional<std::uint32_t> expiry_s);

    // --- broker side -----------------------------------------------------------------------------
    [[nodiscard]] wire_variant const* shared_variant() const noexcept final;
    void take_run(frame_run const& run, std::uint32_t first_byte, std::uint32_t first_frame) final;
    void deliver(message_ptr const& m, matched_subscription const& match) final;
    [[nodiscard]] bool follows_history(std::string_view topic) const final;
    void deliver_history(logged_message const& item) final;
    [[nodiscard]] bool may_receive(std::string_view topic) const final;
    [[nodiscard]] std::uint64_t publisher_hash() const noexcept final;
    void on_published(std::uint64_t token, publish_outcome const& outcome) final;
    // A message of the session's queue, from the committed stream.
    void deliver_logged(logged_message const& item, matched_subscription const& match) final;
    // A message of a shared subscription; false: not connected, give it to somebody else.
    [[nodiscard]] bool deliver_shared(logged_message const& item, matched_subscription const& match,
                                      group_ticket const& ticket);
    [[nodiscard]] endpoint_id address() const noexcept;
    [[nodiscard]] std::uint16_t receive_maximum() const noexcept;

private:
    friend class session_table;
    friend class router;
    struct impl;  // what every session is: one object, one allocation
    session() = default;
    [[nodiscard]] impl& self() noexcept;
    [[nodiscard]] impl const& self() const noexcept;
};

}  // namespace fulmar::broker
