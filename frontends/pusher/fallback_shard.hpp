// One shard's part of the HTTP fallbacks: the sessions whose home this is, and the requests of connections that are here.
//
// Requests of one session arrive on whatever shard accepted their connections. The home of a session is a hash of its name,
// so that every shard knows where to send a letter, and nobody keeps a table of all.
//
// Owner:    http_fallback, one per shard.
// Threads:  shard-owned.
// Limits:   sessions: http_fallback::sessions_max over all shards. Requests: one per connection.
// Cost:     two letters for what a client says, two for a part of what it is told, none if the home is here. A timer that
//           looks at every session at most ten times a second, while something is due.
#pragma once

#include "broker/shard.hpp"
#include "frontends/net/http_router.hpp"
#include "frontends/pusher/fallback_session.hpp"
#include "frontends/pusher/pusher_metrics.hpp"

#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace fulmar::pusher {

class http_fallback;

// A streaming response, as the shard of its connection sees it.
class streaming_receiver
{
public:
    // True: it takes more. False: it says so later (fallback_shard::takes_more).
    [[nodiscard]] virtual bool write(std::string_view part, bool last) = 0;

protected:
    ~streaming_receiver() = default;
};

class fallback_shard final : private broker::turn_end
{
public:
    fallback_shard(http_fallback& all, broker::shard& home);
    ~fallback_shard();
    fallback_shard(fallback_shard const&) = delete;
    fallback_shard& operator=(fallback_shard const&) = delete;

    [[nodiscard]] broker::shard& home() noexcept { return home_; }
    [[nodiscard]] pusher_metrics& metrics() noexcept;

    // --- for requests whose connection is here -----------------------------------------------------------------------
    // A request that waits for frames of `session`, or for what becomes of what it said.
    [[nodiscard]] receiver_id add(std::string const& session, streaming_receiver& stream);
    [[nodiscard]] receiver_id add(std::string const& session, net::http_responder waiting);
    void takes_more(receiver_id which);
    void lose(receiver_id which);  // its connection has ended
    // Frames, the last of them or not; for what has ended meanwhile: nothing.
    void deliver(receiver_id to, std::string const& part, bool last);
    void answer(receiver_id to, net::http_response response);

    // --- for sessions whose home is here ------------------------------------------------------------------------------
    void receive(std::string const& session, net::http_request const& request, receiver_id who, receive_kind kind);
    enum class outcome : std::uint8_t { taken, unknown, foreign };
    [[nodiscard]] outcome take(std::string const& session, std::string const& origin,
                               std::vector<std::string> const& messages);
    void ready(std::string const& session, receiver_id who);
    void lost(std::string const& session, receiver_id who);
    [[nodiscard]] std::size_t session_count() const noexcept { return sessions_.size(); }
    void visit_clients(net::client_visitor& visitor) const
    {
        for (auto const& [name, session] : sessions_)
            session->introduce(visitor);
    }

    // --- for those sessions -------------------------------------------------------------------------------------------
    void touch(fallback_session& session);  // flush it at the end of the turn
    void defer(fallback_session& session);  // it has something to do in the next turn, or has ended
    void write(receiver_id to, std::string part, bool last);
    void arm(broker::steady_time due);
    void tick();  // what is due by now; called by a timer, and by tests

private:
    struct entry  // a request that waits here
    {
        std::string session;
        streaming_receiver* stream = nullptr;
        std::optional<net::http_responder> waiting;
    };

    void on_turn_end() override;
    void run_deferred();
    [[nodiscard]] receiver_id add(entry waiting);
    [[nodiscard]] bool look_for_lost_polls();  // true: some wait
    [[nodiscard]] fallback_session* find(std::string const& session) noexcept;
    [[nodiscard]] fallback_session* create(std::string const& session, net::http_request const& request);
    void erase(fallback_session& session);

    http_fallback& all_;
    broker::shard& home_;
    std::shared_ptr<fallback_shard*> alive_;  // the timer's and other handlers may outlive this inside the io_context
    boost::asio::steady_timer timer_;
    std::optional<broker::steady_time> timer_due_;
    std::unordered_map<std::uint64_t, entry> requests_;
    std::unordered_map<std::string, std::unique_ptr<fallback_session>> sessions_;
    std::vector<fallback_session*> touched_;
    std::vector<fallback_session*> deferred_;
    std::uint64_t serials_ = 0;
    broker::steady_time look_at_ = broker::steady_time::max();  // when polls are looked at; max: none waits
};

}  // namespace fulmar::pusher
