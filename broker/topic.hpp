// Topic names and topic filters: validity, matching, shared-subscription syntax.
//
// Spec:     MQTT 5.0 §4.7 (names and filters), §4.8.2 (shared subscriptions).
// Threads:  pure functions, any thread.
// Limits:   topic_bytes_max bytes; topic_levels_max levels, so that nothing recurses or grows without bound.
#pragma once

#include "broker/ids.hpp"

#include <optional>
#include <string_view>

namespace fulmar::broker {

inline constexpr std::size_t topic_bytes_max = 65'535;
inline constexpr std::size_t topic_levels_max = 200;

// Well-formed UTF-8 without U+0000 and surrogates [MQTT-1.5.4-1, -2].
[[nodiscard]] bool valid_utf8(std::string_view text) noexcept;

// Not empty, no wildcard, levels and bytes within the limits. Expects valid UTF-8.
[[nodiscard]] bool valid_topic_name(std::string_view topic) noexcept;

// Not empty, '#' only last and alone in its level, '+' alone in its level. Expects valid UTF-8.
[[nodiscard]] bool valid_topic_filter(std::string_view filter) noexcept;

// Does `filter` match `topic`? Wildcards at the first level never match a topic that begins with '$' [MQTT-4.7.2-1].
[[nodiscard]] bool matches(std::string_view filter, std::string_view topic) noexcept;

[[nodiscard]] bool has_wildcard(std::string_view filter) noexcept;

struct shared_filter
{
    std::string_view group;
    std::string_view filter;
};

// "$share/<group>/<filter>"; nullopt for anything else. A name that begins with "$share/" but is malformed
// [MQTT-4.8.2-1, -2] gives an engaged value with an empty filter.
[[nodiscard]] std::optional<shared_filter> parse_shared(std::string_view filter) noexcept;

// FNV-1a with a final avalanche: the same on every machine and in every version, because it names stored data.
[[nodiscard]] std::uint64_t stable_hash(std::string_view bytes, std::uint64_t seed = 0) noexcept;

[[nodiscard]] inline filter_hash hash_filter(app_id app, std::string_view filter) noexcept
{
    return filter_hash{stable_hash(filter, static_cast<std::uint32_t>(app) + 1U)};
}

// The index stream of a topic, or of the filter of a [[history]] rule (history_rules.hpp): never that of a subscription.
[[nodiscard]] inline filter_hash hash_history(app_id app, std::string_view text) noexcept
{
    return filter_hash{stable_hash(text, (std::uint64_t{1} << 63U) + static_cast<std::uint32_t>(app) + 1U)};
}

}  // namespace fulmar::broker
