// Who wants which filter: subscribers of this shard, other shards, shared subscriptions, the log.
//
// First and last interest are the only events that other shards hear of (router.cpp announces them).
//
// Owner:    broker::router, one per shard.
// Threads:  shard-owned.
// Cost:     match is topic_tree::match; everything else is one look-up.
#pragma once

#include "broker/compact_list.hpp"
#include "broker/fifo.hpp"
#include "broker/subscriber.hpp"
#include "broker/topic.hpp"
#include "broker/topic_tree.hpp"

#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace fulmar::broker {

struct local_subscription
{
    local_subscription(subscriber& by, subscription_options const& options, bool lasting)
        : who{&by},
          identifier{options.identifier},
          level{options.level},
          no_local{options.no_local},
          retain_as_published{options.retain_as_published},
          logged{lasting && options.level != qos::at_most_once}
    {
    }

    subscriber* who;
    std::uint32_t identifier;
    qos level;
    bool no_local;
    bool retain_as_published;
    bool logged;  // QoS >= 1 messages come through the log
};

struct group_interest
{
    filter_hash id{};  // of the whole "$share/<group>/<filter>"
    shard_id home = 0;
    bool durable = false;  // QoS >= 1 messages are logged for it
    friend bool operator==(group_interest const&, group_interest const&) = default;
};

enum class interest_kind : std::uint8_t { live = 0, durable = 1 };

// What other shards and shared subscriptions have to do with a filter: most filters of most brokers know nothing of it.
struct outside_interest
{
    fifo<group_interest> groups;
    std::array<std::uint64_t, 2> shards{};        // masks by interest_kind
    std::array<std::uint32_t, 2> announcement{};  // by kind: not yet confirmed by all shards; 0 = confirmed

    [[nodiscard]] bool wanted() const noexcept { return !groups.empty() || shards[0] != 0 || shards[1] != 0; }
};

struct filter_interest
{
    app_id app = default_app;
    std::uint32_t durable_here = 0;  // durable interests of this shard, connected or not
    std::string filter;
    compact_list<local_subscription> locals;
    std::unique_ptr<outside_interest> outside;  // null: none

    [[nodiscard]] outside_interest& obtain_outside()
    {
        if (outside == nullptr)
            outside = std::make_unique<outside_interest>();
        return *outside;
    }
    void drop_outside_if_unused() noexcept;
    [[nodiscard]] std::uint64_t shards(interest_kind kind) const noexcept
    {
        return outside == nullptr ? 0 : outside->shards[static_cast<std::size_t>(kind)];
    }
    [[nodiscard]] bool logged() const noexcept { return durable_here != 0 || shards(interest_kind::durable) != 0; }
    [[nodiscard]] bool unused() const noexcept
    {
        return locals.empty() && durable_here == 0 && (outside == nullptr || !outside->wanted());
    }
    [[nodiscard]] local_subscription* find(subscriber const* who) noexcept;
    bool remove(subscriber const* who) noexcept;
};

class interest_table
{
public:
    [[nodiscard]] filter_interest& obtain(app_id app, std::string_view filter);
    [[nodiscard]] filter_interest* find(app_id app, std::string_view filter) noexcept;
    void drop_if_unused(filter_interest& entry);

    template <class Function>
    void for_each_match(app_id app, std::string_view topic, Function visit)
    {
        auto const tree = static_cast<std::size_t>(app);
        if (tree >= trees_.size())
            return;
        matched_.clear();
        trees_[tree].match(topic, matched_);
        for (auto const index : matched_)
            visit(*entries_[index]);
    }

    // Visits up to `budget` entries of all apps, in no particular order.
    template <class Function>
    void for_each(std::size_t budget, Function visit) const
    {
        for (auto const& entry : entries_) {
            if (entry == nullptr)
                continue;
            if (budget-- == 0)
                return;
            visit(std::as_const(*entry));
        }
    }

private:
    std::vector<topic_tree> trees_;  // by app
    std::vector<std::unique_ptr<filter_interest>> entries_;
    std::vector<std::uint32_t> free_;
    std::vector<std::uint32_t> matched_;  // scratch
};

}  // namespace fulmar::broker
