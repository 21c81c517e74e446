// The HTTP fallbacks of pusher-js, xhr_streaming and xhr_polling: for clients whose way to us lets no WebSocket through.
//
// POST /{anything}/app/{key}/{server}/{stream}/xhr_streaming | xhr | xhr_send, with and without the first segment (httpPath).
// The first request to receive opens a session (fallback_session), in which the same protocol runs as over WebSocket.
//
// Spec:     pusher-js, core/http and url_schemes; SockJS 0.3.3; docs/protocols/pusher.md.
// Owner:    the composition root; ends after the connections, before the frontend and the shards.
// Threads:  built before the shards run; functions that take a shard are called on it.
// Limits:   sessions_max sessions on the node; each counts as one of its app's connections. Bodies of what clients say are
//           limited by the size of a message over WebSocket.
#pragma once

#include "frontends/net/http_router.hpp"
#include "frontends/pusher/fallback_shard.hpp"
#include "frontends/pusher/frontend.hpp"

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace fulmar::pusher {

class http_fallback
{
public:
    // `shared` outlives this.
    http_fallback(broker::node_context& node, frontend& shared, std::size_t sessions_max);
    ~http_fallback();
    http_fallback(http_fallback const&) = delete;
    http_fallback& operator=(http_fallback const&) = delete;

    void add_routes(net::http_router& routes);

    // --- for its shards --------------------------------------------------------------------------------------------
    [[nodiscard]] frontend& shared() noexcept { return shared_; }
    [[nodiscard]] fallback_shard& at(broker::shard const& here) noexcept { return *shards_[here.id()]; }
    [[nodiscard]] broker::shard_id home_of(std::string_view session) const noexcept;
    // Runs `task` on shard `to`: at once if that is `here`, through the mail otherwise.
    void run_at(broker::shard& here, broker::shard_id to, std::function<void(fallback_shard&)> task,
                std::size_t bytes = 0);
    // A session is to be opened: false if there are as many as there may be.
    [[nodiscard]] bool enter() noexcept;
    void leave() noexcept { sessions_.fetch_sub(1, std::memory_order_relaxed); }

private:
    void receive(net::http_request&& request, net::http_responder const& to, receive_kind kind);
    void take(net::http_request&& request, net::http_responder const& to);

    frontend& shared_;
    std::size_t const sessions_max_;
    std::uint64_t const seed_;  // clients choose names: they must not choose shards
    std::atomic<std::size_t> sessions_{0};
    std::vector<std::unique_ptr<fallback_shard>> shards_;
};

// A head, or an answer, that pages of any origin may read: who may connect is the app's to say, in the first frames.
[[nodiscard]] net::http_response fallback_answer(unsigned status, std::string body = {});

}  // namespace fulmar::pusher
