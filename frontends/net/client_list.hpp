// Who is connected to this node, over whatever protocol: asked by administrators, kept by nobody.
//
// Every shard is asked by mail and looks at its connections; there is no table to keep right. A client has an id for as long
// as it is connected: the number that the kernel gave its socket.
//
// Owner:    the node; outlives all connections.
// Threads:  add and add_source before the shards run. The others on the shard `here`, where `done` runs, too.
// Limits:   looked_at_max clients per shard and question; a page has clients_listed_max rows.
// Cost:     one system call per connection and question; nothing otherwise.
#pragma once

#include "broker/inspection.hpp"
#include "frontends/net/protocol.hpp"
#include "frontends/net/socket_address.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fulmar::net {

class shard_frontend;

// Names a client while it is connected, and nobody else until the machine restarts. As text: "<shard>-<number>".
struct client_key
{
    broker::shard_id shard = 0;
    std::uint64_t number = 0;
    friend bool operator==(client_key const&, client_key const&) = default;
    friend bool operator<(client_key const& a, client_key const& b) noexcept
    {
        return a.shard != b.shard ? a.shard < b.shard : a.number < b.number;
    }
};
[[nodiscard]] std::string to_text(client_key key);
[[nodiscard]] std::optional<client_key> read_client_key(std::string_view text) noexcept;

struct listed_client
{
    client_key key;
    client_description what;
};

// What was not asked for is empty and fits all.
struct client_query
{
    broker::app_id app = broker::default_app;
    std::string protocol;
    std::optional<std::string> user;  // empty: anonymous
    std::optional<network> peer;
    std::string client_id;  // exactly
    std::string prefix;     // of the client id
    client_key after;       // only what follows
    std::size_t limit = broker::listed_default;
};

class client_list
{
public:
    static constexpr std::size_t looked_at_max = 200'000;

    // Clients that are not connections, such as those that come by single requests.
    using source = std::function<void(broker::shard& here, client_visitor& visitor)>;

    void add(shard_frontend& connections) { shards_.push_back(&connections); }  // in the order of the shards
    void add_source(source clients) { sources_.push_back(std::move(clients)); }

    void list(broker::shard& here, client_query const& wanted,
              std::function<void(broker::listed<listed_client>)> done) const;
    // Nothing: there is no such client.
    void find(broker::shard& here, broker::app_id app, client_key key,
              std::function<void(std::optional<listed_client>)> done) const;
    // Ends those that fit, with the farewell of their protocol; `limit` and `after` do not count. Says how many.
    void end(broker::shard& here, client_query const& wanted, std::function<void(std::size_t)> done) const;
    void end(broker::shard& here, broker::app_id app, client_key key, std::function<void(bool)> done) const;

private:
    void visit(broker::shard& there, client_visitor& visitor) const;
    void look_for(broker::shard& here, broker::app_id app, client_key key,
                  std::function<void(listed_client&&, protocol&)> use, std::function<void()> done) const;

    std::vector<shard_frontend*> shards_;
    std::vector<source> sources_;
};

}  // namespace fulmar::net
