// The sessions of one shard, and how a client id finds its session wherever it is.
//
// Every client id has a home shard (hash of app and client id) that knows which shard holds its session and lets one
// claim at a time through: a take-over moves the session to the shard of the new connection.
//
// Spec:     MQTT 5.0 §3.1.2.4 Clean Start, §3.1.4 take-over, §4.1 session expiry, §3.1.2.5 wills.
// Threads:  shard-owned; shards talk by mail.
// Limits:   limits::sessions_max over all shards.
#pragma once

#include "broker/session.hpp"

#include <functional>
#include <memory>
#include <string>

namespace fulmar::broker {

class shard;
struct yield_request;

struct claim_request
{
    app_id app = default_app;
    std::string client_id;
    std::string user;  // a session belongs to the user that created it
    bool clean_start = false;
    client_settings settings;
};

struct claim_result
{
    session* resumed = nullptr;  // never null on success
    bool present = false;        // Session Present
};

class session_table
{
public:
    explicit session_table(shard& home);
    ~session_table();

    // Gives the caller the session of a client id, taking it from whoever has it. `done` runs on this shard, later or at
    // once, unless cancelled. After `done` the protocol sends CONNACK and then calls begin(). Fails with
    // errc::not_authorized (session of another user), errc::quota_exceeded, errc::store_failed, errc::shutting_down.
    // Returns a ticket for cancel.
    std::uint64_t claim(claim_request request, session_client& client, std::function<void(result<claim_result>)> done);
    void cancel(std::uint64_t ticket);

    // CONNACK is written: retransmissions and queued messages may follow [MQTT-3.2.0-1].
    void begin(session& s);

    // Rebuilds a stored session on this shard. Before the shards run.
    void restore(recovered_session&& stored);
    void restore_group(recovered_group&& stored);

    // Ends the connection of a client id, wherever it is; `drop`: forgets the session too.
    void kick(app_id app, std::string client_id, bool drop);

    // Draining: every connected session is told session_end::shutting_down; wills are published; state is stored.
    void drain();

    // Expiry, delayed wills, cursors that are due. Called by shard::tick.
    void tick();

    [[nodiscard]] std::size_t size() const noexcept;
    // Visits the sessions of this shard, connected or not, in no particular order, until `visit` says false.
    void for_each(std::function<bool(app_id, session const&)> const& visit) const;
    [[nodiscard]] session const* find(app_id app, std::string_view client_id) const;  // null: not on this shard

    // --- for sessions ---
    // Ends the session's connection when the turn ends (never inside a delivery), and an ephemeral session with it.
    void condemn(session& s, session_end why);
    void list_cursor(session& s);
    // All publishes of a session without a connection are settled: it may move.
    void became_quiet(session& s);
    void disconnected(session& s);

    // For the directory: does this shard hold the session with this key (session_directory.hpp)?
    [[nodiscard]] bool holds(std::string_view key) const;
    // Asks shard `owner` to give a session up.
    static void yield_on(shard& from, shard_id owner, yield_request const& wanted);

private:
    friend class session;
    friend class router;
    struct impl;
    std::unique_ptr<impl> impl_;
};

}  // namespace fulmar::broker
