// Server-Sent Events at /sse: answers requests, and knows every open stream.
//
// Spec:     WHATWG HTML §9.2; RFC 9457 for refusals. docs/protocols/sse.md.
// Owner:    the node; outlives all connections.
// Threads:  handlers run on the shard of their connection; streams are listed per shard. Counters may be read by any.
// Limits:   sse_options; connections as everywhere.
#pragma once

#include "broker/metrics.hpp"
#include "broker/reader_claim.hpp"
#include "broker/shard.hpp"
#include "frontends/net/http_access.hpp"
#include "frontends/net/http_router.hpp"
#include "frontends/sse/stream_request.hpp"

#include <chrono>
#include <memory>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace fulmar::sse {

class event_stream;
class session_reader;

struct sse_options
{
    std::size_t topics_max = 1'000;
    std::size_t body_bytes_max = 256 * 1024;
    std::chrono::milliseconds keep_alive{15'000};
    std::uint32_t session_expiry_s = 3'600;
    std::chrono::milliseconds retry_min{1'000};  // each stream is told a time of its own within these two
    std::chrono::milliseconds retry_max{5'000};
};

// What is counted per shard.
struct stream_metrics
{
    broker::counter opened;
    broker::counter refused;
    broker::counter replayed;  // messages read from the log
    broker::counter gaps;      // clients told that something is missing
    broker::counter slow;      // closed because they did not read
};

class sse_frontend
{
public:
    sse_frontend(broker::node_context& node, net::http_access const& access, sse_options options);
    ~sse_frontend();
    sse_frontend(sse_frontend const&) = delete;
    sse_frontend& operator=(sse_frontend const&) = delete;

    void add_routes(net::http_router& routes);

    // Ends every stream of a shard, on its thread: they come back with fresh credentials, or to another broker, spread over
    // the time that `retry_min` and `retry_max` give.
    void close_streams(broker::shard_id shard);

    [[nodiscard]] stream_metrics const& metrics(broker::shard_id shard) const { return shards_[shard].metrics; }
    [[nodiscard]] std::size_t open_streams(broker::shard_id shard) const { return shards_[shard].open.get(); }
    [[nodiscard]] std::size_t shard_count() const noexcept { return shards_.size(); }

    // --- for streams -----------------------------------------------------------------------------
    [[nodiscard]] sse_options const& options() const noexcept { return options_; }
    [[nodiscard]] stream_metrics& metrics_of(broker::shard& home) { return shards_[home.id()].metrics; }
    void opened(broker::shard& home, event_stream& stream);
    void closed(broker::shard& home, event_stream& stream);

private:
    struct shard_streams
    {
        std::unordered_set<event_stream*> streams;
        std::unordered_map<std::uint64_t, std::unique_ptr<broker::reader_claim>> claims;  // not answered yet
        std::uint64_t last_claim = 0;
        broker::counter open;
        stream_metrics metrics;
    };
    struct admission;  // a request that has been let in

    void handle(net::http_request&& request, net::http_responder const& to);
    void admit(admission&& in, std::vector<std::string> const& ticket_topics);
    void ask_for_session(admission&& in);
    void open_stream(admission&& in, std::unique_ptr<session_reader> session);
    void refuse(net::http_request const& request, net::http_responder const& to, net::http_response answer);

    broker::node_context& node_;
    net::http_access const& access_;
    sse_options const options_;
    std::vector<shard_streams> shards_;
};

}  // namespace fulmar::sse
