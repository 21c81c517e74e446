// Connections that their servers left open, for the next call to the same host.
//
// Owner:    http_client.
// Threads:  its io_context's.
// Limits:   http_client::idle_links_max of one host, idle_links_total of all, for idle_for.
#pragma once

#include "frontends/net/outgoing_link.hpp"

#include <chrono>
#include <map>

namespace fulmar::net {

class idle_links
{
public:
    // The one that was used last; null if there is none that is young enough.
    [[nodiscard]] std::shared_ptr<outgoing_link> take(std::string const& host);
    void give(std::string const& host, std::shared_ptr<outgoing_link> open);

private:
    struct entry
    {
        std::shared_ptr<outgoing_link> link;
        std::chrono::steady_clock::time_point since;
    };
    std::map<std::string, std::vector<entry>> idle_;
    std::size_t count_ = 0;
};

}  // namespace fulmar::net
