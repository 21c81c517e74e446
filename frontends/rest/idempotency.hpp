// Requests that were answered already: a retry with the same Idempotency-Key gets the same answer and does nothing.
//
// A key belongs to an identity. A retry while the first request is under way is told so; the same key with another
// request is a mistake and refused. Answers of requests that failed for the broker's reasons are forgotten: the retry counts.
//
// Spec:     draft-ietf-httpapi-idempotency-key-header-07.
// Owner:    rest_frontend; a retry may come to another shard.
// Threads:  any; one lock, for requests that carry a key only.
// Limits:   entries_max keys within the window; beyond that the oldest are forgotten. It does not outlive the process.
#pragma once

#include "broker/clock.hpp"
#include "frontends/net/http_message.hpp"

#include <array>
#include <chrono>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

namespace fulmar::rest {

inline constexpr std::size_t idempotency_key_bytes_max = 128;

// Of everything that makes two requests the same.
using request_digest = std::array<unsigned char, 32>;
[[nodiscard]] request_digest digest_of(net::http_request const& request);

class idempotency_window
{
public:
    static constexpr std::size_t entries_max = 100'000;

    explicit idempotency_window(std::chrono::milliseconds length) : length_{length} {}

    enum class verdict : std::uint8_t {
        fresh,      // do it, then call finish
        repeated,   // `answer` is what the first one got
        under_way,  // the first one has no answer yet
        other_use   // the key came with another request
    };
    struct decision
    {
        verdict what = verdict::fresh;
        std::optional<net::http_response> answer;
    };
    [[nodiscard]] decision begin(std::string const& key, request_digest const& request, broker::wall_ms now);
    void finish(std::string const& key, net::http_response const& answer);

private:
    struct entry
    {
        request_digest request{};
        std::optional<net::http_response> answer;
        std::uint64_t number = 0;
    };
    void forget_old(broker::wall_ms now);

    std::chrono::milliseconds const length_;
    std::mutex mutex_;
    std::unordered_map<std::string, entry> entries_;
    struct birth
    {
        broker::wall_ms until = 0;
        std::string key;
        std::uint64_t number = 0;
    };
    std::deque<birth> by_age_;
    std::uint64_t last_number_ = 0;
};

}  // namespace fulmar::rest
