// A client of a swarm, what it was told, and the peer that it talks to.
#pragma once

#include "bench/load/conversation.hpp"
#include "tests/unit/bench/load/scripted_peer.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace fulmar::load {

using strings = std::vector<std::string>;
using ids = std::vector<std::uint16_t>;

struct conversation_fixture : testing::Test, swarm_events
{
    // Opens one that talks to the peer, two publishes at a time.
    client& open(broker_address address, client_settings settings)
    {
        address.port = peer.port();
        address.pipeline = 2;
        owner = std::make_unique<swarm>(address);
        all = owner.get();
        auto& c = all->create(std::move(settings), *this);
        all->open(c);
        return c;
    }
    void on_message(client&, publish_view const& view) override { messages.emplace_back(view.payload); }
    void on_published(client&, std::uint16_t id) override { published.push_back(id); }

    std::unique_ptr<swarm> owner;
    swarm* all = nullptr;
    scripted_peer peer{all};
    strings messages;
    ids published;
};

}  // namespace fulmar::load
