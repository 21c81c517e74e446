// What clients say to a broker in one protocol: bytes in, messages out. Each protocol is one implementation; a new one is
// a class here, a line in make_conversation and a name in options.cpp.
//
// Owner:    the swarm; one object for all clients of an address. What belongs to one client is kept in the client.
// Threads:  the swarm's.
#pragma once

#include "bench/load/swarm.hpp"

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>

namespace fulmar::load {

class conversation
{
public:
    virtual ~conversation() = default;
    // The connection (and TLS) stands: begin.
    virtual void on_connected(client& c) = 0;
    // Takes whole messages off the front of `bytes`; what is left comes again, with more behind it.
    virtual void on_bytes(client& c, std::string_view& bytes) = 0;
    // `id` comes back in swarm_events::on_published where the protocol acknowledges.
    virtual void publish(client& c, std::string_view topic, std::string_view payload, std::uint8_t qos,
                         std::uint16_t id) = 0;
    // Says goodbye; the swarm closes once that is written.
    virtual void leave(client&) {}
};

// Where an HTTP client is in what it reads.
struct http_progress
{
    std::deque<std::uint16_t> asked;  // publishes in the order in which they are answered
    std::uint64_t chunk_left = 0;     // of an event stream, including the line end behind it
    bool streaming = false;           // the header of an event stream was read
    bool chunked = false;
};

[[nodiscard]] std::unique_ptr<conversation> make_conversation(swarm& all, broker_address const& address);

// The path of `address` (or `usual`) with its {topic} (percent-encoded) and {qos} filled in.
[[nodiscard]] std::string path_for(broker_address const& address, std::string_view usual, std::string_view topic,
                                   unsigned qos);

}  // namespace fulmar::load
