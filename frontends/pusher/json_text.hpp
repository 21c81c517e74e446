// JSON that is handed on as it came: checked, and cut into pieces without being written anew.
//
// Threads:  pure functions.
// Limits:   json_depth_max levels.
// Cost:     one parse; slices are views into the text.
#pragma once

#include <cstddef>
#include <string_view>

namespace fulmar::pusher {

inline constexpr std::size_t json_depth_max = 32;

// Is `text` one JSON value (RFC 8259) of at most json_depth_max levels?
[[nodiscard]] bool valid_json(std::string_view text);

// The text of member `name` of `object`, which is valid JSON; empty if it is no object or has no such member. Of several
// with one name, the last. Names with escapes are not found.
[[nodiscard]] std::string_view raw_member(std::string_view object, std::string_view name) noexcept;

}  // namespace fulmar::pusher
