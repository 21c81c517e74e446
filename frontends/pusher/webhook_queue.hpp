// What waits to be sent to webhooks: who is next, what failed and when it is tried again, what is given up.
//
// Every address has a queue of its own and at most in_flight_max requests under way (one while it fails), so that one that
// hangs holds up nobody else. What fails is tried again after 1, 2, 4 ... 60 seconds, for five minutes.
//
// Spec:     Pusher Channels, "Webhooks": one event per request unless the app batches; X-Pusher-Key, X-Pusher-Signature.
// Owner:    webhook_sender.
// Threads:  the sender's; metrics are read from any.
// Limits:   what waits is bounded by app_limits::webhooks_pending, which webhooks.cpp applies.
// Cost:     run() is linear in the number of addresses that have something to do.
#pragma once

#include "broker/app_registry.hpp"
#include "broker/clock.hpp"
#include "frontends/pusher/webhook_client.hpp"
#include "frontends/pusher/webhook_item.hpp"

#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace fulmar::pusher {

// Events (not requests), from the moment they are told.
struct webhook_metrics
{
    using number = std::atomic<std::uint64_t>;
    number told{0};          // for each address that wants them
    number delivered{0};     // answered with 2xx
    number retried{0};       // failed and tried again
    number expired{0};       // given up after five minutes
    number overflowed{0};    // dropped at once: too many of the app were waiting
    number unconfigured{0};  // their address is not configured any more
    number cancelled{0};     // departures that were taken back in time
    number pending{0};       // now
};

class webhook_queue
{
public:
    static constexpr std::size_t in_flight_max = 8;
    static constexpr std::size_t batch_events_max = 100;
    static constexpr std::size_t batch_bytes_max = 256 * 1024;
    static constexpr std::chrono::seconds give_up_after{300};

    // `settled` is told of every item that is not needed any more.
    webhook_queue(webhook_client& client, broker::apps_in_force const& apps, broker::clock const& clock,
                  webhook_metrics& metrics, std::function<void(webhook_item const&)> settled);

    void add(webhook_item&& item);

    // Sends what is due. Returns when to call again at the latest; nothing: when something was added or answered.
    [[nodiscard]] std::optional<broker::steady_time> run();

private:
    struct waiting_item
    {
        webhook_item item;
        broker::steady_time since;
    };
    struct attempt
    {
        std::vector<webhook_item> items;
        broker::steady_time since;
        unsigned tries = 0;
    };
    struct address
    {
        std::deque<waiting_item> fresh;
        std::multimap<broker::steady_time, attempt> again;
        std::size_t in_flight = 0;
        bool failing = false;
    };
    using address_key = std::pair<broker::app_id, std::string>;
    struct destination  // as configured now
    {
        broker::app const* app = nullptr;
        broker::webhook_target const* target = nullptr;
    };

    [[nodiscard]] std::optional<broker::steady_time> run_address(address_key const& key, address& to);
    [[nodiscard]] destination find(broker::app_registry const& apps, address_key const& key) const;
    [[nodiscard]] std::optional<attempt> next(broker::app const& app, address& to, broker::steady_time now);
    [[nodiscard]] attempt take_fresh(address& to, bool batching);
    void expire(address_key const& key, address& to, broker::steady_time now);
    void send(address_key const& key, destination const& where, address& to, attempt&& what);
    void on_answer(address_key const& key, attempt&& what, webhook_answer const& answer);
    void drop_all(address_key const& key, address& to);
    void settle(std::vector<webhook_item> const& items);
    [[nodiscard]] std::chrono::milliseconds pause_before(unsigned tries);

    webhook_client& client_;
    broker::apps_in_force const& apps_;
    broker::clock const& clock_;
    webhook_metrics& metrics_;
    std::function<void(webhook_item const&)> settled_;
    std::map<address_key, address> addresses_;
    std::minstd_rand jitter_;
};

}  // namespace fulmar::pusher
