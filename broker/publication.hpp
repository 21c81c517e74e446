// What a client asks to be published over REST or gRPC, before it is a message: checked the same way for both.
//
// Threads:  pure functions.
// Limits:   the payload at most the given size, event_name_bytes_max, content_type_bytes_max.
// Cost:     message_of copies the bytes once.
#pragma once

#include "broker/message.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace fulmar::broker {

inline constexpr std::size_t event_name_bytes_max = 200;
inline constexpr std::size_t content_type_bytes_max = 256;
inline constexpr std::size_t batch_messages_max = 1'000;

struct publication_view
{
    std::string_view topic;
    std::string_view payload;
    std::string_view event;
    std::string_view content_type;
    qos level = qos::at_least_once;
    bool retain = false;
    std::uint32_t expiry_s = 0;  // 0: never
};

struct publication_problem
{
    bool too_large = false;  // else: something in it is not valid
    std::string_view what;   // a sentence
};
[[nodiscard]] std::optional<publication_problem> problem_of(publication_view const& p,
                                                            std::size_t payload_bytes_max) noexcept;

[[nodiscard]] message_ptr message_of(publication_view const& p, app_id app, wall_ms now);

}  // namespace fulmar::broker
