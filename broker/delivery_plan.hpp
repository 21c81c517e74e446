// What a publish to one topic means on one shard, worked out once and kept until a subscription changes.
//
// Owner:    broker::router.
// Threads:  shard-owned.
// Limits:   plans_max topics and receivers_max receivers over all plans; beyond that everything is forgotten.
// Cost:     a hit is one look-up by the hash that the message carries.
#pragma once

#include "broker/interest.hpp"
#include "broker/probe_table.hpp"

#include <memory>
#include <string>
#include <vector>

namespace fulmar::broker {

struct receiver
{
    subscriber* who = nullptr;
    matched_subscription match;
    bool follows_history = false;  // if the topic keeps one, its messages come from the log
};

// Receivers whose QoS 0 frames are the same bytes.
struct run_group
{
    wire_variant const* variant = nullptr;
    bool retain_as_published = false;
    bool lowered = false;  // their level is 0: messages of QoS >= 1 reach them as QoS 0, too
    std::vector<receiver> receivers;
    frame_run* run = nullptr;  // open in turn `turn`
    std::uint64_t turn = 0;
};

struct delivery_plan
{
    std::uint64_t generation = 0;
    std::vector<run_group> groups;
    std::vector<receiver> individual;     // everybody who cannot share frames
    std::vector<receiver> durable;        // those of both whose QoS >= 1 messages come from the log
    std::vector<group_interest> shared;   // shared subscriptions
    std::vector<filter_hash> logged_for;  // index streams a message of QoS >= 1 belongs to
    std::uint64_t other_shards = 0;       // with live subscribers
    std::size_t receiver_count = 0;
    bool follows_history = false;  // some of `individual` do

    [[nodiscard]] bool matched() const noexcept
    {
        return receiver_count != 0 || other_shards != 0 || !shared.empty() || !logged_for.empty();
    }
};

class plan_cache
{
public:
    static constexpr std::size_t plans_max = 16'384;
    static constexpr std::size_t receivers_max = 2'000'000;

    // The plan for `topic` under `generation`; `hit` says whether it was known. Valid until trim.
    [[nodiscard]] delivery_plan& find(interest_table& interests, app_id app, std::string_view topic,
                                      std::uint64_t generation, bool& hit)
    {
        return find(interests, {app, topic, topic_hash_of(topic)}, generation, hit);
    }
    [[nodiscard]] delivery_plan& find(interest_table& interests, message const& m, std::uint64_t generation, bool& hit)
    {
        return find(interests, {m.app, m.topic(), m.topic_hash()}, generation, hit);
    }
    // Forgets everything if it has grown too large. Not while a plan is in use.
    void trim();

private:
    struct hashed_topic
    {
        app_id app;
        std::string_view text;
        std::uint64_t hash;
    };
    struct planned
    {
        std::string topic;
        delivery_plan plan;
    };
    struct topic_plans
    {
        probe_table by_topic;  // -> its place in `plans`, from 1
        std::vector<std::unique_ptr<planned>> plans;
    };

    [[nodiscard]] delivery_plan& find(interest_table& interests, hashed_topic const& topic, std::uint64_t generation,
                                      bool& hit);
    [[nodiscard]] static delivery_plan& obtain(topic_plans& topics, hashed_topic const& topic);
    static void build(interest_table& interests, app_id app, std::string_view topic, delivery_plan& plan);
    static void add_receiver(delivery_plan& plan, receiver&& r);

    std::vector<topic_plans> apps_;
    std::size_t plans_ = 0;
    std::size_t receivers_ = 0;
};

}  // namespace fulmar::broker
