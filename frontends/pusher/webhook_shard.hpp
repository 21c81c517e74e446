// One shard's part of webhooks: departures that may still be taken back, and cache misses told a moment ago.
//
// Owner:    webhooks.
// Threads:  shard-owned.
// Limits:   bounded with everything else that waits by app_limits::webhooks_pending; cache_misses_max recent misses.
#pragma once

#include "broker/shard.hpp"
#include "frontends/pusher/webhooks.hpp"

#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace fulmar::pusher {

class webhook_shard
{
public:
    static constexpr std::size_t cache_misses_max = 10'000;

    webhook_shard(webhooks& all, broker::shard& home);

    void tell(channel_event&& what);
    void sweep();
    void restore(webhook_item&& item);  // a departure
    void start();                       // the timer, if anything waits already
    void stop() { timer_.reset(); }

private:
    struct departure
    {
        std::uint64_t number = 0;  // which one of this key
        std::vector<webhook_item> items;
    };
    struct due
    {
        broker::steady_time at;
        std::string key;
        std::uint64_t number = 0;
    };

    [[nodiscard]] bool take_back(std::string const& key);
    [[nodiscard]] bool repeated_miss(channel_event const& what);
    [[nodiscard]] std::vector<webhook_item> items_of(broker::app const& app, channel_event const& what);
    void wait_for_return(std::string key, std::vector<webhook_item>&& items);
    void keep(webhook_item const& item);
    void arm();

    webhooks& all_;
    broker::shard& home_;
    broker::app_view apps_;
    std::unordered_map<std::string, departure> departures_;
    std::deque<due> due_;  // in the order of their times: all wait equally long
    std::unordered_map<std::string, broker::steady_time> misses_;
    std::deque<std::pair<broker::steady_time, std::string>> old_misses_;
    std::uint64_t last_number_ = 0;
    std::optional<boost::asio::steady_timer> timer_;  // none once stopped
    bool armed_ = false;
    std::shared_ptr<int> alive_ = std::make_shared<int>(0);  // the io_context may still hold the timer's handler
};

}  // namespace fulmar::pusher
