// Bytes from a client to control packets, one at a time; checks all that can be checked without knowing the session.
//
// Checked here: fixed-header flags, lengths, UTF-8, reserved bits, QoS values, properties (known, allowed, not
// repeated, in range), reason codes that a client may send, topic names (no wildcards, size, levels), packet
// identifiers not 0, No Local not on shared subscriptions, client identifiers not empty where that is forbidden. Not
// checked here, because it needs state: topic aliases (topic_alias.hpp), Receive Maximum, topic filters (answered one
// by one in SUBACK), rights.
//
// Spec:     MQTT 5.0 §2, §3, §4.13; MQTT 3.1.1 §2, §3; MQTT 3.1.
// Threads:  pure functions, any thread.
// Limits:   decode_limits::maximum_packet_size, decided from the fixed header before the body has arrived.
// Cost:     PUBLISH, acknowledgements and PINGREQ allocate nothing; SUBSCRIBE and UNSUBSCRIBE one vector.
#pragma once

#include "frontends/mqtt/packet.hpp"

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace fulmar::mqtt {

struct decode_limits
{
    std::size_t maximum_packet_size = packet_bytes_max;  // whole packets, fixed header included
};

// Why the connection must be closed.
struct decode_error
{
    reason_code reason = reason_code::malformed_packet;
    packet_type type{};     // of the packet at fault; 0 if its type byte is invalid
    std::string_view what;  // a literal that lives for ever
    // CONNECT only: the version in whose format a CONNACK with `reason` may be sent before closing. Not engaged: close
    // silently. (MQTT 3 has words for few reasons in CONNACK; for its malformed packets this is not engaged.)
    std::optional<protocol_version> answer_as;

    // "PUBLISH: the topic name contains a wildcard"
    [[nodiscard]] std::string text() const;
};

enum class decode_status : std::uint8_t {
    complete,    // `content` holds one packet, made of the first `consumed` bytes
    needs_more,  // the packet is not complete: call again with the same bytes and more
    malformed,   // `error`; nothing behind this point can be understood
};

struct decoded
{
    decode_status status = decode_status::needs_more;
    std::size_t consumed = 0;  // complete: the packet's size
    std::size_t wanted = 0;    // needs_more: the packet's size, once the fixed header is complete; else 0
    packet content;
    decode_error error;
};

// Decodes the first packet of a connection: anything but CONNECT is malformed (reason protocol_error, answer_as empty:
// close without an answer) [MQTT-3.1.0-1]. Refused from the first byte on.
[[nodiscard]] decoded decode_connect(std::span<char const> in, decode_limits const& limits);

// Decodes the next packet of a connection whose CONNECT asked for `version`. A second CONNECT [MQTT-3.1.0-2] and
// packets that only a server sends are malformed with reason protocol_error; AUTH in MQTT 3 is the reserved type 15.
[[nodiscard]] decoded decode(std::span<char const> in, protocol_version version, decode_limits const& limits);

}  // namespace fulmar::mqtt
