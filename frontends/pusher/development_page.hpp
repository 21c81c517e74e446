// The page at `/` while the broker runs with its development app: a client of this broker, to see it work.
//
// Owner:    the routes.
// Threads:  built before the shards run; answers are made on the shard of their connection.
// Limits:   GET and HEAD; the page carries the app's key, which is no secret, and nothing else of the app.
// Cost:     one copy of the page per request.
#pragma once

#include "frontends/net/http_router.hpp"

#include <string>

namespace fulmar::pusher {

// `pusher_js`: the text of the library, which is then served beside the page; empty: the page speaks for itself.
void add_development_page(net::http_router& routes, std::string const& key, std::string pusher_js);

}  // namespace fulmar::pusher
