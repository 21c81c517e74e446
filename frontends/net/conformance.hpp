// Endpoints for public protocol suites, on the codec and parser that production uses (`fulmar serve --conformance`).
//
// /echo         WebSocket: every message comes back; permessage-deflate when offered. Without an upgrade it is /conformance.
// /conformance  HTTP: GET is answered, POST comes back.
//
// Threads:  as http_router.
// Limits:   messages and bodies of 64 MiB.
#pragma once

namespace fulmar::net {

class http_router;

void add_conformance_routes(http_router& routes);

}  // namespace fulmar::net
