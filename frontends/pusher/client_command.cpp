#include "frontends/pusher/client_command.hpp"

#include "frontends/pusher/channel_name.hpp"
#include "frontends/pusher/event.hpp"
#include "frontends/pusher/json_text.hpp"

#include <algorithm>
#include <array>
#include <boost/json.hpp>

namespace fulmar::pusher {

namespace json = boost::json;

namespace {

// The tree of one text, in memory that goes with it.
class parsed_text
{
public:
    explicit parsed_text(std::string_view text)
        : value_(json::parse(json::string_view{text.data(), text.size()}, error_, &memory_, options()))
    {
    }
    parsed_text(parsed_text const&) = delete;
    parsed_text& operator=(parsed_text const&) = delete;

    [[nodiscard]] json::object const* object() const noexcept { return error_ ? nullptr : value_.if_object(); }

private:
    [[nodiscard]] static json::parse_options options() noexcept
    {
        json::parse_options with;
        with.max_depth = json_depth_max;
        return with;
    }

    std::array<unsigned char, 4096> space_;
    json::monotonic_resource memory_{space_.data(), space_.size()};
    boost::system::error_code error_;
    json::value value_;
};

[[nodiscard]] std::optional<std::string> text_of(json::object const& from, std::string_view name)
{
    auto const* const member = from.if_contains(json::string_view{name.data(), name.size()});
    auto const* const text = member == nullptr ? nullptr : member->if_string();
    if (text == nullptr)
        return std::nullopt;
    return std::string{text->data(), text->size()};
}

// Absent, null or a string.
[[nodiscard]] bool text_or_nothing(json::object const& from, std::string_view name)
{
    auto const* const member = from.if_contains(json::string_view{name.data(), name.size()});
    return member == nullptr || member->is_null() || member->is_string();
}

[[nodiscard]] command_kind kind_of(std::string_view event) noexcept
{
    if (event == "pusher:ping")
        return command_kind::ping;
    if (event == "pusher:pong")
        return command_kind::pong;
    if (event == "pusher:subscribe")
        return command_kind::subscribe;
    if (event == "pusher:unsubscribe")
        return command_kind::unsubscribe;
    if (event == "pusher:signin")
        return command_kind::signin;
    return client_event(event) ? command_kind::client_event : command_kind::unknown;
}

[[nodiscard]] std::string_view read_arguments(json::object const& data, client_command& out)
{
    if (!text_or_nothing(data, "auth") || !text_or_nothing(data, "channel_data") || !text_or_nothing(data, "user_data"))
        return "auth, channel_data and user_data are strings";
    out.channel = text_of(data, "channel").value_or("");
    out.auth = text_of(data, "auth").value_or("");
    out.channel_data = text_of(data, "channel_data");
    out.user_data = text_of(data, "user_data").value_or("");
    return {};
}

// `data` is an object; some libraries send that object as a string.
[[nodiscard]] std::string_view read_command_data(json::object const& message, client_command& out)
{
    auto const* const data = message.if_contains("data");
    if (data != nullptr && data->is_object())
        return read_arguments(data->get_object(), out);
    if (data != nullptr && data->is_string()) {
        auto const& text = data->get_string();
        parsed_text const inner{{text.data(), text.size()}};
        if (auto const* const object = inner.object())
            return read_arguments(*object, out);
    }
    return "data must be an object";
}

[[nodiscard]] std::string_view read_client_event(json::object const& message, std::string_view text,
                                                 client_command& out)
{
    auto channel = text_of(message, "channel");
    if (!channel)
        return "a client event needs a channel";
    out.channel = std::move(*channel);
    out.raw_data = raw_member(text, "data");
    out.data_string = text_of(message, "data");
    return {};
}

}  // namespace

std::string_view decode(std::string_view text, client_command& out)
{
    parsed_text const parsed{text};
    auto const* const message = parsed.object();
    if (message == nullptr)
        return "not a JSON object of at most 32 levels";
    auto event = text_of(*message, "event");
    if (!event || event->empty())
        return "event is missing";
    out.event = std::move(*event);
    out.kind = kind_of(out.event);
    switch (out.kind) {
    case command_kind::subscribe:
    case command_kind::unsubscribe:
    case command_kind::signin: return read_command_data(*message, out);
    case command_kind::client_event: return read_client_event(*message, text, out);
    case command_kind::ping:
    case command_kind::pong:
    case command_kind::unknown: break;
    }
    return {};
}

std::optional<member_identity> decode_channel_data(std::string_view text)
{
    parsed_text const parsed{text};
    auto const* const object = parsed.object();
    auto const* const id = object == nullptr ? nullptr : object->if_contains("user_id");
    if (id == nullptr || !(id->is_string() || id->is_number()))
        return std::nullopt;
    member_identity who;
    who.id_json = raw_member(text, "user_id");
    who.user_id = text_of(*object, "user_id").value_or(who.id_json);
    who.info_json = raw_member(text, "user_info");
    if (who.user_id.empty() || who.id_json.empty())
        return std::nullopt;
    return who;
}

std::optional<user_identity> decode_user_data(std::string_view text, std::size_t watchlist_max)
{
    parsed_text const parsed{text};
    auto const* const object = parsed.object();
    if (object == nullptr)
        return std::nullopt;
    user_identity who;
    who.id = text_of(*object, "id").value_or("");
    if (who.id.empty())
        return std::nullopt;
    who.info_json = raw_member(text, "user_info");
    auto const* const list = object->if_contains("watchlist");
    if (list == nullptr || list->is_null())
        return who;
    if (!list->is_array())
        return std::nullopt;
    auto const& watched = list->get_array();
    who.watchlist_cut = watched.size() > watchlist_max;
    for (std::size_t i = 0; i < std::min(watched.size(), watchlist_max); ++i) {
        auto const* const name = watched[i].if_string();
        if (name == nullptr || name->empty())
            return std::nullopt;
        who.watchlist.emplace_back(name->data(), name->size());
    }
    std::sort(who.watchlist.begin(), who.watchlist.end());
    who.watchlist.erase(std::unique(who.watchlist.begin(), who.watchlist.end()), who.watchlist.end());
    return who;
}

}  // namespace fulmar::pusher
