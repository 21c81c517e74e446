// A reader's hold on its session (reader_sessions.hpp), on the reader's own shard. When it goes, the session waits for the next.
//
// Owner:    the front-end, from the request on; then the stream.
// Threads:  shard-owned.
// Limits:   one slot of the shard.
// Cost:     one letter to the session's home for each call.
#pragma once

#include "broker/endpoint.hpp"
#include "broker/reader_sessions.hpp"

#include <functional>
#include <string>

namespace fulmar::broker {

class reader_claim final : public endpoint
{
public:
    // Asks for the session; `done` runs on this shard in a later turn, unless the claim has gone. It may destroy the claim.
    reader_claim(shard& here, reader_request wanted, std::function<void(result<reader_grant>)> done);
    ~reader_claim() override;
    reader_claim(reader_claim const&) = delete;
    reader_claim& operator=(reader_claim const&) = delete;

    [[nodiscard]] std::string const& name() const noexcept { return name_; }

    // The reader has had everything up to `place`; a lower one than before changes nothing.
    void report(log_sequence place);
    // `lost` runs when the session becomes another reader's, or is dropped. It may destroy the claim.
    void on_end(std::function<void(reader_end)> lost);

    // --- endpoint ---
    void on_published(std::uint64_t, publish_outcome const&) override {}

private:
    friend class reader_sessions;

    void answered(result<reader_grant> const& outcome);
    void ended(reader_end why);

    shard& here_;
    app_id const app_;
    std::string const name_;
    shard_id const home_;
    endpoint_id address_;
    std::function<void(result<reader_grant>)> done_;
    std::function<void(reader_end)> lost_;
    std::optional<reader_end> end_;  // came before anybody wanted to hear of it
};

}  // namespace fulmar::broker
