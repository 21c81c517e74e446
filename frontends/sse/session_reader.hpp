// What a stream with a session knows of it: which one, and how far the client's machine has acknowledged what was written.
//
// A place counts once the kernel has an acknowledgement of every byte that was written up to it. That is less than that
// the client has read it, and behind a proxy it is the proxy's acknowledgement.
//
// Owner:    event_stream, of a request that names a session.
// Threads:  shard-owned.
// Limits:   one place is waited for at a time.
// Cost:     two system calls for each look, at most two looks a second while something is not acknowledged.
#pragma once

#include "broker/reader_claim.hpp"
#include "frontends/net/protocol.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace fulmar::sse {

class session_reader
{
public:
    static constexpr std::chrono::milliseconds look_after{500};

    session_reader(std::unique_ptr<broker::reader_claim> claim, broker::reader_grant grant);

    [[nodiscard]] std::string const& name() const noexcept { return claim_->name(); }
    [[nodiscard]] broker::reader_grant const& grant() const noexcept { return grant_; }
    [[nodiscard]] broker::reader_claim& claim() noexcept { return *claim_; }

    // The stream's deadline is also for looks: when its next sign of life is due.
    void alive_again_at(broker::steady_time when) noexcept { alive_at_ = when; }
    [[nodiscard]] broker::steady_time alive_at() const noexcept { return alive_at_; }
    // Something was sent. True: nothing was waited for until now.
    [[nodiscard]] bool note_sent() noexcept { return !std::exchange(unacknowledged_, true); }
    [[nodiscard]] bool unacknowledged() const noexcept { return unacknowledged_; }
    // Everything up to `written` was sent through `wire`: reports what of it is acknowledged.
    void look(net::wire const& wire, broker::log_sequence written);

private:
    struct waiting
    {
        std::uint64_t bytes = 0;
        broker::log_sequence place = 0;
    };

    std::unique_ptr<broker::reader_claim> claim_;
    broker::reader_grant grant_;
    std::optional<waiting> waiting_;
    broker::log_sequence reported_ = 0;
    broker::steady_time alive_at_{};
    bool unacknowledged_ = false;  // as far as known
};

}  // namespace fulmar::sse
