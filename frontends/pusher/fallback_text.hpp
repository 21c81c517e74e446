// What the HTTP fallbacks of pusher-js put into requests and answers: frames to the client, arrays of messages from it.
//
// A frame is one line: "o" opened, "a" and an array of messages, "h" a sign of life, "c" closed with code and reason.
//
// Spec:     the SockJS protocol 0.3.3 as far as pusher-js speaks it (xhr_streaming, xhr, xhr_send).
// Threads:  pure functions.
// Limits:   sent_messages_max messages in one body, each of at most the size that the caller says.
// Cost:     one pass over the body; messages are copied once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fulmar::pusher {

inline constexpr std::string_view opened_frame = "o\n";
inline constexpr std::string_view alive_frame = "h\n";
[[nodiscard]] std::string closed_frame(std::uint16_t code, std::string_view reason);

// How long a browser says that this text is (XMLHttpRequest.responseText.length). Expects valid UTF-8.
[[nodiscard]] std::size_t utf16_length(std::string_view text) noexcept;

// The payload of the server's text frame, as append_text_frame made it, at the beginning of `frame`.
[[nodiscard]] std::string_view text_of_frame(std::string_view frame) noexcept;

inline constexpr std::size_t sent_messages_max = 100;

// Reads the body of xhr_send, an array of strings. What is wrong, or nothing; then `out` is undefined.
// An empty array is a sign of life.
[[nodiscard]] std::string_view decode_sent(std::string_view body, std::size_t message_bytes_max,
                                           std::vector<std::string>& out);

}  // namespace fulmar::pusher
