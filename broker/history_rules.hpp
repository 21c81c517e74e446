// Which topics keep a history, and how much of it: the [[history]] rules in force.
//
// A message to such a topic goes into the log whatever its QoS and whoever listens. It is named in two index streams of
// its own kind (hash_history): that of its topic, for reading one topic, and that of the rule's filter, for reading
// with wildcards. The first rule that matches a topic decides.
//
// Owner:    shared by the routers and the front-ends that read history; made when the broker starts.
// Threads:  immutable, any thread.
// Limits:   history_rules_max rules. max_messages and max_bytes are per topic and applied when one topic is read; the
//           log itself holds everything that is no older than the longest max_age, within storage.retention_*.
// Cost:     one filter comparison per rule and publish.
#pragma once

#include "broker/session_store.hpp"
#include "broker/settings.hpp"

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace fulmar::broker {

struct history_rule
{
    std::optional<app_id> app;  // not engaged: every app
    std::string filter;
    std::uint64_t max_age_ms = 0;    // 0: as long as the log holds it
    std::uint64_t max_messages = 0;  // of one topic; 0: any number
    std::uint64_t max_bytes = 0;     // of one topic; 0: any size
};

class history_rules
{
public:
    explicit history_rules(std::vector<history_rule> rules) : rules_{std::move(rules)} {}

    [[nodiscard]] bool empty() const noexcept { return rules_.empty(); }

    // The rule of a topic, or null: it keeps no history.
    [[nodiscard]] history_rule const* find(app_id app, std::string_view topic) const noexcept;

    // Appends the index streams of a message to `topic`; false: it keeps no history.
    bool append_streams(app_id app, std::string_view topic, std::vector<filter_hash>& out) const;

    // Appends what has to be read for a subscription of `filter`: its topic's stream, or with wildcards those of every
    // rule that shares a topic with it. What is read must be compared with the filter. False: it keeps no history.
    bool append_sources(app_id app, std::string_view filter, std::vector<queue_filter>& out) const;

private:
    std::vector<history_rule> rules_;
};

// Is there a topic that both filters match?
[[nodiscard]] bool filters_meet(std::string_view a, std::string_view b) noexcept;

// How long the log must be held for history, in ms; 0: as long as retention lets it. Nothing without rules.
[[nodiscard]] std::optional<std::uint64_t> history_hold_ms(std::vector<history_settings> const& rules) noexcept;

}  // namespace fulmar::broker
