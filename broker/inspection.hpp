// What an administrator asks of all shards at once: topics with subscribers, and sessions.
//
// Threads:  called on the shard `here`; `done` runs there. In between every shard is asked by mail.
// Limits:   looks at 200,000 filters or sessions per shard and question; an answer has at most listed_max rows.
// Cost:     one letter to each shard and one back.
#pragma once

#include "broker/ids.hpp"
#include "broker/listed_page.hpp"
#include "broker/router.hpp"
#include "broker/session.hpp"

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace fulmar::broker {

inline constexpr std::size_t listed_default = 100;
inline constexpr std::size_t listed_max = 1'000;

// Runs `work` on every shard and then `done` on `here`. `work` may write to what `done` reads.
void on_each_shard(shard& here, std::function<void(shard&)> work, std::function<void()> done);

struct listing
{
    app_id app = default_app;
    std::string prefix;
    std::string after;  // only what follows this name
    std::size_t limit = listed_default;
};

struct session_query : listing
{
    std::optional<bool> connected = {};  // nothing: both
    std::string user = {};               // empty: anybody's
};

struct session_row
{
    std::string client_id;
    std::string user;
    bool connected = false;
    shard_id shard = 0;
    session_facts facts = {};
    std::vector<std::pair<std::string, qos>> subscriptions = {};  // of find_session: listed_max at most
};

void list_topics(shard& here, listing const& wanted, std::function<void(listed<router::listed_filter>)> done);
void list_sessions(shard& here, session_query const& wanted, std::function<void(listed<session_row>)> done);
// Nothing: there is no such client.
void find_session(shard& here, app_id app, std::string const& client_id, bool connected_only,
                  std::function<void(std::optional<session_row>)> done);

}  // namespace fulmar::broker
