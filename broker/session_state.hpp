// The insides of broker::session, shared by session.cpp (delivery), session_publish.cpp (incoming publishes),
// session_subscribe.cpp (subscriptions, retained replay) and session_table.cpp (life and moves).
#pragma once

#include "broker/authenticator.hpp"
#include "broker/compact_list.hpp"
#include "broker/inflight_window.hpp"
#include "broker/metrics.hpp"
#include "broker/queue_cursor.hpp"
#include "broker/retained_index.hpp"
#include "broker/session.hpp"
#include "broker/session_directory.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace fulmar::broker {

// Idle sessions are many: fields stand by size, and what few sessions have is behind a pointer. The texts that never
// change follow the object in its own allocation.
struct session::impl final : session
{
    [[nodiscard]] static std::unique_ptr<session> make(app_id app, std::string_view client_id, std::string_view user);
    static void operator delete(void* gone) noexcept { ::operator delete(gone); }
    ~impl() override;

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
    struct delivery
    {
        message_ptr const& message;
        log_sequence sequence = 0;  // in the session's queue; 0: not from it
        log_sequence position = 0;  // told to the client; 0: not
        bool retained = false;
    };
    struct history_follower;  // session_history.hpp
    struct history_part;
    struct incoming_publish
    {
        packet_id id = 0;
        qos level = qos::at_least_once;
        bool settled = false;
        publish_outcome outcome;
    };
    struct lasting_part final : queue_cursor::consumer  // what only durable sessions have
    {
        lasting_part(impl& of, session_id named, log_sequence consumed)
            : owner{of}, id{named}, stored_cursor{consumed}, queue{*this, consumed}
        {
        }
        [[nodiscard]] std::size_t room() const override { return owner.queue_room(); }
        void take(logged_message const& item, matched_subscription const* match) override { owner.take(item, match); }
        [[nodiscard]] std::vector<queue_filter> filters() const override { return owner.filters(); }
        void on_passed_over(std::uint64_t gap, std::uint64_t expired, std::uint64_t skipped) override
        {
            owner.on_passed_over(gap, expired, skipped);
        }

        impl& owner;
        session_id const id;
        wall_ms will_due = 0;         // 0: not armed
        wall_ms disconnected_at = 0;  // 0: connected
        log_sequence stored_cursor;
        std::unique_ptr<resumption> resumed;  // after a reconnection with something in the window
        std::uint32_t expiry_s = 0;
        std::uint16_t unstored_acknowledgements = 0;
        bool cursor_listed = false;  // in the table's list of cursors to store
        queue_cursor queue;
    };

    // --- what it is ---
    shard* home = nullptr;
    endpoint_id address;
    app_id const app;
    std::uint32_t const key_size;
    std::uint32_t const user_size;
    std::uint64_t const client_hash;
    std::shared_ptr<permissions const> allowed;
    compact_list<subscription> subscriptions;  // sorted by filter
    std::unique_ptr<will_record> will;
    std::unique_ptr<lasting_part> lasting;  // null: ephemeral

    // --- the connection ---
    session_client* client = nullptr;
    std::uint32_t connection = 0;  // counts connections: late answers to an earlier one are recognised
    std::uint16_t receive_maximum = 0;
    std::uint16_t used = 0;  // of the client's receive maximum, on this connection

    // --- towards the client ---
    inflight_window window;
    fifo<pending_delivery> pending;  // QoS >= 1 over the window, not in the log
    std::size_t pending_bytes = 0;
    fifo<retained_replay> replays;
    std::unique_ptr<history_part> history;  // null: none was asked for

    // --- from the client ---
    fifo<incoming_publish> incoming;
    std::uint64_t first_token = 1;     // of incoming.front()
    compact_list<packet_id> received;  // QoS 2 identifiers awaiting PUBREL, sorted
    std::uint32_t incoming_qos1 = 0;

    bool doomed = false;  // will be ended at the end of the turn: takes nothing any more

    // App and client id (session_directory.hpp): the table looks the session up by this very text.
    [[nodiscard]] std::string_view key() const noexcept { return {texts(), key_size}; }
    [[nodiscard]] std::string_view user() const noexcept { return {texts() + key_size, user_size}; }
    [[nodiscard]] std::string_view client_id() const noexcept { return client_id_in(key()); }
    [[nodiscard]] bool durable() const noexcept { return lasting != nullptr; }
    [[nodiscard]] bool online() const noexcept { return client != nullptr && !doomed; }

    // Delivery (session.cpp).
    [[nodiscard]] std::size_t room() const;
    void take(logged_message const& item, matched_subscription const* match);
    [[nodiscard]] std::vector<queue_filter> filters() const;
    void on_passed_over(std::uint64_t gap, std::uint64_t expired, std::uint64_t skipped);
    [[nodiscard]] std::optional<matched_subscription> match_own(message const& m, log_sequence sequence) const;
    void drop(drop_reason why, std::uint64_t count = 1) const;
    [[nodiscard]] std::optional<matched_subscription> match_all(message const& m, log_sequence sequence) const;
    void send_best_effort(delivery const& what, matched_subscription const& match);
    void send_reliable(delivery const& what, matched_subscription const& match, group_ticket const& group);
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

    // History (session_history.cpp).
    [[nodiscard]] bool may_follow(std::string_view filter) const;
    [[nodiscard]] bool follows(std::string_view topic) const;
    [[nodiscard]] std::size_t queue_room() const;
    void follow_history(std::shared_ptr<subscribe_job> const& job, std::size_t index, std::string_view filter);
    void begin_history(subscribe_job const& job);
    void forget_history(std::string_view filter);
    void forget_history();
    void pump_history();

    // Life (session_life.cpp).
    void attach(shard& to);
    void go_online(session_client& with, client_settings const& settings);
    void begin();
    void go_offline();
    void give_up(std::function<void(store_result const&)> erased);  // asked for a durable session only
    void store_record();
    void publish_will();
    void arm_will(wall_ms now);

private:
    struct extra_bytes
    {
        std::size_t count;
    };
    static void* operator new(std::size_t size, extra_bytes texts) { return ::operator new(size + texts.count); }
    static void operator delete(void* gone, extra_bytes) noexcept { ::operator delete(gone); }

    impl(app_id owner_app, std::string_view key_text, std::string_view user_name);
    [[nodiscard]] char const* texts() const noexcept { return reinterpret_cast<char const*>(this + 1); }
};

inline session::impl& session::self() noexcept { return static_cast<impl&>(*this); }
inline session::impl const& session::self() const noexcept { return static_cast<impl const&>(*this); }

}  // namespace fulmar::broker
