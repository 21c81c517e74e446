#include "frontends/mqtt/mqtt_frontend.hpp"

#include "frontends/mqtt/protocol.hpp"

namespace fulmar::mqtt {

std::unique_ptr<net::protocol> make_protocol(frontend_context const& context, net::wire& wire)
{
    return std::make_unique<protocol>(context, wire);
}

}  // namespace fulmar::mqtt
