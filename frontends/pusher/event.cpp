#include "frontends/pusher/event.hpp"

#include "broker/topic.hpp"
#include "frontends/net/http_access.hpp"
#include "frontends/net/websocket_codec.hpp"
#include "frontends/pusher/channel_name.hpp"
#include "frontends/pusher/json_text.hpp"

#include <array>
#include <cstdint>

namespace fulmar::pusher {

namespace {

// What a byte becomes inside a JSON string: 0 itself, 'u' \u00XX, anything else a backslash and that.
constexpr std::array<char, 256> escapes = [] {
    std::array<char, 256> table{};
    for (std::size_t c = 0; c < 0x20; ++c)
        table[c] = 'u';
    table['\b'] = 'b';
    table['\f'] = 'f';
    table['\n'] = 'n';
    table['\r'] = 'r';
    table['\t'] = 't';
    table['"'] = '"';
    table['\\'] = '\\';
    return table;
}();

constexpr std::string_view hex_digits = "0123456789abcdef";

// A name that a peer may not claim is not shown as such.
[[nodiscard]] std::string_view shown_event(broker::message const& m) noexcept
{
    auto const event = m.event();
    return event.empty() || reserved_event(event) ? std::string_view{"message"} : event;
}

[[nodiscard]] std::string_view property_of(broker::message const& m, std::string_view name) noexcept
{
    if (m.properties)
        for (auto const& user : m.properties->user)
            if (user.name == name)
                return user.value;
    return {};
}

void append_payload(std::string& out, broker::message const& m)
{
    auto const payload = m.payload();
    auto const is_json = client_event(m.event()) && m.properties && m.properties->content_type == json_content_type;
    if (is_json && valid_json(payload)) {
        out.append(payload);
    } else if (broker::valid_utf8(payload)) {
        append_json_string(out, payload);
    } else {
        out += '"';
        net::append_base64(out, payload);
        out += R"(","encoding":"base64")";
    }
}

void append_ids(std::string& out, std::string_view name, std::vector<std::string> const& ids)
{
    if (ids.empty())
        return;
    if (out.back() == '}')
        out += ',';
    out.append(R"({"name":")").append(name).append(R"(","user_ids":[)");
    for (std::size_t i = 0; i < ids.size(); ++i) {
        if (i != 0)
            out += ',';
        append_json_string(out, ids[i]);
    }
    out += "]}";
}

}  // namespace

void append_json_string(std::string& out, std::string_view text)
{
    out += '"';
    std::size_t clean = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        auto const byte = static_cast<unsigned char>(text[i]);
        auto const escape = escapes[byte];
        if (escape == 0)
            continue;
        out.append(text.substr(clean, i - clean));
        clean = i + 1;
        out += '\\';
        out += escape;
        if (escape == 'u')
            out.append("00").append(1, hex_digits[byte >> 4U]).append(1, hex_digits[byte & 15U]);
    }
    out.append(text.substr(clean));
    out += '"';
}

void append_event(std::string& out, broker::message const& m)
{
    out += R"({"event":)";
    append_json_string(out, shown_event(m));
    out += R"(,"channel":)";
    append_json_string(out, m.topic());
    out += R"(,"data":)";
    append_payload(out, m);
    if (client_event(m.event()) && m.topic().starts_with("presence-")) {
        if (auto const user = property_of(m, user_id_property); !user.empty()) {
            out += R"(,"user_id":)";
            append_json_string(out, user);
        }
    }
    out += '}';
}

void append_text_frame(std::vector<char>& out, std::string_view text)
{
    net::append_frame(out, net::websocket_opcode::text, text);
}

void event_variant::encode(broker::message const& m, bool, broker::wall_ms, std::vector<char>& out) const
{
    constexpr std::size_t kept = 256 * 1024;
    thread_local std::string text;
    text.clear();
    append_event(text, m);
    append_text_frame(out, text);
    if (text.capacity() > kept)
        text = {};
}

std::string connection_established(std::string_view socket_id, unsigned activity_timeout_s)
{
    return std::string{R"({"event":"pusher:connection_established","data":"{\"socket_id\":\")"}
        .append(socket_id)
        .append(R"(\",\"activity_timeout\":)")
        .append(std::to_string(activity_timeout_s))
        .append(R"(}"})");
}

std::string error_event(std::string_view text, unsigned code)
{
    std::string out{R"({"event":"pusher:error","data":{"message":)"};
    append_json_string(out, text);
    return out.append(R"(,"code":)").append(code == 0 ? "null" : std::to_string(code)).append("}}");
}

std::string subscription_error(std::string_view channel, std::string_view type, std::string_view text, unsigned status)
{
    std::string out{R"({"event":"pusher:subscription_error","channel":)"};
    append_json_string(out, channel);
    out += R"(,"data":{"type":)";
    append_json_string(out, type);
    out += R"(,"error":)";
    append_json_string(out, text);
    return out.append(R"(,"status":)").append(std::to_string(status)).append("}}");
}

std::string channel_event_text(std::string_view event, std::string_view channel, std::string_view payload)
{
    std::string out{R"({"event":)"};
    append_json_string(out, event);
    out += R"(,"channel":)";
    append_json_string(out, channel);
    out += R"(,"data":)";
    append_json_string(out, payload);
    out += '}';
    return out;
}

std::string cache_miss(std::string_view channel)
{
    std::string out{R"({"event":"pusher:cache_miss","channel":)"};
    append_json_string(out, channel);
    out += '}';
    return out;
}

std::string signin_success(std::string_view user_data)
{
    std::string out{R"({"event":"pusher:signin_success","data":{"user_data":)"};
    append_json_string(out, user_data);
    return out.append("}}");
}

std::string watchlist_events(std::vector<std::string> const& online, std::vector<std::string> const& offline)
{
    std::string out{R"({"event":"pusher_internal:watchlist_events","data":{"events":[)"};
    append_ids(out, "online", online);
    append_ids(out, "offline", offline);
    return out.append("]}}");
}

}  // namespace fulmar::pusher
