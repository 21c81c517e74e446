// What a client publishes over REST: one message as JSON or as raw bytes, or several.
//
//   {"topic": "a/b", "data": "text" | any JSON, "encoding": "base64", "event": "name", "qos": 0 | 1, "retain": false,
//    "expiry": seconds, "content_type": "text/plain"}
//   {"messages": [ … ]}, or one message per line (application/x-ndjson)
//   anything else is the payload itself; topic, event, qos, retain and expiry are query fields or "Fulmar-Topic", ... headers
//
// Threads:  pure functions.
// Limits:   batch_messages_max messages; each payload at most the given size; JSON nested 32 deep.
#pragma once

#include "broker/publication.hpp"
#include "frontends/net/http_message.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fulmar::net {
class http_query;
}

namespace fulmar::rest {

using broker::batch_messages_max;

struct publication
{
    std::string topic;  // a valid topic name
    std::string event;
    std::string payload;
    std::string content_type;
    broker::qos level = broker::qos::at_least_once;
    bool retain = false;
    std::uint32_t expiry_s = 0;  // 0: never

    [[nodiscard]] broker::publication_view view() const noexcept
    {
        return {topic, payload, event, content_type, level, retain, expiry_s};
    }
};

struct publications
{
    std::vector<publication> messages;
    unsigned status = 0;  // not 0: refused
    std::string problem;
};

[[nodiscard]] publications read_publication(net::http_request const& request, net::http_query const& query,
                                            std::size_t payload_bytes_max);
[[nodiscard]] publications read_batch(net::http_request const& request, std::size_t payload_bytes_max);

}  // namespace fulmar::rest
