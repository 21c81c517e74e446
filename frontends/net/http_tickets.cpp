#include "frontends/net/http_tickets.hpp"

#include <sys/random.h>

#include <openssl/sha.h>
#include <array>

namespace fulmar::net {

namespace {

constexpr std::size_t ticket_bytes = 16;
constexpr std::size_t ticket_text_bytes = 2 * ticket_bytes;

[[nodiscard]] std::string digest_of(std::string_view ticket)
{
    std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
    SHA256(reinterpret_cast<unsigned char const*>(ticket.data()), ticket.size(), digest.data());
    return {reinterpret_cast<char const*>(digest.data()), digest.size()};
}

}  // namespace

std::optional<std::string> http_tickets::issue(broker::identity who, std::vector<std::string> topics,
                                               broker::wall_ms now)
{
    std::array<unsigned char, ticket_bytes> bits{};
    if (getentropy(bits.data(), bits.size()) != 0 || topics.size() > ticket_topics_max)
        return std::nullopt;
    std::string ticket;
    for (auto const byte : bits) {
        ticket += "0123456789abcdef"[byte >> 4U];
        ticket += "0123456789abcdef"[byte & 15U];
    }
    auto key = digest_of(ticket);
    std::lock_guard const lock{mutex_};
    forget_old(now);
    if (by_age_.size() >= tickets_max)
        return std::nullopt;
    auto const until = now + static_cast<broker::wall_ms>(lifetime_.count());
    by_age_.emplace_back(until, key);
    waiting_.emplace(std::move(key), entry{{std::move(who), std::move(topics)}, until});
    return ticket;
}

std::optional<http_tickets::redeemed> http_tickets::redeem(std::string_view ticket, broker::wall_ms now)
{
    if (ticket.size() != ticket_text_bytes)
        return std::nullopt;
    auto const key = digest_of(ticket);
    std::lock_guard const lock{mutex_};
    forget_old(now);
    auto found = waiting_.extract(key);
    if (found.empty())
        return std::nullopt;
    return std::move(found.mapped().what);
}

void http_tickets::forget_old(broker::wall_ms now)
{
    while (!by_age_.empty() && by_age_.front().first <= now) {
        waiting_.erase(by_age_.front().second);
        by_age_.pop_front();
    }
}

}  // namespace fulmar::net
