#include "frontends/pusher/webhook_item.hpp"

#include "broker/topic.hpp"
#include "frontends/pusher/event.hpp"

namespace fulmar::pusher {

namespace {

using broker::webhook_kind;

constexpr char row_version = 1;

void put_number(std::string& out, std::uint64_t value)
{
    for (int shift = 56; shift >= 0; shift -= 8)
        out += static_cast<char>(value >> static_cast<unsigned>(shift) & 0xFFU);
}

void put_text(std::string& out, std::string_view text)
{
    put_number(out, text.size());
    out += text;
}

class row_reader
{
public:
    explicit row_reader(std::string_view row) : left_{row} {}

    [[nodiscard]] std::uint64_t number()
    {
        std::uint64_t value = 0;
        for (auto const c : take(8))
            value = value << 8U | static_cast<unsigned char>(c);
        return value;
    }
    [[nodiscard]] std::string text() { return std::string{take(number())}; }
    [[nodiscard]] bool whole() const noexcept { return good_ && left_.empty(); }

    std::string_view take(std::uint64_t size)
    {
        if (size > left_.size()) {
            good_ = false;
            left_ = {};
            return {};
        }
        auto const part = left_.substr(0, size);
        left_.remove_prefix(size);
        return part;
    }

private:
    std::string_view left_;
    bool good_ = true;
};

void member(std::string& out, std::string_view name, std::string_view text)
{
    out.append(",\"").append(name).append("\":");
    append_json_string(out, broker::valid_utf8(text) ? text : std::string_view{});
}

[[nodiscard]] std::string key_of(char kind, channel_event const& what)
{
    std::string key(1, kind);
    key += std::to_string(static_cast<std::uint32_t>(what.app));
    key.append(" ").append(what.channel);
    if (kind == 'm')
        key.append(" ").append(what.user_id);
    return key;
}

}  // namespace

std::string encode_row(webhook_item const& item)
{
    std::string row(1, row_version);
    put_number(row, static_cast<std::uint32_t>(item.app));
    put_number(row, item.happened_at);
    put_text(row, item.url);
    put_text(row, item.event);
    put_text(row, item.delayed_key);
    return row;
}

std::optional<webhook_item> decode_row(std::uint64_t id, std::string_view row)
{
    if (row.empty() || row.front() != row_version)
        return std::nullopt;
    row_reader in{row.substr(1)};
    webhook_item item;
    item.id = id;
    auto const app = in.number();
    item.app = broker::app_id{static_cast<std::uint32_t>(app)};
    item.happened_at = in.number();
    item.url = in.text();
    item.event = in.text();
    item.delayed_key = in.text();
    return in.whole() && app <= 0xFFFF'FFFFU ? std::optional{std::move(item)} : std::nullopt;
}

std::string event_text(channel_event const& what)
{
    std::string text = "{\"name\":\"";
    text.append(to_string(what.kind)).append("\"");
    member(text, "channel", what.channel);
    switch (what.kind) {
    case webhook_kind::member_added:
    case webhook_kind::member_removed: member(text, "user_id", what.user_id); break;
    case webhook_kind::client_event:
        member(text, "event", what.event);
        if (what.payload.starts_with('"'))
            text.append(",\"data\":").append(what.payload);  // a JSON string already
        else
            member(text, "data", what.payload);
        member(text, "socket_id", what.socket_id);
        if (!what.user_id.empty())
            member(text, "user_id", what.user_id);
        break;
    case webhook_kind::subscription_count:
        text.append(",\"subscription_count\":").append(std::to_string(what.subscription_count));
        break;
    default: break;
    }
    return text += "}";
}

std::string webhook_body(broker::wall_ms time, std::vector<webhook_item> const& items)
{
    auto body = "{\"time_ms\":" + std::to_string(time) + ",\"events\":[";
    for (std::size_t i = 0; i < items.size(); ++i)
        body.append(i == 0 ? "" : ",").append(items[i].event);
    return body += "]}";
}

std::string departure_key(channel_event const& what)
{
    switch (what.kind) {
    case webhook_kind::channel_vacated: return key_of('c', what);
    case webhook_kind::member_removed: return key_of('m', what);
    default: return {};
    }
}

std::string return_key(channel_event const& what)
{
    switch (what.kind) {
    case webhook_kind::channel_occupied: return key_of('c', what);
    case webhook_kind::member_added: return key_of('m', what);
    default: return {};
    }
}

}  // namespace fulmar::pusher
