#include "broker/node_session_token.hpp"

#include "broker/development_app.hpp"
#include "frontends/pusher/session_token.hpp"

#include <algorithm>
#include <cstdio>
#include <random>

namespace fulmar {

namespace {

[[nodiscard]] std::string random_id()
{
    constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyz0123456789";
    constexpr std::size_t size = 26;  // 134 bits
    std::random_device source;
    std::uniform_int_distribution<std::size_t> any{0, letters.size() - 1};
    std::string id;
    while (id.size() < size)
        id += letters[any(source)];
    return id;
}

}  // namespace

std::string print_session_token(broker::settings const& from, session_token_request const& wanted)
{
    auto apps = from.apps;
    if (apps.empty()) {
        auto made = broker::development_app(from.node.data_dir);
        if (!made)
            return from.node.data_dir + "/development-app.toml cannot be used: " + made.error().message();
        apps.push_back(std::move(*made));
    }
    auto const found =
        wanted.app.empty() && apps.size() == 1
            ? apps.begin()
            : std::find_if(apps.begin(), apps.end(), [&](auto const& a) { return a.name == wanted.app; });
    if (found == apps.end())
        return wanted.app.empty() ? "there are several apps: choose one with --app ID"
                                  : "there is no app '" + wanted.app + "'";
    if (!found->sessions.enabled)
        return "app '" + found->name + "' has no sessions: set enabled = true in its [apps.sessions]";
    auto const id = wanted.id.empty() ? random_id() : wanted.id;
    if (!pusher::valid_session_id(id))
        return "a session id has 1 to 64 letters, digits, '-' and '_'";
    std::printf("/session/%s\n", pusher::session_token(id, found->keys.front().secret).c_str());
    return {};
}

}  // namespace fulmar
