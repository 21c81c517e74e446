#include "frontends/pusher/frontend.hpp"

#include "broker/shard.hpp"
#include "frontends/pusher/channel_shard.hpp"
#include "frontends/pusher/protocol.hpp"

#include <algorithm>
#include <random>
#include <utility>

namespace fulmar::pusher {

frontend::frontend(broker::node_context& node, broker::apps_in_force const& apps, channel_events& events,
                   frontend_settings settings)
    : node_(node), settings_(std::move(settings)), channels_(node, apps, events)
{
}

void frontend::drain(broker::shard& here, std::chrono::milliseconds window)
{
    std::minstd_rand random{static_cast<std::uint32_t>(broker::random_seed())};
    std::uniform_int_distribution<std::uint32_t> within{
        1, static_cast<std::uint32_t>(std::max<std::int64_t>(window.count(), 1))};
    channels_.at(here).for_each([&](channel_client& client) { client.on_draining(within(random)); });
}

std::uint64_t frontend::total(broker::counter pusher_metrics::*which) const noexcept
{
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < channels_.shard_count(); ++i)
        sum += (channels_.metrics(i).*which).get();
    return sum;
}

void add_websocket_routes(net::http_router& routes, frontend& of)
{
    // An unknown path under /app is no reason to refuse the upgrade: a browser would try again for ever.
    for (auto const* const path :
         {"/app/{key}", "/{prefix}/app/{key}", "/session/{session}/app/{key}", "/app", "/app/{key}/{rest}"}) {
        net::websocket_route route;
        route.settings = of.settings().websocket;
        route.allowed_origins = {"*"};  // each app has its own list; who is not on it gets a close code that says so
        route.subprotocol_required = false;
        route.messages = [&of](net::message_wire& wire, net::http_request const& request, std::string_view) {
            return make_protocol(of, wire, request);
        };
        routes.upgrade(path, std::move(route));
    }
}

}  // namespace fulmar::pusher
