// fulmar history: what a topic has kept.
//
// Threads:  the main thread.
// Limits:   asks for at most page_messages_max messages at a time.
#pragma once

#include "frontends/cli/failure.hpp"
#include "frontends/cli/http_client.hpp"
#include "frontends/cli/output.hpp"

#include <cstdint>
#include <string>

namespace fulmar::cli {

inline constexpr std::uint64_t page_messages_max = 1'000;

struct history_arguments
{
    std::string topic;
    std::string since;
    std::string before;
    std::uint64_t limit = 100;  // 0: everything
    bool reverse = false;
};

[[nodiscard]] attempt<exit_code> read_history(http_client& broker, history_arguments const& arguments, output& out);

[[nodiscard]] http_question history_question(history_arguments const& arguments, std::uint64_t limit);

}  // namespace fulmar::cli
