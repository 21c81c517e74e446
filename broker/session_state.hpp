// The insides of broker::session, shared by session.cpp (delivery), session_publish.cpp (incoming publishes),
// session_subscribe.cpp (subscriptions, retained replay) and session_table.cpp (life and moves).
#pragma once

#include "broker/authenticator.hpp"
#include "broker/inflight_window.hpp"
#include "broker/metrics.hpp"
#include "broker/queue_cursor.hpp"
#include "broker/retained_index.hpp"
#include "broker/session.hpp"
#include "broker/session_directory.hpp"

#include <string>
#include <vector>

namespace fulmar::broker {

struct session::impl final : queue_cursor::consumer
{
    impl(session& owner, app_id owner_app, std::string_view id_of_client);

    // --- what it is ---
    session& self;
    shard* home = nullptr;
    endpoint_id address;
    app_id app;
    std::string const key;  // app and client id (session_directory.hpp): the table looks it up by this very string
    std::string user;
    std::uint64_t client_hash;
    session_id id{};  // 0: ephemeral
    std::uint32_t expiry_s = 0;
    wall_ms disconnected_at = 0;  // 0: connected
    wall_ms will_due = 0;         // 0: not armed
    std::unique_ptr<will_record> will;
    std::shared_ptr<permissions const> allowed;
    std::vector<subscription> subscriptions;  // sorted by filter

    // --- the connection ---
    session_client* client = nullptr;
    std::uint32_t connection = 0;  // counts connections: late answers to an earlier one are recognised
    std::uint16_t receive_maximum = 0;
    bool doomed = false;  // will be ended at the end of the turn: takes nothing any more

    // --- towards the client ---
    struct pending_delivery
    {
        logged_message item;
        matched_subscription match;
        group_ticket group;
    };
    struct retained_replay
    {
        std::string filter;
        subscription_options options;
        retained_index::scan_state scan;
        fifo<message_ptr> found;
    };
    struct resumption
    {
        bool resending = true;              // entries of the window still have to be sent again
        log_sequence upto = 0;              // up to here the log may repeat what is, or was, in the window
        std::vector<log_sequence> settled;  // of those: the ones that must not be sent again, sorted
    };
    inflight_window window;
    std::uint16_t used = 0;          // of the client's receive maximum, on this connection
    fifo<pending_delivery> pending;  // QoS >= 1 over the window, not in the log
    std::size_t pending_bytes = 0;
    std::unique_ptr<queue_cursor> queue;  // durable sessions
    std::unique_ptr<resumption> resumed;  // after a reconnection with something in the window
    log_sequence stored_cursor = 0;
    std::uint16_t unstored_acknowledgements = 0;
    bool cursor_listed = false;  // in the table's list of cursors to store
    fifo<retained_replay> replays;

    // --- from the client ---
    struct incoming_publish
    {
        packet_id id = 0;
        qos level = qos::at_least_once;
        bool settled = false;
        publish_outcome outcome;
    };
    fifo<incoming_publish> incoming;
    std::uint64_t first_token = 1;  // of incoming.front()
    std::size_t incoming_qos1 = 0;
    std::vector<packet_id> received;  // QoS 2 identifiers awaiting PUBREL, sorted

    [[nodiscard]] std::string_view client_id() const noexcept { return client_id_in(key); }
    [[nodiscard]] bool durable() const noexcept { return id != session_id{}; }
    [[nodiscard]] bool online() const noexcept { return client != nullptr && !doomed; }

    // Delivery (session.cpp).
    [[nodiscard]] std::size_t room() const override;
    void take(logged_message const& item, matched_subscription const* match) override;
    [[nodiscard]] std::vector<queue_filter> filters() const override;
    void on_passed_over(std::uint64_t gap, std::uint64_t expired, std::uint64_t skipped) override;
    [[nodiscard]] std::optional<matched_subscription> match_own(message const& m, log_sequence sequence) const;
    void drop(drop_reason why, std::uint64_t count = 1) const;
    void send_best_effort(message_ptr const& m, matched_subscription const& match, bool retained);
    void send_reliable(logged_message const& item, matched_subscription const& match, group_ticket const& group,
                       bool retained);
    void enqueue(logged_message const& item, matched_subscription const& match, group_ticket const& group);
    void transmit(inflight_entry& entry, bool duplicate);
    void store_and_transmit(inflight_entry& entry);
    void put_inflight(inflight_entry const& entry, std::function<void(store_result const&)> done);
    void complete(inflight_entry& entry);
    [[nodiscard]] error_code on_pubrec(inflight_entry& entry, bool refused);
    void resend();
    void pump();
    [[nodiscard]] log_sequence cursor() const;
    void list_cursor();
    void store_cursor();

    // Incoming (session_publish.cpp).
    void answer_settled();
    [[nodiscard]] bool is_receiving(packet_id packet) const noexcept;
    void forget_received(packet_id packet);

    // Subscriptions (session_subscribe.cpp).
    struct subscribe_job;
    [[nodiscard]] subscription* find_subscription(std::string_view filter) noexcept;
    bool put_subscription(subscription const& wanted);
    void erase_subscription(std::string_view filter);
    void subscribe_one(std::shared_ptr<subscribe_job> const& job, std::size_t index, subscription wanted);
    void replay_retained();
    [[nodiscard]] bool send_retained(retained_replay const& replay, message_ptr const& m);
    void drop_unsubscribed();
    void keep_begun(filter_hash group);

    // Life (session_life.cpp).
    void attach(shard& to);
    void go_online(session_client& with, client_settings const& settings);
    void begin();
    void go_offline();
    void give_up();
    void store_record();
    void publish_will();
    void arm_will(wall_ms now);
};

}  // namespace fulmar::broker
