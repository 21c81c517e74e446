// fulmar sub: prints what is published to topics, and comes back where it stopped when the connection is lost.
//
// Threads:  the main thread.
// Limits:   none on what it prints; it reads no faster than it is read.
#pragma once

#include "frontends/cli/event_parser.hpp"
#include "frontends/cli/failure.hpp"
#include "frontends/cli/http_client.hpp"
#include "frontends/cli/output.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fulmar::cli {

struct subscribe_arguments
{
    std::vector<std::string> filters;
    std::string since;
    std::optional<std::uint32_t> history;
    std::string session;      // empty: none
    std::uint64_t count = 0;  // 0: for ever
    bool verbose = false;
    bool quiet = false;  // nothing about the connection
};

[[nodiscard]] attempt<exit_code> subscribe(http_client& broker, subscribe_arguments const& arguments, output& out);

// The request for a stream; `last_id`: where it comes back to, empty at first.
[[nodiscard]] http_question stream_question(subscribe_arguments const& arguments, std::string_view last_id);

// One message as sub and history print it. `object` is the same as it came.
void print_message(output& out, shown_message const& message, std::string_view object, bool verbose);

}  // namespace fulmar::cli
