// Bytes awaiting one socket, in order: private bytes, payloads kept by their owner, and this turn's shared runs.
//
// Within a turn things are only noted down; flush sends all of them with one system call. A run is noted as a cursor and stays
// open: frames that the router appends later in the turn belong to it. When the socket does not take everything, what
// is left of the runs is copied, so that nothing refers to a run after its turn.
//
// Owner:    net::connection, borrowed from the shard's outbox_pool while there is something to send: an idle
//           connection has none.
// Threads:  shard-owned.
// Limits:   of runs, whole frames beyond `limit` waiting bytes are dropped and counted (drop_reason::outbox_full). Private
//           and shared bytes are the caller's to bound (wire::backlog_bytes, shared_backlog_bytes): dropping part of a
//           dialogue would break it.
// Cost:     one send per flush for up to pieces_max pieces; a single run costs no copy and no vector.
#pragma once

#include "broker/frame_run.hpp"
#include "broker/metrics.hpp"
#include "frontends/net/stream.hpp"

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace fulmar::net {

class outbox
{
public:
    static constexpr std::size_t pieces_max = 256;       // per system call
    static constexpr std::size_t keep_bytes_min = 2048;  // smaller payloads are cheaper to copy than to hold

    // Appends one message: `head` is copied, `tail` too unless `keep` owns it and it is large.
    void append(std::string_view head, std::string_view tail = {}, std::shared_ptr<void const> keep = {});
    // Many have the same of it: it is not copied, and does not count as waiting.
    void append_shared(std::string_view bytes, std::shared_ptr<void const> keep);
    // The rest of `run`, as it will be when the turn ends, from `first_byte`, where frame number `first_frame` begins.
    void append_run(broker::frame_run const& run, std::uint32_t first_byte, std::uint32_t first_frame);

    // Ends the turn: sends what is there, unless the socket is known to be full; copies what is left of runs.
    // done: empty. would_block: call `writable` when the socket is, then flush. failed: the connection is lost.
    [[nodiscard]] io_status flush(stream to, std::size_t limit, broker::shard_metrics& metrics);
    void writable() noexcept { blocked_ = false; }
    [[nodiscard]] bool blocked() const noexcept { return blocked_; }

    [[nodiscard]] bool empty() const noexcept { return first_ == segments_.size(); }
    // Runs of this turn and what is shared are not included.
    [[nodiscard]] std::size_t waiting_bytes() const noexcept { return waiting_; }
    [[nodiscard]] std::size_t shared_bytes() const noexcept { return shared_; }

    // Forgets everything (the connection is lost).
    void clear(broker::shard_metrics& metrics) noexcept;

private:
    friend class outbox_pool;

    enum class kind : std::uint8_t { owned, kept, shared, run };
    struct segment
    {
        kind what = kind::owned;
        std::uint32_t first_frame = 0;          // run
        std::size_t offset = 0;                 // owned: in bytes_; others: bytes already sent
        std::size_t size = 0;                   // what is left; not of runs
        void const* source = nullptr;           // kept, shared: the payload; run: the frame_run
        std::shared_ptr<void const> keep = {};  // kept, shared
    };

    void append_owned(char const* bytes, std::size_t size);
    [[nodiscard]] std::string_view view(segment const& s) const noexcept;
    [[nodiscard]] io_status write_segments(stream to, broker::shard_metrics& metrics);
    void consume(std::size_t sent, broker::shard_metrics& metrics);
    void absorb_runs(std::size_t limit, broker::shard_metrics& metrics);
    void absorb(segment& s, std::size_t limit, broker::shard_metrics& metrics);
    void compact();
    void report(broker::shard_metrics& metrics) noexcept;
    [[nodiscard]] std::size_t memory() const noexcept;
    void forget_all() noexcept;

    std::vector<segment> segments_;  // [first_, end) in the order of sending
    std::vector<char> bytes_;        // of the owned segments, with holes where they were sent
    std::size_t first_ = 0;
    std::size_t waiting_ = 0;
    std::size_t shared_ = 0;
    std::size_t reported_ = 0;  // part of the gauge shard_metrics::outbox_bytes
    bool blocked_ = false;
    bool has_runs_ = false;
};

// Outboxes not in use, with their memory.
//
// Owner:    net::shard_frontend.
// Limits:   boxes_max boxes with together bytes_max of memory; what is beyond goes back to the allocator. (Messages of 1 KiB to
//           1,000 receivers at QoS 1 need tens of KiB each in every turn: allocating them anew costs half as much again.)
class outbox_pool
{
public:
    static constexpr std::size_t boxes_max = 4096;
    static constexpr std::size_t box_bytes_max = 64 * 1024;
    static constexpr std::size_t bytes_max = 32 * 1024 * 1024;

    [[nodiscard]] std::unique_ptr<outbox> acquire();
    void release(std::unique_ptr<outbox> box, broker::shard_metrics& metrics) noexcept;
    [[nodiscard]] std::size_t size() const noexcept { return free_.size(); }
    [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

private:
    std::vector<std::unique_ptr<outbox>> free_;
    std::size_t bytes_ = 0;  // allocated by them
};

}  // namespace fulmar::net
