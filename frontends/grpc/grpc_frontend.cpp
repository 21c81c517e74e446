#include "frontends/grpc/grpc_frontend.hpp"

#include "frontends/grpc/grpc_connection.hpp"

#include <boost/asio/post.hpp>

namespace fulmar::grpc {

namespace {

[[nodiscard]] call_server_options server_options_of(grpc_options const& options)
{
    call_server_options made;
    made.message_bytes_max = options.message_bytes_max;
    made.calls_max = options.calls_max;
    made.calls_per_connection = options.calls_per_connection;
    made.keep_alive = options.keep_alive;
    return made;
}

}  // namespace

grpc_frontend::grpc_frontend(broker::node_context& node, net::http_access const& access,
                             broker::presence_directory& presence, grpc_options const& options)
    : node_{node},
      around_{access, presence, options},
      server_{server_options_of(options), node.shards.size(),
              [this](broker::shard_id to, std::vector<call_event>&& events) { deliver(to, std::move(events)); }}
{
    for (auto const& shard : node.shards)
        desks_.push_back(std::make_unique<call_desk>(*shard, around_, server_));
}

grpc_frontend::~grpc_frontend() = default;

std::unique_ptr<net::protocol> grpc_frontend::make_protocol(net::wire& wire, bool secure)
{
    auto const socket = wire.lend_socket();
    if (socket < 0)
        return nullptr;
    auto const shard = wire.home().id();
    auto const& peer = wire.remote();
    auto const id = server_.adopt(socket, secure, {shard, peer.address, peer.port, peer.loopback});
    return id == 0 ? nullptr : std::make_unique<grpc_connection>(wire, *desks_[shard], server_, id);
}

void grpc_frontend::deliver(broker::shard_id to, std::vector<call_event>&& events)
{
    boost::asio::post(node_.shards[to]->io(), [desk = desks_[to].get(), events = std::move(events)]() mutable {
        desk->take(std::move(events));
    });
}

std::uint64_t grpc_frontend::total(broker::counter call_metrics::*what) const
{
    std::uint64_t sum = 0;
    for (auto const& desk : desks_)
        sum += (desk->counted().*what).get();
    return sum;
}

}  // namespace fulmar::grpc
