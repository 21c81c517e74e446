// Port: everything that survives: the log, durable sessions, retained messages.
//
// Implemented by storage/ (RocksDB) and by tests/support/memory_store. Shards hand over whole turns of operations;
// one committer makes each hand-over durable as a unit, in order per shard, and answers by calling the listener.
//
// Threads:  submit, read, pending_bytes, state and last_committed are called from every shard. recover runs before the
//           shards start. store_listener is called from store threads: the implementer (a shard) only posts.
// Errors:   an operation is refused with errc::store_failed (sticky) or errc::store_full (passes).
#pragma once

#include "broker/errors.hpp"
#include "broker/ids.hpp"
#include "broker/message.hpp"
#include "broker/subscription.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace fulmar::broker {

// The state of one outgoing QoS 1/2 message in a session, or of one incoming QoS 2 packet identifier.
enum class inflight_state : std::uint8_t { published = 0, released = 1, received = 2, completed = 3 };
//   published: PUBLISH sent, no PUBACK/PUBREC yet. released: PUBREL sent (PUBREC seen), no PUBCOMP yet.
//   received:  incoming QoS 2 PUBLISH taken, no PUBREL yet.
//   completed: PUBCOMP seen, but an earlier message is still unacknowledged: the cursor has not passed it.

struct inflight_record
{
    packet_id id = 0;
    inflight_state state = inflight_state::published;
    qos level = qos::exactly_once;
    log_sequence sequence = 0;   // the message; 0 for `received`
    filter_hash shared_group{};  // not 0: it was taken from that shared subscription's queue
};

struct will_record
{
    std::string topic;
    std::string payload;
    qos level = qos::at_most_once;
    bool retain = false;
    std::uint32_t delay_s = 0;
    std::optional<std::uint32_t> expiry_s;
    message_properties properties;
};

// A durable session as stored, without its subscriptions and in-flight records, which have rows of their own.
struct session_record
{
    session_id id{};
    app_id app = default_app;
    std::string client_id;
    std::string user;             // who owns it: nobody else may resume it
    std::uint32_t expiry_s = 0;   // 0xFFFFFFFF = never
    wall_ms disconnected_at = 0;  // 0: was connected when this was written
    std::optional<will_record> will;
    wall_ms will_due = 0;  // 0: not armed
};

// --- operations ----------------------------------------------------------------------------------

// A publish that must be logged, retained, or remembered by packet identifier: all or nothing.
struct publish_op
{
    message_ptr message;
    std::vector<filter_hash> filters;  // empty: not logged
    bool retain = false;               // store as the topic's retained message; an empty payload deletes it
    session_id received_by{};          // not 0: record `received_id` as an incoming QoS 2 identifier
    packet_id received_id = 0;
};
struct put_session_op
{
    session_record record;
};
struct erase_session_op
{
    session_id id{};
};  // with subscriptions, cursor and in-flight records
struct put_subscription_op
{
    session_id id{};
    subscription what;
};
struct erase_subscription_op
{
    session_id id{};
    std::string filter;
};
struct cursor_op
{
    session_id id{};
    log_sequence cursor = 0;
};  // everything <= cursor is acknowledged
struct put_inflight_op
{
    session_id id{};
    inflight_record record;
};
struct erase_inflight_op
{
    session_id id{};
    packet_id packet = 0;
    bool incoming = false;
};
// The cursor of a durable shared subscription (it has no session of its own); `erase` forgets it.
struct group_cursor_op
{
    filter_hash group{};
    std::string filter;
    log_sequence cursor = 0;
    bool erase = false;
};
struct erase_retained_op
{
    app_id app = default_app;
    std::string topic;
};  // expiry found it dead

// Something to be told to somebody outside (a webhook), kept until it was: bytes that only their writer understands,
// under an id that is unique among those not yet erased.
struct put_outbox_op
{
    std::uint64_t id = 0;
    std::string row;
};
struct erase_outbox_op
{
    std::uint64_t id = 0;
};

struct store_op
{
    std::variant<publish_op, put_session_op, erase_session_op, put_subscription_op, erase_subscription_op, cursor_op,
                 put_inflight_op, erase_inflight_op, group_cursor_op, erase_retained_op, put_outbox_op, erase_outbox_op>
        what;
    std::uint64_t ticket = 0;  // 0: nobody waits
};

