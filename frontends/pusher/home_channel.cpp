#include "frontends/pusher/home_channel.hpp"

#include "frontends/pusher/event.hpp"

#include <utility>

namespace fulmar::pusher {

std::uint32_t& home_channel::count_of(broker::shard_id shard)
{
    for (auto& known : counts)
        if (known.shard == shard)
            return known.count;
    counts.push_back({shard, 0});
    return counts.back().count;
}

namespace {

// JSON as it stands inside a JSON string.
[[nodiscard]] std::string escaped(std::string_view json)
{
    std::string out;
    append_json_string(out, json);
    return out.substr(1, out.size() - 2);
}

}  // namespace

presence_member make_member(std::string_view user_id, std::string id_json, std::string info_json)
{
    std::string entry;
    append_json_string(entry, user_id);
    entry.append(1, ':').append(info_json.empty() ? "null" : info_json);
    auto in_ids = escaped(id_json);
    return {0, std::move(id_json), std::move(info_json), std::move(in_ids), escaped(entry)};
}

std::string presence_greeting(home_channel const& channel)
{
    constexpr std::size_t around_bytes = 256;
    auto const& members = *channel.members;
    std::size_t bytes = around_bytes + channel.name.size();
    for (auto const& [id, who] : members)
        bytes += who.in_ids.size() + who.in_hash.size() + 2;
    std::string out;
    out.reserve(bytes);
    out += R"({"event":"pusher_internal:subscription_succeeded","channel":)";
    append_json_string(out, channel.name);
    out += R"(,"data":"{\"presence\":{\"ids\":[)";
    char const* between = "";
    for (auto const& [id, who] : members)
        out.append(std::exchange(between, ",")).append(who.in_ids);
    out += R"(],\"hash\":{)";
    between = "";
    for (auto const& [id, who] : members)
        out.append(std::exchange(between, ",")).append(who.in_hash);
    return out.append(R"(},\"count\":)").append(std::to_string(members.size())).append(R"(}}"})");
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
