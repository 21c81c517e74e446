// The parts of mqtt::protocol that exist only while they are needed; included by its sources alone.
//
// Owner:    mqtt::protocol.
// Threads:  shard-owned.
#pragma once

#include "broker/authenticator.hpp"
#include "broker/shard.hpp"
#include "frontends/mqtt/protocol.hpp"
#include "frontends/mqtt/topic_alias.hpp"

namespace fulmar::mqtt {

// From CONNECT until CONNACK.
struct protocol::handshake
{
    std::string bytes;       // the CONNECT packet
    connect_packet connect;  // views into `bytes`
    std::string client_id;   // the client's, or the one assigned
    bool id_assigned = false;
    std::uint32_t expiry_asked_s = 0;
    std::uint32_t expiry_s = 0;  // granted
    bool reading_paused = false;
    std::uint64_t claim = 0;  // ticket of the pending claim; 0: none
    std::unique_ptr<broker::enhanced_exchange> exchange;
    std::optional<std::string> final_data;                                   // of enhanced authentication, for CONNACK
    std::shared_ptr<char const> alive = std::make_shared<char const>('\0');  // answers find out that we are gone
};

// A SUBSCRIBE or UNSUBSCRIBE of which some filters were refused before the session saw the others.
struct partial_answer
{
    packet_id id = 0;
    packet_type answer = packet_type::suback;
    std::vector<reason_code> codes;  // errors are final, everything else is filled in by the session's answer
    std::string_view why{};          // a literal: of a refusal that needs an explanation
};

struct protocol::extras
{
    explicit extras(std::uint16_t inbound_maximum) : inbound{inbound_maximum} {}

    inbound_aliases inbound;
    outbound_aliases outbound{0};
    std::vector<partial_answer> partial;
    std::string authentication_method;  // of CONNECT; empty: none
    std::unique_ptr<broker::enhanced_exchange> reauthentication;
};

// Holds a packet between encoding and wire::send; never in use across a call that could encode another.
[[nodiscard]] inline std::string& scratch()
{
    static constexpr std::size_t kept_bytes = 64 * 1024;
    thread_local std::string text;
    if (text.capacity() > kept_bytes)
        text = {};
    text.clear();
    return text;
}

// The code for `error` that may stand in a packet of this type.
[[nodiscard]] inline reason_code reason_for(broker::error_code const& error, packet_type type)
{
    auto const reason = to_reason_code(error);
    return allowed(reason, type, sender::server) ? reason : reason_code::unspecified_error;
}

}  // namespace fulmar::mqtt
