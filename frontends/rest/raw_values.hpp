// The values of a JSON object or array as they stand in its text: what is passed on keeps its digits and its spaces.
//
//   raw_values(R"({"a": 1.50, "b": [1, 2]})") is {"1.50", "[1, 2]"}
//
// Owner:    whoever has the text, which must outlive the result.
// Threads:  pure functions.
// Limits:   none of its own; no recursion.
// Cost:     one pass over the text.
#pragma once

#include <string_view>
#include <vector>

namespace fulmar::rest {

// In the order of the text, names given twice included. `text` must have been parsed as a JSON object or array before;
// whatever else it is, nothing outside it is read.
[[nodiscard]] std::vector<std::string_view> raw_values(std::string_view text);

}  // namespace fulmar::rest
