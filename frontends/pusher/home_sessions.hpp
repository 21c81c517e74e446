// The durable sessions whose home is this shard: which channels each has, how far it has been acknowledged in each, and the
// connection that uses it.
//
// A session never moves: connections of other shards talk to it by mail. While it has a channel, the messages of that
// channel are logged (durable interest), whether or not a connection is there; what a connection missed it reads from the
// log itself (follower.hpp). The store knows one position for a session, the lowest of its channels.
//
// Owner:    channel_shard.
// Threads:  shard-owned; restore is called before the shards run.
// Limits:   app_session_settings: sessions per app, expiry; app_limits::subscriptions_per_connection channels each.
// Cost:     one letter to open, to close, and for every acknowledgement; positions are stored twice a second at most.
#pragma once

#include "broker/session_store.hpp"
#include "frontends/pusher/channel_key.hpp"
#include "frontends/pusher/connection_counts.hpp"
#include "frontends/pusher/socket_id.hpp"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace fulmar::pusher {

class channel_shard;

// How far a connection had got when it was asked: everything at or before `base` in the channels that followed what happens,
// and less in those named. Of channels that it wished for later, with a greater number than `wishes`, this says nothing.
struct session_progress
{
    broker::log_sequence base = 0;
    std::uint32_t wishes = 0;
    std::vector<std::pair<std::string, broker::log_sequence>> behind;
};

class home_sessions
{
public:
    explicit home_sessions(channel_shard& owner);
    ~home_sessions();

    // What a connection hears when it subscribes to a channel.
    struct claim
    {
        bool accepted = false;           // no: it is subscribed without a session
        bool known = false;              // the session had this channel before
        broker::log_sequence from = 0;   // what comes after this position is not acknowledged
        broker::wall_ms away_since = 0;  // when the session lost its connection; 0: it has never been without one
        std::vector<std::uint64_t> own;  // connections that the session has and had: what excludes them is not for it
    };

    // `by` uses the session from now on; whoever used it is told. Without room for another session nothing happens, and
    // claims will not be accepted.
    void open(broker::app_id app, std::string_view id, connection_id by);
    void close(broker::app_id app, std::string_view id, connection_id by);
    // `wish` is the connection's number for it, greater than those before. `done` runs on this shard once every message that
    // is published from then on is logged for this channel.
    void subscribe(broker::app_id app, std::string_view id, connection_id by, std::string const& channel,
                   std::uint32_t wish, std::function<void(claim const&)> done);
    void unsubscribe(broker::app_id app, std::string_view id, connection_id by, std::string_view channel);
    void acknowledge(broker::app_id app, std::string_view id, connection_id by, session_progress const& upto);

    void restore(broker::recovered_session&& stored);
    // Expiry, channels that were not asked for again, positions to be stored. True: there is more to do later.
    bool tick();
    [[nodiscard]] std::size_t size() const noexcept { return sessions_.size(); }

private:
    struct channel_place
    {
        std::string name;
        broker::log_sequence position = 0;
        std::uint32_t wish = 0;  // of the connection of now; 0: it has not claimed it
        bool stored = false;     // confirmed: it may be relied on
    };
    struct home_session;

    [[nodiscard]] home_session* find(broker::app_id app, std::string_view id) noexcept;
    [[nodiscard]] home_session* find(broker::app_id app, std::string_view id, connection_id by) noexcept;
    [[nodiscard]] home_session* create(broker::app_id app, std::string_view id);
    void add_channel(home_session& to, std::string const& channel, std::uint32_t wish,
                     std::function<void(claim const&)> done);
    void confirmed(home_session const& of, std::string const& channel, bool stored,
                   std::function<void(claim const&)> const& done);
    [[nodiscard]] claim claim_of(home_session const& of, channel_place const& where, bool known) const;
    void drop_channel(home_session& of, std::size_t index);
    void arm(home_session& of, broker::wall_ms due);
    void disarm(home_session& of);
    void fire(home_session& of);
    void touch(home_session& of);
    void store_record(home_session& of);
    void store_cursor(home_session& of);
    void erase(home_session& gone);

    channel_shard& owner_;
    std::unordered_map<channel_key, std::unique_ptr<home_session>, channel_key_hash> sessions_;
    std::multimap<broker::wall_ms, home_session*> timers_;
    std::vector<home_session*> moved_;  // whose position is to be stored
};

// The name under which a session is stored: no MQTT client can have it.
[[nodiscard]] bool is_session_record(broker::session_record const& record) noexcept;
[[nodiscard]] std::string_view session_id_in(broker::session_record const& record) noexcept;

}  // namespace fulmar::pusher
