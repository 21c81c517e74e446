// What a trigger asks for, read from its JSON body (and, for what is not there, from the query), checked against the limits.
//
// Spec:     Pusher Channels HTTP API, "POST event", "POST batch events".
// Threads:  pure functions.
// Limits:   json_depth_max levels; app_limits for everything else.
// Cost:     one pass over the body; texts are views into what was read.
#pragma once

#include "broker/app.hpp"
#include "frontends/pusher/query.hpp"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace fulmar::pusher {

inline constexpr std::size_t json_depth_max = 32;

// Attributes that a request asks about channels.
struct channel_attributes
{
    bool user_count = false;
    bool subscription_count = false;
    bool cache = false;
    [[nodiscard]] bool any() const noexcept { return user_count || subscription_count || cache; }
};

struct trigger
{
    std::string_view name;
    std::string_view payload;
    std::string_view socket_id;  // not to be delivered to; empty: nobody
    std::vector<std::string_view> channels;
    channel_attributes info;
};

struct refusal
{
    unsigned status = 0;  // 0: accepted
    std::string why;
    explicit operator bool() const noexcept { return status != 0; }
};

// "user_count,subscription_count"; refuses other words than those and "cache".
[[nodiscard]] refusal read_attributes(std::string_view text, channel_attributes& into);

// Calls `then` with what is to be published if all of it is acceptable; its views are valid during that call only.
using trigger_taker = std::function<void(std::vector<trigger> const&)>;
[[nodiscard]] refusal read_trigger(broker::app const& app, std::string_view body, query const& parameters,
                                   trigger_taker const& then);
[[nodiscard]] refusal read_batch(broker::app const& app, std::string_view body, trigger_taker const& then);

// The same checks for one event whose parts come from elsewhere.
[[nodiscard]] refusal check_trigger(broker::app const& app, trigger const& what);

}  // namespace fulmar::pusher
