// The limits of the gRPC front-end.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace fulmar::grpc {

struct grpc_options
{
    std::size_t event_bytes_max = 1024 * 1024;  // payload of one published message
    std::size_t message_bytes_max = 4 * 1024 * 1024;
    std::uint32_t publish_window = 256;  // requests of one PublishStream that are not acknowledged
    std::size_t topics_max = 1'000;      // of one Subscribe
    std::size_t calls_max = 10'000;
    std::uint32_t calls_per_connection = 100;
    std::chrono::milliseconds keep_alive{60'000};
    std::chrono::milliseconds slow_patience{30'000};  // a slow stream that takes nothing for so long is cut off
    bool retain_available = true;
};

}  // namespace fulmar::grpc
