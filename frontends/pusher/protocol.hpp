// One Pusher connection: events in, events out, no I/O of its own.
//
// Spec:     pusher-websockets-protocol, versions 5, 6 and 7.
// Owner:    its WebSocket session.
// Threads:  shard-owned.
// Limits:   app_limits: subscriptions, client events per second, sizes of names, ids and data. A client that does not read
//           is not read from either (net::connection); events beyond limits::outbox_bytes are dropped and counted, and the
//           connection is closed with 4200 if it may have missed a member that came or went.
// Cost:     idle: this object and 24 bytes per subscription (presence: the user id, too; with a session: its follower).
#pragma once

#include "broker/app.hpp"
#include "frontends/net/http_message.hpp"
#include "frontends/net/websocket_session.hpp"
#include "frontends/pusher/channel_client.hpp"
#include "frontends/pusher/client_command.hpp"
#include "frontends/pusher/connection_counts.hpp"
#include "frontends/pusher/follower.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace fulmar::pusher {

class channel_shard;
class frontend;

// Why a connection is closed; what pusher-js does then depends on the hundreds.
enum class close_reason : std::uint16_t {
    app_unknown = 4001,
    app_disabled = 4003,
    over_quota = 4004,
    path_unknown = 4005,
    version_invalid = 4006,
    protocol_unsupported = 4007,
    unauthorized = 4009,
    over_capacity = 4100,
    reconnect = 4200,
    pong_missing = 4201,
};

class protocol final : public net::message_protocol, private channel_client
{
public:
    protocol(frontend& shared, net::message_wire& wire, net::http_request const& request);
    ~protocol() override;

    void on_message(net::websocket_opcode kind, std::string_view text) override;
    void on_websocket_pong(std::string_view payload) override;
    void on_deadline() override;
    void on_drained() override;
    void on_frames_dropped() override;
    [[nodiscard]] bool describe(net::client_description& out) const override;
    void end_by_administrator() override { on_terminated(); }
    void on_closed(bool clean) override;

private:
    // A subscription, or the wish for one.
    struct wish
    {
        std::string channel;  // while pending
        std::string member;   // presence: the user
        std::shared_ptr<follower> follows;
    };
    struct subscription
    {
        local_channel* where = nullptr;  // null: pending
        std::uint32_t place = 0;
        std::uint32_t token = 0;
        std::unique_ptr<wish> more;  // pending, presence, or with a session
    };
    // The answer to ping number `ping` acknowledges `reached`.
    struct barrier
    {
        std::uint32_t ping = 0;
        bool read = false;  // the client's WebSocket library has read it
        std::int64_t asked_at = 0;
        session_progress reached;
    };
    // The durable session that this connection uses.
    struct used_session
    {
        std::string id;
        broker::shard_id home = 0;
        std::uint32_t pings = 0;        // asked
        std::uint32_t pongs = 0;        // answered, of those
        std::uint32_t turns = 0;        // with events since the last barrier
        std::vector<barrier> barriers;  // awaited, the oldest first: barriers_max
        std::int64_t barrier_at = 0;    // 0: nothing to ask about
        std::int64_t report_at = 0;
        bool unacknowledged = false;  // events were sent after the last barrier
        bool hurry = false;           // another channel caught up while a barrier was awaited
        bool lost = false;            // something could not be sent: it has to come back
        bool reading_counts = false;  // the library answers WebSocket's pings only: they have to do
    };
    struct signed_in_user
    {
        std::string id;
        std::string info_json;
        std::vector<std::string> watchlist;
        std::size_t watch_answers_missing = 0;
        std::vector<std::pair<std::string, bool>> watched;  // as far as answers have come
    };
    struct refusal
    {
        std::string text;  // empty: granted
        std::string_view type = "AuthError";
        unsigned status = 401;
        unsigned code = 4009;
    };

