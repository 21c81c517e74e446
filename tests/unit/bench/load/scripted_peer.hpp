// A broker that says what a test tells it to: one connection at a time, on the test's own thread.
#pragma once

#include "bench/load/swarm.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace fulmar::load {

class scripted_peer
{
public:
    explicit scripted_peer(swarm*& all) : all_{all} { listen(); }
    ~scripted_peer();
    scripted_peer(scripted_peer const&) = delete;
    scripted_peer& operator=(scripted_peer const&) = delete;

    [[nodiscard]] std::uint16_t port() const noexcept { return port_; }

    // Turns the swarm until the client has said something that ends with `end`; what it said. Fails the test after five
    // seconds.
    [[nodiscard]] std::string hears(std::string_view end);
    // The next whole WebSocket frame, unmasked.
    [[nodiscard]] std::string hears_frame();
    // One byte at a time, each in a turn of its own: nothing may depend on what arrives together.
    void says(std::string_view bytes);
    void says_frame(std::string_view text);  // WebSocket, text

private:
    void listen();
    void take();

    swarm*& all_;
    int listener_ = -1;
    int socket_ = -1;
    std::uint16_t port_ = 0;
    std::string heard_;
};

}  // namespace fulmar::load
