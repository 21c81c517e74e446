#include "broker/delivery_plan.hpp"

#include <algorithm>
#include <unordered_map>

namespace fulmar::broker {

delivery_plan& plan_cache::obtain(topic_plans& topics, hashed_topic const& topic)
{
    auto place = topics.by_topic.find(
        topic.hash, [&](probe_table::ref candidate) { return topics.plans[candidate - 1]->topic == topic.text; });
    if (place == 0) {
        topics.plans.push_back(std::make_unique<planned>(planned{std::string{topic.text}, {}}));
        place = static_cast<probe_table::ref>(topics.plans.size());
        topics.by_topic.insert(topic.hash, place);
    }
    return topics.plans[place - 1]->plan;
}

delivery_plan& plan_cache::find(interest_table& interests, hashed_topic const& topic, std::uint64_t generation,
                                bool& hit)
{
    auto const index = static_cast<std::size_t>(topic.app);
    if (index >= apps_.size())
        apps_.resize(index + 1);
    auto& plan = obtain(apps_[index], topic);
    hit = plan.generation == generation;
    if (hit)
        return plan;
    if (plan.generation == 0)
        ++plans_;
    receivers_ -= plan.receiver_count;
    plan = delivery_plan{};
    plan.generation = generation;
    build(interests, topic.app, topic.text, plan);
    receivers_ += plan.receiver_count;
    return plan;
}

void plan_cache::trim()
{
    if (plans_ <= plans_max && receivers_ <= receivers_max)
        return;
    apps_.clear();
    plans_ = receivers_ = 0;
}

namespace {

void merge(matched_subscription& into, local_subscription const& local, bool first)
{
    into.level = first ? local.level : std::max(into.level, local.level);
    into.no_local = into.no_local && local.no_local;
    into.retain_as_published = into.retain_as_published || local.retain_as_published;
    into.durable_level = into.durable_level || local.logged;
    if (local.identifier != 0)
        into.identifiers.push_back(local.identifier);
}

}  // namespace

void plan_cache::build(interest_table& interests, app_id app, std::string_view topic, delivery_plan& plan)
{
    std::vector<receiver> receivers;
    std::unordered_map<subscriber*, std::size_t> places;  // used from the second filter with subscribers on
    bool one_filter = true;
    interests.for_each_match(app, topic, [&](filter_interest& entry) {
        plan.other_shards |= entry.shards(interest_kind::live);
        if (entry.logged())
            plan.logged_for.push_back(hash_filter(app, entry.filter));
        if (entry.outside != nullptr) {
            for (auto const& group : entry.outside->groups) {
                plan.shared.push_back(group);
                if (group.durable)
                    plan.logged_for.push_back(group.id);
            }
        }
        if (entry.locals.empty())
            return;
        if (!receivers.empty() && one_filter) {
            one_filter = false;
            for (std::size_t i = 0; i < receivers.size(); ++i)
                places.emplace(receivers[i].who, i);
        }
        for (auto const& local : entry.locals) {
            auto position = receivers.size();
            if (!one_filter)
                position = places.try_emplace(local.who, position).first->second;
            auto const first = position == receivers.size();
            if (first)
                receivers.push_back({local.who, {}, false});
            merge(receivers[position].match, local, first);
        }
    });
    for (auto& r : receivers) {
        if (!r.who->may_receive(topic))
            continue;
        r.follows_history = r.who->follows_history(topic);
        plan.follows_history = plan.follows_history || r.follows_history;
        add_receiver(plan, std::move(r));
    }
}

void plan_cache::add_receiver(delivery_plan& plan, receiver&& r)
{
    ++plan.receiver_count;
    if (r.match.durable_level)
        plan.durable.push_back(r);
    auto const alone = r.follows_history || r.match.no_local || !r.match.identifiers.empty();
    auto const* const variant = alone ? nullptr : r.who->shared_variant();
    if (variant == nullptr) {
        plan.individual.push_back(std::move(r));
        return;
    }
    auto const lowered = r.match.level == qos::at_most_once;
    auto group = std::find_if(plan.groups.begin(), plan.groups.end(), [&](run_group const& g) {
        return g.variant == variant && g.lowered == lowered && g.retain_as_published == r.match.retain_as_published;
    });
    if (group == plan.groups.end())
        group = plan.groups.insert(plan.groups.end(),
                                   run_group{variant, r.match.retain_as_published, lowered, {}, nullptr, 0});
    group->receivers.push_back(std::move(r));
}

}  // namespace fulmar::broker
