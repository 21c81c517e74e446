// How a message is written into an event stream, and the wire variants that let many receivers share the bytes.
//
//   raw     id, topic, event and data fields; a payload that is not UTF-8 is base64, with a field "encoding: base64"
//   json    data is an object: id, topic, event, data, encoding, time
//   ndjson  that object as one line, without fields
//
// A line of a payload, whatever ends it, becomes a data field; a name is written without its control characters: nothing
// that a publisher chooses begins a field of its own.
//
// Spec:     WHATWG HTML §9.2 (server-sent events); RFC 8259.
// Threads:  immutable, any thread.
#pragma once

#include "broker/session_store.hpp"
#include "broker/subscriber.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fulmar::sse {

enum class event_format : std::uint8_t { raw, json, ndjson };

// `sequence` 0: the topic keeps no history, so the event has no id.
void append_event(event_format format, broker::message const& m, broker::log_sequence sequence, std::vector<char>& out);

// An event of the stream itself: "ready", "gap". `json` is one line.
void append_notice(event_format format, std::string_view name, std::string_view json,
                   std::optional<broker::log_sequence> position, std::string& out);

class event_variant final : public broker::wire_variant
{
public:
    event_variant(event_format format, broker::history_use use) noexcept : format_{format}, use_{use} {}

    void encode(broker::message const& m, bool retain_flag, broker::wall_ms now, std::vector<char>& out) const override;
    [[nodiscard]] broker::history_use history() const noexcept override { return use_; }
    void encode_logged(broker::logged_message const& item, broker::wall_ms now, std::vector<char>& out) const override;

private:
    event_format format_;
    broker::history_use use_;
};

// `runs`: messages with history come in shared runs, too, which keep their order only within one topic.
[[nodiscard]] event_variant const& variant_for(event_format format, bool runs) noexcept;

}  // namespace fulmar::sse
