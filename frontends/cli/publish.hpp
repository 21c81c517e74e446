// fulmar pub: publishes one message, one many times, or one for each line of standard input.
//
// Threads:  the main thread.
// Limits:   payload_bytes_max bytes of one message; batch_messages_max messages or batch_bytes_max bytes of one request.
// Cost:     lines that are there together go in one request, and requests share a connection.
#pragma once

#include "frontends/cli/failure.hpp"
#include "frontends/cli/http_client.hpp"
#include "frontends/cli/output.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fulmar::cli {

inline constexpr std::size_t payload_bytes_max = 16 * 1024 * 1024;
inline constexpr std::size_t batch_messages_max = 1'000;
inline constexpr std::size_t batch_bytes_max = 4 * 1024 * 1024;

struct publish_arguments
{
    std::string topic;
    std::optional<std::string> payload;  // "-": standard input
    std::string event;
    std::string content_type;
    unsigned qos = 1;
    bool retain = false;
    std::uint32_t expiry_s = 0;
    bool lines = false;
    std::uint64_t count = 1;
    std::chrono::milliseconds interval{0};
    bool quiet = false;
};

[[nodiscard]] attempt<exit_code> publish(http_client& broker, publish_arguments const& arguments, output& out);

// The request for one message, and for a batch of them.
[[nodiscard]] http_question publish_question(publish_arguments const& arguments, std::string_view payload);
[[nodiscard]] http_question batch_question(publish_arguments const& arguments,
                                           std::vector<std::string_view> const& payloads);

}  // namespace fulmar::cli
