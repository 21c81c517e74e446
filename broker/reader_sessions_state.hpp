// The insides of broker::reader_sessions, shared by reader_sessions.cpp (readers come and go) and reader_sessions_store.cpp (what
// lasts, and for how long).
#pragma once

#include "broker/reader_sessions.hpp"

#include <algorithm>

namespace fulmar::broker {

struct reader_sessions::session
{
    struct topic
    {
        std::string filter;
        log_sequence begin = 0;
        bool stored = false;
    };

    [[nodiscard]] topic* find(std::string_view filter) noexcept
    {
        auto const found =
            std::find_if(topics.begin(), topics.end(), [filter](topic const& one) { return one.filter == filter; });
        return found == topics.end() ? nullptr : &*found;
    }
    [[nodiscard]] bool held_by(endpoint_id who) const noexcept { return reader && *reader == who; }

    app_id app = default_app;
    std::string name;
    std::string user;
    session_id stored_as{};
    std::optional<endpoint_id> reader;
    std::vector<topic> topics;
    log_sequence place = 0;
    log_sequence stored_place = 0;
    log_sequence kept_from = 0;       // the log is, after this
    log_sequence kept_from_next = 0;  // the place at kept_since
    wall_ms kept_since = 0;
    wall_ms away_since = 0;
    std::uint32_t expiry_s = 0;
    std::multimap<wall_ms, session*>::iterator timer;
    bool armed = false;
    bool listed = false;  // in moved_
};

// A reader's wish, until the store and every shard have confirmed it.
struct reader_sessions::opening
{
    reader_request wanted;
    endpoint_id by;
    session_id session{};
    bool known = false;
    std::function<void(result<reader_grant>)> done;
    std::size_t missing = 1;
    error_code error;
};

}  // namespace fulmar::broker
