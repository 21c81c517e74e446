#include "frontends/mqtt/topic_alias.hpp"

namespace fulmar::mqtt {

reason_code inbound_aliases::resolve(std::uint16_t alias, std::string_view& topic)
{
    if (alias == 0 || alias > maximum_)
        return reason_code::topic_alias_invalid;
    std::size_t const slot = alias - 1U;
    if (topic.empty()) {
        if (slot >= topics_.size() || topics_[slot].empty())
            return reason_code::protocol_error;
        topic = topics_[slot];
        return reason_code::success;
    }
    if (slot >= topics_.size())
        topics_.resize(slot + 1);
    topics_[slot] = topic;
    return reason_code::success;
}

outbound_aliases::choice outbound_aliases::choose(std::string_view topic) const noexcept
{
    if (maximum_ == 0)
        return {};
    if (auto const known = aliases_.find(topic); known != aliases_.end())
        return {known->second, true};
    if (aliases_.size() >= maximum_)
        return {};
    return {static_cast<std::uint16_t>(aliases_.size() + 1), false};
}

void outbound_aliases::sent(choice const& c, std::string_view topic)
{
    if (c.alias != 0 && !c.bound)
        aliases_.emplace(topic, c.alias);
}

}  // namespace fulmar::mqtt
