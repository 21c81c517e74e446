// Who wants which filter: subscribers of this shard, other shards, shared subscriptions, the log.
//
// First and last interest are the only events that other shards hear of (router.cpp announces them).
//
// Owner:    broker::router, one per shard.
// Threads:  shard-owned.
// Cost:     match is topic_tree::match; everything else is one look-up.
#pragma once

#include "broker/fifo.hpp"
#include "broker/subscriber.hpp"
#include "broker/topic.hpp"
#include "broker/topic_tree.hpp"

#include <array>
#include <string>
#include <vector>

namespace fulmar::broker {

struct local_subscription
{
    subscriber* who = nullptr;
    subscription_options options;
    bool durable = false;  // QoS >= 1 messages come through the log
};

struct group_interest
{
    filter_hash id{};  // of the whole "$share/<group>/<filter>"
    shard_id home = 0;
    bool durable = false;  // QoS >= 1 messages are logged for it
    friend bool operator==(group_interest const&, group_interest const&) = default;
};

enum class interest_kind : std::uint8_t { live = 0, durable = 1 };

struct filter_interest
{
    app_id app = default_app;
    std::string filter;
    std::vector<local_subscription> locals;
    fifo<group_interest> groups;                  // rarely any: one pointer
    std::array<std::uint64_t, 2> other_shards{};  // masks by interest_kind
    std::uint32_t durable_here = 0;               // durable interests of this shard, connected or not
    std::array<std::uint32_t, 2> announcement{};  // by kind: not yet confirmed by all shards; 0 = confirmed

    [[nodiscard]] bool logged() const noexcept
    {
        return durable_here != 0 || other_shards[static_cast<std::size_t>(interest_kind::durable)] != 0;
    }
    [[nodiscard]] bool unused() const noexcept
    {
        return locals.empty() && groups.empty() && durable_here == 0 && other_shards[0] == 0 && other_shards[1] == 0;
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

private:
    std::vector<topic_tree> trees_;  // by app
    std::vector<std::unique_ptr<filter_interest>> entries_;
    std::vector<std::uint32_t> free_;
    std::vector<std::uint32_t> matched_;  // scratch
};

}  // namespace fulmar::broker
