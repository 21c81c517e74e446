#include "frontends/pusher/channel_name.hpp"

#include <algorithm>

namespace fulmar::pusher {

namespace {

[[nodiscard]] constexpr bool name_byte(char c) noexcept
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           std::string_view{"_-=@,.;"}.find(c) != std::string_view::npos;
}

[[nodiscard]] bool name_bytes(std::string_view text) noexcept
{
    return !text.empty() && std::all_of(text.begin(), text.end(), name_byte);
}

}  // namespace

channel_kind classify(std::string_view channel) noexcept
{
    channel_kind kind;
    if (channel.starts_with(server_to_user_prefix)) {
        kind.access = channel_access::server_to_user;
        return kind;
    }
    if (channel.starts_with("presence-")) {
        kind.access = channel_access::presence;
        channel.remove_prefix(std::string_view{"presence-"}.size());
    } else if (channel.starts_with("private-")) {
        kind.access = channel_access::signed_only;
        channel.remove_prefix(std::string_view{"private-"}.size());
        kind.encrypted = channel.starts_with("encrypted-");
        if (kind.encrypted)
            channel.remove_prefix(std::string_view{"encrypted-"}.size());
    }
    kind.cache = channel.starts_with("cache-");
    return kind;
}

bool valid_channel_name(std::string_view channel, std::size_t bytes_max) noexcept
{
    if (channel.size() > bytes_max)
        return false;
    if (channel.starts_with(server_to_user_prefix))
        return name_bytes(channel.substr(server_to_user_prefix.size()));
    return name_bytes(channel);
}

bool valid_user_id(std::string_view id, std::size_t bytes_max) noexcept
{
    return id.size() <= bytes_max && name_bytes(id);
}

}  // namespace fulmar::pusher
