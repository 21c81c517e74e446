// Error answers that programs can read.
//
// Spec:     RFC 9457 (problem details), RFC 6750 §3 (WWW-Authenticate).
// Threads:  pure functions.
#pragma once

#include "broker/errors.hpp"
#include "frontends/net/http_message.hpp"

#include <string>
#include <string_view>

namespace fulmar::net {

// {"type":"about:blank","title":…,"status":…,"detail":…} as application/problem+json.
[[nodiscard]] http_response problem_response(unsigned status, std::string_view detail);

// The status that an error of the core becomes, with its message: 401, 403, 413, 429, 503, 507, ...
[[nodiscard]] http_response problem_response(broker::error_code error);

// `text` as a JSON string with its quotes. Bytes that are not UTF-8 must not be in it.
void append_json_text(std::string& out, std::string_view text);

}  // namespace fulmar::net