    // --- channel_client
    [[nodiscard]] connection_id id() const noexcept override { return id_; }
    void take_frames(broker::frame_run const& run, std::uint32_t first_byte, std::uint32_t first_frame,
                     bool events_only) override;
    void take_logged(broker::frame_run const& run) override;
    void take_text(std::string_view event) override;
    [[nodiscard]] bool crowded() const override;
    void on_part_sent() override;
    void on_caught_up() override;
    void on_lost() override;
    void on_taken_over() override;
    [[nodiscard]] bool waits_for(std::uint32_t token) const noexcept override;
    void on_subscribed(std::uint32_t token, subscribe_outcome const& outcome) override;
    void on_moved(local_channel const& where, std::uint32_t place) noexcept override;
    void on_watching(std::vector<std::pair<std::string, bool>> const& online) override;
    void on_watched(std::string const& user, bool online, std::string const& event) override;
    void on_terminated() override;
    void on_draining(std::uint32_t within_ms) override;

    void open(net::http_request const& request);
    void refuse(close_reason why, std::string_view text);
    void close(close_reason why, std::string_view text);
    void leave_everything();
    void send(std::string_view text);
    void send_shared(std::string_view head, std::string_view tail, std::shared_ptr<void const> keep);
    [[nodiscard]] bool cut_off_if_piled_up(std::size_t waiting);
    void send_error(std::string_view text, unsigned code = 0);
    void arm();
    [[nodiscard]] bool check_silence(std::int64_t now_ms);
    [[nodiscard]] std::int64_t now_ms() const;

    // handle_subscribe.cpp
    void on_subscribe(client_command& command);
    void on_unsubscribe(client_command const& command);
    [[nodiscard]] refusal check_access(broker::app const& app, client_command const& command,
                                       std::optional<member_identity>& member) const;
    [[nodiscard]] refusal check_signature(broker::app const& app, client_command const& command) const;
    [[nodiscard]] refusal find_member(broker::app const& app, client_command const& command,
                                      std::optional<member_identity>& member) const;
    void refuse_subscription(std::string_view channel, refusal const& why);
    [[nodiscard]] subscription* find_subscription(std::string_view channel) noexcept;
    void drop_subscription(subscription& which);

    void leave(subscription& one, bool stays_connected);

    // handle_session.cpp
    [[nodiscard]] bool choose_session(net::http_request const& request, broker::app const& app);
    void open_session();
    void close_session();
    void forget_in_session(std::string_view channel);
    void greet(std::string const& channel, subscribe_outcome const& outcome);
    void send_cached(std::string const& channel, subscribe_outcome const& outcome);
    void expect_acknowledgement();
    void ping();
    void on_pong();
    void place_barrier();
    void settle_barriers(std::uint32_t upto);
    [[nodiscard]] std::int64_t patience_ends() const noexcept;  // 0: nothing to be patient about
    [[nodiscard]] session_progress progress() const;
    void acknowledge(session_progress&& upto);
    [[nodiscard]] std::int64_t session_due() const noexcept;  // 0: never
    void on_session_deadline(std::int64_t now);

    // handle_signin.cpp
    void on_signin(client_command const& command);
    void watch();
    void forget_user();

    // handle_client_event.cpp
    void on_client_event(client_command const& command);
    [[nodiscard]] bool within_rate(std::uint32_t per_second);
    void publish_client_event(client_command const& command, std::string const& user);

    frontend& shared_;
    net::message_wire& wire_;
    channel_shard& shard_;
    connection_counts::place place_;
    connection_id id_{};
    std::vector<subscription> subscriptions_;
    std::unique_ptr<signed_in_user> user_;
    std::unique_ptr<used_session> session_;  // null: none
    std::int64_t heard_ms_ = 0;              // when the client said something
    std::int64_t authorize_by_ = 0;          // 0: no such limit
    std::int64_t drain_at_ = 0;              // 0: not draining
    std::int64_t rate_second_ = 0;
    broker::app_id app_{};
    std::uint32_t tokens_ = 0;
    std::uint32_t rate_used_ = 0;
    std::uint8_t version_ = 7;
    bool pinged_ = false;  // asked, and silent since
    bool answers_ = true;  // pings: not all libraries do
    bool open_ = false;    // established and not closed
    bool behind_ = false;  // may have lost what it must know of a channel's members
};

[[nodiscard]] std::unique_ptr<net::message_protocol> make_protocol(frontend& shared, net::message_wire& wire,
                                                                   net::http_request const& request);

}  // namespace fulmar::pusher
