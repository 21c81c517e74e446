#include "frontends/pusher/session_token.hpp"

#include "frontends/pusher/channel_auth.hpp"

#include <algorithm>

namespace fulmar::pusher {

bool valid_session_id(std::string_view id) noexcept
{
    return !id.empty() && id.size() <= session_id_bytes_max && std::all_of(id.begin(), id.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    });
}

std::string session_token(std::string_view id, std::string_view secret)
{
    auto const signature = sign(secret, std::string{"session:"}.append(id));
    return std::string{id}.append(1, '.').append(signature);
}

token_verdict read_session_token(broker::app const& app, std::string_view token)
{
    auto const point = token.find('.');
    auto const id = token.substr(0, point);
    if (!valid_session_id(id))
        return {};
    if (point == std::string_view::npos)
        return {app.sessions.signed_ids ? token_outcome::unsigned_id : token_outcome::granted, id};
    auto granted = false;
    for (auto const& key : app.keys)
        granted |= equal_in_constant_time(token, session_token(id, key.secret));
    return {granted ? token_outcome::granted : token_outcome::mismatch, id};
}

std::string_view cookie_value(std::string_view header, std::string_view name) noexcept
{
    while (!header.empty()) {
        auto const end = std::min(header.find(';'), header.size());
        auto pair = header.substr(0, end);
        header.remove_prefix(std::min(end + 1, header.size()));
        while (pair.starts_with(' '))
            pair.remove_prefix(1);
        if (pair.size() > name.size() && pair.starts_with(name) && pair[name.size()] == '=')
            return pair.substr(name.size() + 1);
    }
    return {};
}

}  // namespace fulmar::pusher
