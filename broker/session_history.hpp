// What a session reads of the log because its client asked for the history of a filter: from a place in the past on,
// then what is committed, as long as the connection lasts.
//
// While a filter has a follower, messages of topics with history that it matches reach the session through the log
// alone: what is stored first, then what is new, in the order of the log, each once. A durable session has its queue for
// what it would get anyway; that waits until the past was told. The past belongs to the connection: it is not part of the
// session's cursor, and whoever comes back asks again from the last position seen.
//
// Of several followers that match a message, the one asked for last has it, from where it was asked for on.
//
// Owner:    session::impl, while connected.
// Threads:  shard-owned.
// Limits:   followers_max per session; each waits within queue_cursor's limits.
// Cost:     one log read per page of the past; live, one comparison of filters per follower and message.
#pragma once

#include "broker/session_state.hpp"
#include "broker/starting_point.hpp"

namespace fulmar::broker {

// One SUBSCRIBE: answered when every filter is stored and known to every shard, and the place in the past is found.
struct session::impl::subscribe_job
{
    packet_id packet = 0;
    std::size_t missing = 1;  // the loop over the filters counts as one, so that the answer comes after it
    std::vector<subscribe_outcome> outcomes;
    std::vector<retained_replay> replays;
    std::optional<starting_point> past;
    std::vector<std::string> filters;  // if the past was asked for
    std::function<void(subscribe_job&)> finish;

    void arrive()
    {
        if (--missing == 0)
            finish(*this);
    }
};

struct session::impl::history_follower final : queue_cursor::consumer
{
    history_follower(impl& of, subscribe_job const& job, std::string_view asked);

    [[nodiscard]] std::size_t room() const override;
    void take(logged_message const& item, matched_subscription const* match) override;
    [[nodiscard]] std::vector<queue_filter> filters() const override { return sources; }
    void on_passed_over(std::uint64_t gap, std::uint64_t expired, std::uint64_t skipped) override
    {
        owner.on_passed_over(gap, expired, skipped);
    }
    void on_page_end() override { owner.pump(); }

    [[nodiscard]] bool wants(message const& m) const;
    // What was stored when it was asked for is not told yet.
    [[nodiscard]] bool in_the_past() const { return !started || cursor.consumed() < asked_at; }

    impl& owner;
    std::string const filter;
    packet_id const asked_by;
    wall_ms const not_before;
    log_sequence const asked_at;       // what was committed then
    log_sequence const queued_before;  // durable: up to here the session's queue has been taken
    std::vector<queue_filter> sources;
    bool started = false;
    queue_cursor cursor;
};

struct session::impl::history_part
{
    static constexpr std::size_t followers_max = 64;
    std::vector<std::unique_ptr<history_follower>> followers;  // in the order of asking

    [[nodiscard]] history_follower* find(std::string_view filter) noexcept;
};

}  // namespace fulmar::broker
