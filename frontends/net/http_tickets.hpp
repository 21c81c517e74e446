// One-time tickets: a short-lived stand-in for a credential, for clients that can send nothing but a URL.
//
// A ticket is 128 random bits, good for one use within its lifetime, and carries the identity that asked for it, narrowed
// to some topics. What is kept is a digest: whoever sees the table cannot use it.
//
// Owner:    the node; shared by REST, which issues, and SSE, which redeems.
// Threads:  any; one lock, never on the publish path.
// Limits:   tickets_max waiting tickets, ticket_topics_max topics each; beyond that none is issued.
#pragma once

#include "broker/authenticator.hpp"
#include "broker/clock.hpp"

#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace fulmar::net {

inline constexpr std::size_t tickets_max = 100'000;
inline constexpr std::size_t ticket_topics_max = 1'000;

class http_tickets
{
public:
    explicit http_tickets(std::chrono::milliseconds lifetime) : lifetime_{lifetime} {}

    // Nothing if too many wait. `topics` empty: whatever the identity may.
    [[nodiscard]] std::optional<std::string> issue(broker::identity who, std::vector<std::string> topics,
                                                   broker::wall_ms now);

    struct redeemed
    {
        broker::identity who;
        std::vector<std::string> topics;
    };
    // Once: a second call with the same ticket finds nothing.
    [[nodiscard]] std::optional<redeemed> redeem(std::string_view ticket, broker::wall_ms now);

    [[nodiscard]] std::chrono::milliseconds lifetime() const noexcept { return lifetime_; }

private:
    struct entry
    {
        redeemed what;
        broker::wall_ms good_until = 0;
    };
    void forget_old(broker::wall_ms now);

    std::chrono::milliseconds const lifetime_;
    std::mutex mutex_;
    std::unordered_map<std::string, entry> waiting_;              // by digest
    std::deque<std::pair<broker::wall_ms, std::string>> by_age_;  // every ticket issued within the lifetime
};

}  // namespace fulmar::net
