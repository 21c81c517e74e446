// One HTTP request as a handler sees it, and its answer.
//
// Spec:     RFC 9110 §5 (fields), §7.2 (Host), RFC 9112.
// Threads:  plain values.
#pragma once

#include "frontends/net/protocol.hpp"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace fulmar::net {

struct http_field
{
    std::string name;
    std::string value;
};

[[nodiscard]] bool same_token(std::string_view a, std::string_view b) noexcept;  // ASCII, without regard to case

// Calls `each` for the non-empty elements of a comma-separated list.
void for_each_element(std::string_view list, std::function<void(std::string_view)> const& each);

// Appends "name: value" as a line of a head. Nothing in it can end that line: line breaks are replaced.
void append_field(std::string& head, std::string_view name, std::string_view value);

struct http_request
{
    std::string method;
    std::string target;  // as it was sent
    std::string path;    // decoded once and canonical: what routes and access rules look at
    std::string query;   // as it was sent, without '?'
    std::vector<http_field> headers;
    std::vector<http_field> captures;  // what the route's {name} segments matched
    std::string body;
    peer from;
    bool version_1_1 = true;
    broker::shard* home = nullptr;  // of the connection; null only in requests that no connection made

    // The first line of that name, or empty.
    [[nodiscard]] std::string_view header(std::string_view name) const noexcept;
    // All lines of that name, joined by ", ".
    [[nodiscard]] std::string joined(std::string_view name) const;
    [[nodiscard]] std::size_t count(std::string_view name) const noexcept;
    // Is `token` in the list that these lines make together?
    [[nodiscard]] bool lists(std::string_view name, std::string_view token) const;
    [[nodiscard]] std::string_view capture(std::string_view name) const noexcept;
};

struct http_response
{
    unsigned status = 200;
    std::string content_type;         // empty: none, or text/plain if there is a body
    std::vector<http_field> headers;  // others; line breaks in values are replaced
    std::string body;
};

[[nodiscard]] http_response plain_response(unsigned status, std::string_view text);

// Everything of an answer that precedes its body. A 101 is written as one that does not keep the connection alive.
[[nodiscard]] std::string response_head(http_response const& response, bool keep_alive, bool version_1_1);

// The same for a body that ends with the connection.
[[nodiscard]] std::string stream_head(http_response const& response, bool version_1_1);

}  // namespace fulmar::net
