#include "frontends/sse/event.hpp"

#include "broker/topic.hpp"
#include "frontends/net/http_access.hpp"
#include "frontends/net/message_json.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <string>

namespace fulmar::sse {

namespace {

using broker::history_use;

template <class Out>
void put(Out& out, std::string_view text)
{
    out.insert(out.end(), text.begin(), text.end());
}

// One field; characters that would end its line are left out.
template <class Out>
void put_field(Out& out, std::string_view name, std::string_view value)
{
    put(out, name);
    put(out, ": ");
    if (std::none_of(value.begin(), value.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }))
        put(out, value);
    else
        std::copy_if(value.begin(), value.end(), std::back_inserter(out),
                     [](char c) { return static_cast<unsigned char>(c) >= 0x20; });
    out.push_back('\n');
}

template <class Out>
void put_data(Out& out, std::string_view text)
{
    while (true) {
        auto const end = std::min(text.find_first_of("\r\n"), text.size());
        put(out, "data: ");
        put(out, text.substr(0, end));
        out.push_back('\n');
        if (end == text.size())
            return;
        text.remove_prefix(end + (text.substr(end).starts_with("\r\n") ? 2 : 1));
    }
}

void append_raw(broker::message const& m, broker::log_sequence sequence, bool binary, std::vector<char>& out)
{
    if (sequence != 0)
        put_field(out, "id", net::cursor_text(sequence));
    put_field(out, "topic", m.topic());
    if (!m.event().empty() && broker::valid_utf8(m.event()))
        put_field(out, "event", m.event());
    if (binary) {
        put(out, "encoding: base64\n");
        std::string text;
        net::append_base64(text, m.payload());
        put_field(out, "data", text);
    } else {
        put_data(out, m.payload());
    }
    out.push_back('\n');
}

}  // namespace

void append_event(event_format format, broker::message const& m, broker::log_sequence sequence, std::vector<char>& out)
{
    if (format == event_format::raw)
        return append_raw(m, sequence, !broker::valid_utf8(m.payload()), out);
    std::string object;
    net::append_message_json(object, m, sequence);
    if (format == event_format::ndjson) {
        put(out, object);
        out.push_back('\n');
        return;
    }
    if (sequence != 0)
        put_field(out, "id", net::cursor_text(sequence));
    if (!m.event().empty() && broker::valid_utf8(m.event()))
        put_field(out, "event", m.event());
    put_field(out, "data", object);
    out.push_back('\n');
}

void append_notice(event_format format, std::string_view name, std::string_view json,
                   std::optional<broker::log_sequence> position, std::string& out)
{
    if (format == event_format::ndjson) {
        out.append("{\"").append(name).append("\":").append(json).append("}\n");
        return;
    }
    put_field(out, "event", name);
    if (position)
        put_field(out, "id", net::cursor_text(*position));
    put_field(out, "data", json);
    out += '\n';
}

void event_variant::encode(broker::message const& m, bool, broker::wall_ms, std::vector<char>& out) const
{
    append_event(format_, m, 0, out);
}

void event_variant::encode_logged(broker::logged_message const& item, broker::wall_ms, std::vector<char>& out) const
{
    append_event(format_, *item.message, item.sequence, out);
}

event_variant const& variant_for(event_format format, bool runs) noexcept
{
    static std::array<event_variant, 6> const all{{{event_format::raw, history_use::each},
                                                   {event_format::json, history_use::each},
                                                   {event_format::ndjson, history_use::each},
                                                   {event_format::raw, history_use::run},
                                                   {event_format::json, history_use::run},
                                                   {event_format::ndjson, history_use::run}}};
    return all[static_cast<std::size_t>(format) + (runs ? 3U : 0U)];
}

}  // namespace fulmar::sse
