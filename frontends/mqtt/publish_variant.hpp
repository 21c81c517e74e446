// How MQTT writes a QoS 0 PUBLISH that many receivers share: version x framing.
//
// MQTT 3.1 and 3.1.1 write the same bytes and share one variant. Shared frames carry no subscription identifiers and no
// topic alias, and their size is not compared with anybody's Maximum Packet Size: whoever needs one of these names no
// variant.
//
// Spec:     MQTT 5.0 §3.3, §6 (WebSocket: binary frames); RFC 6455 §5.2.
// Owner:    mqtt_frontend holds one publish_variants; it outlives every session.
// Threads:  immutable, any thread.
#pragma once

#include "broker/subscriber.hpp"
#include "frontends/mqtt/packet_type.hpp"
#include "frontends/net/protocol.hpp"

namespace fulmar::mqtt {

class publish_variant final : public broker::wire_variant
{
public:
    publish_variant(protocol_version version, net::wire::framing_kind framing) noexcept
        : version_{version}, framing_{framing}
    {
    }

    void encode(broker::message const& m, bool retain_flag, broker::wall_ms now, std::vector<char>& out) const override;

private:
    protocol_version version_;
    net::wire::framing_kind framing_;
};

// All variants of MQTT.
class publish_variants
{
public:
    // The variant for connections of this version and framing.
    [[nodiscard]] publish_variant const& get(protocol_version version, net::wire::framing_kind framing) const noexcept
    {
        bool const plain = framing == net::wire::framing_kind::plain;
        if (version == protocol_version::v5)
            return plain ? v5_plain_ : v5_websocket_;
        return plain ? v3_plain_ : v3_websocket_;
    }

private:
    publish_variant v3_plain_{protocol_version::v3_1_1, net::wire::framing_kind::plain};
    publish_variant v3_websocket_{protocol_version::v3_1_1, net::wire::framing_kind::websocket_binary};
    publish_variant v5_plain_{protocol_version::v5, net::wire::framing_kind::plain};
    publish_variant v5_websocket_{protocol_version::v5, net::wire::framing_kind::websocket_binary};
};

}  // namespace fulmar::mqtt
