#include "frontends/pusher/trigger.hpp"

#include "broker/topic.hpp"
#include "frontends/pusher/channel_name.hpp"
#include "frontends/pusher/socket_id.hpp"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <optional>
#include <unordered_set>

namespace fulmar::pusher {

namespace {

namespace json = boost::json;

constexpr std::size_t parse_buffer_bytes = 16 * 1024;

[[nodiscard]] std::string_view view(json::string const& text) noexcept { return {text.data(), text.size()}; }

[[nodiscard]] refusal bad(std::string why) { return {400, std::move(why)}; }

// Names stand in answers: cut, so that an answer does not repeat a request.
[[nodiscard]] std::string in_quotes(std::string_view name)
{
    constexpr std::size_t shown = 64;
    return "'" + std::string{broker::valid_utf8(name.substr(0, shown)) ? name.substr(0, shown) : "?"} + "'";
}

// The body as JSON, in memory of its own that is given back at once.
class body_reader
{
public:
    explicit body_reader(std::string_view body) : memory_{buffer_.data(), buffer_.size()}
    {
        json::parse_options options;
        options.max_depth = json_depth_max;
        boost::system::error_code error;
        json::stream_parser parser{{}, options, parsing_.data(), parsing_.size()};
        parser.reset(&memory_);
        parser.write(body.data(), body.size(), error);
        if (!error)
            parser.finish(error);
        if (error)
            problem_ = "the body is not JSON: " + error.message();
        else
            value_ = parser.release();
    }
    [[nodiscard]] std::string const& problem() const noexcept { return problem_; }
    [[nodiscard]] json::object const* object() const noexcept { return value_ ? value_->if_object() : nullptr; }

private:
    std::array<unsigned char, parse_buffer_bytes> buffer_;
    std::array<unsigned char, 2048> parsing_;
    json::monotonic_resource memory_;
    std::optional<json::value> value_;
    std::string problem_;
};

// A member that must be a string where it is given; null counts as not given.
[[nodiscard]] refusal read_text(json::object const& from, std::string_view member,
                                std::optional<std::string_view>& into)
{
    auto const* const found = from.if_contains({member.data(), member.size()});
    if (found == nullptr || found->is_null())
        return {};
    auto const* const text = found->if_string();
    if (text == nullptr)
        return bad("'" + std::string{member} + "' must be a string");
    into = view(*text);
    return {};
}

[[nodiscard]] refusal read_channels(json::object const& from, std::size_t limit, std::vector<std::string_view>& into)
{
    auto const* const found = from.if_contains("channels");
    if (found == nullptr || found->is_null())
        return {};
    auto const* const list = found->if_array();
    if (list == nullptr)
        return bad("'channels' must be a list of strings");
    if (list->size() > limit)
        return bad("Cannot trigger on more than " + std::to_string(limit) + " channels");
    for (auto const& item : *list) {
        if (!item.is_string())
            return bad("'channels' must be a list of strings");
        into.push_back(view(item.get_string()));
    }
    return {};
}

// What one event is made of, before it is looked at as a whole.
struct event_parts
{
    std::optional<std::string_view> name;
    std::optional<std::string_view> payload;
    std::optional<std::string_view> socket_id;
    std::optional<std::string_view> channel;
    std::optional<std::string_view> info;
    std::vector<std::string_view> channels;
};

[[nodiscard]] refusal read_parts(json::object const& from, broker::app_limits const& limits, event_parts& into)
{
    for (auto const& [member, where] :
         {std::pair{"name", &into.name}, std::pair{"data", &into.payload}, std::pair{"socket_id", &into.socket_id},
          std::pair{"channel", &into.channel}, std::pair{"info", &into.info}}) {
        if (auto refused = read_text(from, member, *where))
            return refused;
    }
    return read_channels(from, limits.channels_per_trigger, into.channels);
}

void read_parts(query const& from, event_parts& into)
{
    for (auto const& [member, where] :
         {std::pair{"name", &into.name}, std::pair{"data", &into.payload}, std::pair{"socket_id", &into.socket_id},
          std::pair{"channel", &into.channel}, std::pair{"info", &into.info}}) {
        if (auto const* const value = where->has_value() ? nullptr : from.find(member))
            *where = *value;
    }
    if (into.channels.empty())
        into.channels = from.list("channels");
}

// The same channel twice is once.
void remove_repeated(std::vector<std::string_view>& channels)
{
    if (channels.size() < 2)
        return;
    std::unordered_set<std::string_view> seen;
    std::erase_if(channels, [&](std::string_view name) { return !seen.insert(name).second; });
}

[[nodiscard]] refusal to_trigger(broker::app const& app, event_parts&& parts, trigger& into)
{
    if (!parts.name)
        return bad("Missing required parameter: name");
    if (!parts.payload)
        return bad("Missing required parameter: data");
    if (parts.channel && parts.channels.empty())
        parts.channels.push_back(*parts.channel);
    into = {*parts.name, *parts.payload, parts.socket_id.value_or(""), std::move(parts.channels), {}};
    remove_repeated(into.channels);
    if (auto refused = read_attributes(parts.info.value_or(""), into.info))
        return refused;
    return check_trigger(app, into);
}

[[nodiscard]] refusal check_names(broker::app const& app, trigger const& what)
{
    auto const& limits = app.limits;
    if (what.name.empty() || what.name.size() > limits.event_name_bytes)
        return bad("The event name must have 1 to " + std::to_string(limits.event_name_bytes) + " bytes");
    if (reserved_event(what.name))
        return bad("Event names that begin with 'pusher:' or 'pusher_internal:' are reserved");
    if (what.channels.empty())
        return bad("Missing required parameter: channels");
    if (what.channels.size() > limits.channels_per_trigger)
        return bad("Cannot trigger on more than " + std::to_string(limits.channels_per_trigger) + " channels");
    for (auto const channel : what.channels) {
        if (!valid_channel_name(channel, limits.channel_name_bytes))
            return bad("Invalid channel name " + in_quotes(channel) + ": letters, digits and _-=@,.; in at most " +
                       std::to_string(limits.channel_name_bytes) + " bytes");
    }
    if (!what.socket_id.empty() && !valid_socket_id(what.socket_id))
        return bad("Invalid socket_id " + in_quotes(what.socket_id));
    return {};
}

}  // namespace

refusal read_attributes(std::string_view text, channel_attributes& into)
{
    while (!text.empty()) {
        auto const end = std::min(text.find(','), text.size());
        auto word = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        while (word.starts_with(' '))
            word.remove_prefix(1);
        if (word == "user_count")
            into.user_count = true;
        else if (word == "subscription_count")
            into.subscription_count = true;
        else if (word == "cache")
            into.cache = true;
        else if (!word.empty())
            return bad("Unknown attribute " + in_quotes(word) +
                       " in info: there are user_count, subscription_count and cache");
    }
    return {};
}

refusal check_trigger(broker::app const& app, trigger const& what)
{
    if (auto refused = check_names(app, what))
        return refused;
    auto const& limits = app.limits;
    bool const encrypted = std::ranges::all_of(what.channels, [](auto name) { return classify(name).encrypted; });
    auto const limit = encrypted ? limits.encrypted_event_bytes() : limits.event_bytes;
    if (what.payload.size() > limit)
        return {413,
                "The data content of this event exceeds the allowed maximum (" + std::to_string(limit) + " bytes)"};
    return {};
}

refusal read_trigger(broker::app const& app, std::string_view body, query const& parameters, trigger_taker const& then)
{
    body_reader const read{body.empty() ? std::string_view{"{}"} : body};
    if (!read.problem().empty())
        return bad(read.problem());
    if (read.object() == nullptr)
        return bad("the body must be a JSON object");
    event_parts parts;
    if (auto refused = read_parts(*read.object(), app.limits, parts))
        return refused;
    read_parts(parameters, parts);
    std::vector<trigger> one(1);
    if (auto refused = to_trigger(app, std::move(parts), one.front()))
        return refused;
    then(one);
    return {};
}

refusal read_batch(broker::app const& app, std::string_view body, trigger_taker const& then)
{
    body_reader const read{body};
    if (!read.problem().empty())
        return bad(read.problem());
    auto const* const member = read.object() == nullptr ? nullptr : read.object()->if_contains("batch");
    auto const* const list = member == nullptr ? nullptr : member->if_array();
    if (list == nullptr)
        return bad("Missing required parameter: batch");
    if (list->size() > app.limits.events_per_batch)
        return bad("Batch too large: at most " + std::to_string(app.limits.events_per_batch) + " events");
    std::vector<trigger> all(list->size());
    for (std::size_t i = 0; i < list->size(); ++i) {
        auto const* const object = (*list)[i].if_object();
        event_parts parts;
        auto refused = object == nullptr ? bad("must be a JSON object") : read_parts(*object, app.limits, parts);
        if (!refused)
            refused = to_trigger(app, std::move(parts), all[i]);
        if (refused)
            return {refused.status, "batch[" + std::to_string(i) + "]: " + refused.why};
    }
    then(all);
    return {};
}

}  // namespace fulmar::pusher
