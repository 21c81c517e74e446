// A channel or user of one app, as a key of tables in memory.
//
// The name is a view: the entry that the table leads to owns it.
#pragma once

#include "broker/fast_hash.hpp"
#include "broker/ids.hpp"

#include <cstdint>
#include <string_view>

namespace fulmar::pusher {

struct channel_key
{
    broker::app_id app = broker::default_app;
    std::string_view name;
    friend bool operator==(channel_key const&, channel_key const&) = default;
};

struct channel_key_hash
{
    std::size_t operator()(channel_key const& key) const noexcept
    {
        return broker::fast_hash(key.name, seed ^ static_cast<std::uint32_t>(key.app));
    }
    std::uint64_t seed = broker::random_seed();
};

}  // namespace fulmar::pusher