struct store_result
{
    std::uint64_t ticket = 0;
    error_code error;
    log_sequence sequence = 0;  // of a logged publish
};

// --- the committed stream and reading back -------------------------------------------------------

struct logged_message
{
    log_sequence sequence = 0;
    message_ptr message;
};

// What one commit added to the log, in order; shared by all shards.
using committed_batch = std::shared_ptr<std::vector<logged_message> const>;

struct queue_filter
{
    app_id app = default_app;
    std::string filter;      // for "$share/..." the whole text names the index stream; matching uses the inner filter
    log_sequence begin = 0;  // only messages after this position
    bool history = false;    // the stream of a topic or rule that keeps a history
};

// Reads the queue of a session: the merge, by position and without duplicates, of its filters' index streams.
struct queue_read
{
    std::vector<queue_filter> filters;
    log_sequence after = 0;       // exclusive
    log_sequence upto = log_end;  // inclusive
    std::size_t messages_max = 256;
    std::size_t bytes_max = 1 << 20;
    bool include_expired = false;  // also return messages whose expiry has come: their delivery had begun
    std::uint64_t newest_max = 0;  // not 0: if more than this wait, begin with the newest so many and count the others
    std::uint64_t newest_bytes_max = 0;  // not 0: the same by the size of the records; at least one is read
    std::uint64_t ticket = 0;
};

struct queue_page
{
    std::uint64_t ticket = 0;
    error_code error;
    std::vector<logged_message> messages;
    log_sequence reached = 0;   // everything matching <= reached is in `messages` or was delivered by an earlier page
    bool complete = false;      // reached the end of the asked range (or of what was committed when the read began)
    std::uint64_t gap = 0;      // messages that retention removed before they could be read (at least 1 if unknown)
    std::uint64_t expired = 0;  // passed over because their expiry has come
    std::uint64_t skipped = 0;  // passed over because of newest_max or newest_bytes_max
};

class store_listener
{
public:
    virtual ~store_listener() = default;
    // From a store thread. `results` settle operations submitted by this shard; `committed` (may be null) is what the
    // commit added to the log, whoever published it.
    virtual void on_committed(std::vector<store_result> results, committed_batch committed) = 0;
    virtual void on_page(queue_page page) = 0;
};

enum class store_state : std::uint8_t { healthy, full, failed };

struct recovered_session
{
    session_record record;
    std::vector<subscription> subscriptions;
    std::vector<inflight_record> inflight;
    log_sequence cursor = 0;
};

struct recovered_group
{
    filter_hash group{};
    std::string filter;
    log_sequence cursor = 0;
};

// Receives what was stored, in any order, before the shards start.
struct recovery_sink
{
    std::function<void(recovered_session&&)> session;
    std::function<void(recovered_group&&)> group;
    std::function<void(message_ptr)> retained;
    std::function<void(put_outbox_op&&)> outbox;
};

class session_store
{
public:
    virtual ~session_store() = default;

    // Calls `sink` for everything stored. Throws std::runtime_error with one line of advice if the store cannot be read.
    virtual void recover(recovery_sink const& sink) = 0;

    // After this, `listener` gets the results of `shard` and, while `wants_log`, every committed batch. Call once per shard.
    virtual void attach(shard_id shard, store_listener& listener) = 0;
    // Does this shard have durable subscribers that are connected? If not, committed batches are not sent to it,
    // except the number (a batch may be null). Thread-safe, takes effect for commits that begin later.
    virtual void wants_log(shard_id shard, bool wanted) = 0;

    // Takes over `ops`. Order within a shard is kept, and one call is atomic.
    virtual void submit(shard_id shard, std::vector<store_op> ops) = 0;
    virtual void read(shard_id shard, queue_read request) = 0;

    // A handful of atomics: cheap enough for every publish.
    [[nodiscard]] virtual store_state state() const noexcept = 0;
    [[nodiscard]] virtual std::size_t pending_bytes() const noexcept = 0;  // submitted, not yet committed
    [[nodiscard]] virtual log_sequence last_committed() const noexcept = 0;
    [[nodiscard]] virtual log_sequence low_water() const noexcept = 0;  // everything <= this is gone

    // Commits what was submitted and stops all threads; the listeners are not called afterwards.
    virtual void close() = 0;
};

}  // namespace fulmar::broker
