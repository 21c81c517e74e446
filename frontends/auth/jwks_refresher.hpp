// Keeps the keys of tokens as a URL has them: when to ask, and what becomes of the answers.
//
// Keys that are in force stay when an answer is of no use. After a failure the next try comes after a second, then twice as
// long each time, up to retry_wait_max and the refresh period; that also is how a broker that started before its identity
// provider gets its first keys.
//
// Spec:     RFC 7517 §5.
// Owner:    the composition root, beside the thread that fetches.
// Threads:  its io_context's; ask and the counters from any.
// Limits:   one fetch at a time. Asked for by tokens, it begins at most every asked_pause: anybody can make up a "kid".
#pragma once

#include "broker/clock.hpp"
#include "broker/log.hpp"

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace fulmar::auth {

// When the next fetch is due.
class jwks_schedule
{
public:
    static constexpr std::chrono::seconds asked_pause{10};
    static constexpr std::chrono::seconds retry_wait_min{1};
    static constexpr std::chrono::seconds retry_wait_max{60};

    explicit jwks_schedule(std::chrono::milliseconds refresh) noexcept : refresh_{refresh} {}

    void began(broker::steady_time now) noexcept;
    void ended(bool good, broker::steady_time now) noexcept;
    void asked() noexcept;  // sooner, if possible
    // Not while a fetch is under way.
    [[nodiscard]] std::optional<broker::steady_time> due() const noexcept;

private:
    std::chrono::milliseconds const refresh_;
    std::chrono::milliseconds retry_wait_{retry_wait_min};
    broker::steady_time began_{};
    broker::steady_time due_{};
    bool under_way_ = false;
    bool asked_ = false;
};

class jwks_refresher
{
public:
    struct answer
    {
        std::string text;
        std::string problem;  // not empty: there is no text, and this is why
    };
    using fetch = std::function<void(std::function<void(answer)> then)>;
    // Puts the keys in force, or says what is wrong with them.
    using take = std::function<std::optional<std::string>(std::string_view text)>;

    jwks_refresher(boost::asio::io_context& io, std::chrono::milliseconds refresh, fetch how, take where);

    void start();  // the first fetch
    void ask();    // other keys may help

    [[nodiscard]] std::uint64_t fetched() const noexcept { return fetched_.load(std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t failed() const noexcept { return failed_.load(std::memory_order_relaxed); }

private:
    void wait();
    void begin();
    void end(answer const& got);

    boost::asio::io_context& io_;
    fetch const fetch_;
    take const take_;
    jwks_schedule schedule_;
    boost::asio::steady_timer timer_;
    bool good_ = false;               // the last fetch
    std::atomic<bool> asked_{false};  // and not looked at yet
    std::atomic<std::uint64_t> fetched_{0};
    std::atomic<std::uint64_t> failed_{0};
    broker::rate_limited_log failure_log_;
};

}  // namespace fulmar::auth
