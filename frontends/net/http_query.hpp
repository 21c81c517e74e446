// The query of a request target, and percent-encoding.
//
// Spec:     RFC 3986 §2.1, §3.4; WHATWG URL §5.1 ('+' is a space).
// Threads:  pure functions.
// Limits:   query_fields_max fields; the head of a request bounds the bytes.
#pragma once

#include "frontends/net/http_message.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fulmar::net {

inline constexpr std::size_t query_fields_max = 4'096;

class http_query
{
public:
    // Nothing for bad escapes, bytes that are not UTF-8, U+0000, or too many fields.
    [[nodiscard]] static std::optional<http_query> parse(std::string_view query);

    // The first of that name; null: there is none.
    [[nodiscard]] std::string const* find(std::string_view name) const noexcept;
    [[nodiscard]] std::vector<http_field> const& fields() const noexcept { return fields_; }

private:
    std::vector<http_field> fields_;
};

[[nodiscard]] std::optional<std::string> percent_decoded(std::string_view text, bool plus_is_space);

// Digits only, no sign, at most `maximum`.
[[nodiscard]] std::optional<std::uint64_t> parse_number(std::string_view text, std::uint64_t maximum) noexcept;

}  // namespace fulmar::net
