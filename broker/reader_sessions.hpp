// The durable sessions of readers whose whole state is a place in the log (SSE), of those whose home is this shard.
//
// While a session exists, messages of QoS >= 1 to its topics are logged (durable interest), whether or not its reader is
// there. It never moves: the reader, on whatever shard, holds it through a reader_claim (reader_claim.hpp), by mail. It has one
// reader at a time, the newest.
//
// Owner:    broker::shard.
// Threads:  shard-owned; restore is called before the shards run. Counters are shard_metrics::reader_sessions...
// Limits:   limits::sessions_max, together with all other sessions; the front-end bounds the topics of one.
// Cost:     one letter to open and one back, one for each report of a place, one to close; places are stored twice a
//           second at most.
#pragma once

#include "broker/clock.hpp"
#include "broker/errors.hpp"
#include "broker/session_store.hpp"
#include "broker/starting_point.hpp"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace fulmar::broker {

class shard;
struct node_context;

// What a reader asks of its session.
struct reader_request
{
    app_id app = default_app;
    std::string name;
    std::string user;                  // whose the session is: nobody else may use it
    std::vector<std::string> topics;   // valid filters, each once: these from now on, and no others
    std::uint32_t expiry_s = 0;        // for so long the session waits for its reader
    std::optional<log_sequence> seen;  // the reader says itself that it has had everything up to here
    bool yields = false;               // another reader took the session from it: not to be taken back
};

struct reader_grant
{
    bool known = false;               // the session existed
    log_sequence after = 0;           // what follows this is owed to the reader
    std::vector<topic_begin> begins;  // of its topics, in the order of asking
};

// Why a session is not its reader's any more.
enum class reader_end : std::uint8_t { taken_over, dropped };

class reader_sessions
{
public:
    explicit reader_sessions(shard& home);
    ~reader_sessions();
    reader_sessions(reader_sessions const&) = delete;
    reader_sessions& operator=(reader_sessions const&) = delete;

    [[nodiscard]] static shard_id home_of(node_context const& node, app_id app, std::string_view name);

    // Rebuilds a stored session at its home. False: it is of another kind, and `stored` is untouched.
    [[nodiscard]] static bool restore(node_context& node, recovered_session& stored);

    // Expiry, and places to be stored. Called by shard::tick.
    void tick();

    // --- what an administrator may look at and end -------------------------------------------------
    struct listed
    {
        app_id app = default_app;
        std::string_view name;
        std::string_view user;
        std::vector<std::string> topics;
        bool has_reader = false;
        log_sequence place = 0;  // everything up to here was had
        wall_ms away_since = 0;  // 0: it has a reader
        std::uint32_t expiry_s = 0;
    };
    [[nodiscard]] std::size_t size() const noexcept { return sessions_.size(); }
    // Until `visit` says false, in no particular order.
    void for_each(std::function<bool(listed const&)> const& visit) const;
    [[nodiscard]] std::optional<listed> find(app_id app, std::string_view name) const;
    // Forgets a session and ends its reader; false: it is not here.
    bool drop(app_id app, std::string_view name);

    // --- for reader_claim --------------------------------------------------------------------------
    // `done` runs on this shard, once every message of QoS >= 1 that is published from then on is logged for the topics.
    // Fails with errc::not_authorized (the session is somebody else's), errc::taken_over, errc::quota_exceeded, and those of
    // the store.
    void open(reader_request wanted, endpoint_id by, std::function<void(result<reader_grant>)> done);
    void report(app_id app, std::string_view name, endpoint_id by, log_sequence place);
    void close(app_id app, std::string_view name, endpoint_id by);

private:
    struct session;
    struct opening;

    [[nodiscard]] session* find_session(app_id app, std::string_view name) const noexcept;
    [[nodiscard]] session* create(reader_request const& wanted);
    [[nodiscard]] std::vector<std::string> take_topics(session& of, std::vector<std::string> const& wanted);
    void confirm(session& of, reader_request&& wanted, bool known, std::function<void(result<reader_grant>)>&& done);
    void settle(opening const& finished);
    void give_up(opening const& failed);
    void tell(endpoint_id reader, reader_end why);
    void wait_for_reader(session& of);
    void drop_topic(session& of, std::size_t index);
    void erase(session& gone);
    void arm(session& of);
    void disarm(session& of);
    void touch(session& of);
    void store_record(session const& of);
    void store_place(session& of);
    void store_kept(session const& of);
    [[nodiscard]] static listed view_of(session const& of);
    void take_in(recovered_session& stored, std::string_view name);

    shard& home_;
    std::unordered_map<std::string, std::unique_ptr<session>> sessions_;  // by app and name
    std::multimap<wall_ms, session*> timers_;                             // of those that wait for their readers
    std::vector<session*> moved_;                                         // whose place is to be stored
};

}  // namespace fulmar::broker
