#include "frontends/grpc/grpc_frontend.hpp"

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
