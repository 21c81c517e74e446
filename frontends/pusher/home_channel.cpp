#include "frontends/pusher/home_channel.hpp"

#include "frontends/pusher/event.hpp"

namespace fulmar::pusher {

std::uint32_t& home_channel::count_of(broker::shard_id shard)
{
    for (auto& known : counts)
        if (known.shard == shard)
            return known.count;
    counts.push_back({shard, 0});
    return counts.back().count;
}

std::string presence_greeting(home_channel const& channel)
{
    std::string ids;
    std::string hash;
    for (auto const& [id, who] : *channel.members) {
        ids.append(ids.empty() ? "" : ",").append(who.id_json);
        if (!hash.empty())
            hash += ',';
        append_json_string(hash, id);
        hash.append(1, ':').append(who.info_json.empty() ? "null" : who.info_json);
    }
    auto const text = std::string{R"({"presence":{"ids":[)"}
                          .append(ids)
                          .append(R"(],"hash":{)")
                          .append(hash)
                          .append(R"(},"count":)")
                          .append(std::to_string(channel.members->size()))
                          .append("}}");
    return channel_event_text("pusher_internal:subscription_succeeded", channel.name, text);
}

std::string member_added(home_channel const& channel, presence_member const& who)
{
    auto text = std::string{R"({"user_id":)"}.append(who.id_json);
    if (!who.info_json.empty())
        text.append(R"(,"user_info":)").append(who.info_json);
    return channel_event_text("pusher_internal:member_added", channel.name, text.append("}"));
}

std::string member_removed(home_channel const& channel, presence_member const& who)
{
    auto const text = std::string{R"({"user_id":)"}.append(who.id_json).append("}");
    return channel_event_text("pusher_internal:member_removed", channel.name, text);
}

}  // namespace fulmar::pusher
