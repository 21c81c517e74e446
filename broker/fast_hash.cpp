#include "broker/fast_hash.hpp"

#include <random>

namespace fulmar::broker {

std::uint64_t random_seed()
{
    std::random_device source;
    return static_cast<std::uint64_t>(source()) << 32 | source();
}

}  // namespace fulmar::broker
