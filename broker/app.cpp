#include "broker/app.hpp"

#include <algorithm>
#include <array>

namespace fulmar::broker {

std::string_view to_string(webhook_kind kind) noexcept
{
    constexpr std::array<std::string_view, static_cast<std::size_t>(webhook_kind::count)> names{
        "channel_occupied", "channel_vacated", "member_added",      "member_removed",
        "client_event",     "cache_miss",      "subscription_count"};
    auto const at = static_cast<std::size_t>(kind);
    return at < names.size() ? names[at] : std::string_view{"unknown"};
}

app_key const* app::find_key(std::string_view key) const noexcept
{
    auto const found = std::ranges::find(keys, key, &app_key::key);
    return found == keys.end() ? nullptr : &*found;
}

}  // namespace fulmar::broker
