#include "frontends/net/idle_links.hpp"

#include "frontends/net/http_client.hpp"

namespace fulmar::net {

std::shared_ptr<outgoing_link> idle_links::take(std::string const& host)
{
    auto const now = std::chrono::steady_clock::now();
    auto const found = idle_.find(host);
    while (found != idle_.end() && !found->second.empty()) {
        auto const last = std::move(found->second.back());
        found->second.pop_back();
        --count_;
        if (now - last.since < http_client::idle_for)
            return last.link;
    }
    if (found != idle_.end())
        idle_.erase(found);
    return nullptr;
}

void idle_links::give(std::string const& host, std::shared_ptr<outgoing_link> open)
{
    if (count_ >= http_client::idle_links_total) {
        idle_.clear();
        count_ = 0;
    }
    auto& list = idle_[host];
    if (list.size() >= http_client::idle_links_max)
        return;
    list.push_back({std::move(open), std::chrono::steady_clock::now()});
    ++count_;
}

}  // namespace fulmar::net
