// Questions about channels and users, and the order to close a user's connections.
#include "frontends/pusher/api_request.hpp"
#include "frontends/pusher/channel_name.hpp"
#include "frontends/pusher/event.hpp"

namespace fulmar::pusher {

namespace {

// False if the request was refused.
[[nodiscard]] bool read_info(api_request_ptr const& request, channel_attributes& into)
{
    auto const refused = read_attributes(request->parameters.value("info"), into);
    if (refused)
        request->refuse(refused.status, refused.why);
    return !refused;
}

// The channel of the path; empty if the request was refused.
[[nodiscard]] std::string channel_of(api_request_ptr const& request)
{
    auto const name = request->message().capture("channel");
    if (valid_channel_name(name, request->app().limits.channel_name_bytes))
        return std::string{name};
    request->refuse(400, "Invalid channel name");
    return {};
}

[[nodiscard]] std::string list_text(std::vector<channel_state> const& channels, channel_attributes const& wanted)
{
    std::string text = "{\"channels\":{";
    for (std::size_t i = 0; i < channels.size(); ++i) {
        text += i == 0 ? "" : ",";
        append_json_string(text, channels[i].name);
        text += ":";
        append_attributes(text, channels[i], wanted);
    }
    return text += "}}";
}

}  // namespace

void get_channels(api_request_ptr const& request)
{
    channel_attributes wanted;
    if (!read_info(request, wanted))
        return;
    std::string prefix{request->parameters.value("filter_by_prefix")};
    if (wanted.cache)
        return request->refuse(400, "cache is an attribute of single channels");
    if (wanted.user_count && !prefix.starts_with("presence-"))
        return request->refuse(400,
                               "user_count is an attribute of presence channels: "
                               "filter_by_prefix must begin with presence-");
    request->api().channels().channels(request->here().home(), request->app().id, std::move(prefix),
                                       [request, wanted](std::vector<channel_state> const& found) {
                                           request->succeed(list_text(found, wanted), &api_metrics::queries);
                                       });
}

void get_channel(api_request_ptr const& request)
{
    channel_attributes wanted;
    if (!read_info(request, wanted))
        return;
    auto name = channel_of(request);
    if (name.empty())
        return;
    auto const kind = classify(name);
    if (wanted.user_count && kind.access != channel_access::presence)
        return request->refuse(400, "user_count is an attribute of presence channels");
    if (wanted.cache && !kind.cache)
        return request->refuse(400, "cache is an attribute of cache channels");
    request->api().channels().channel(
        request->here().home(), request->app().id, name, [request, wanted, name](channel_state found) {
            found.name = name;
            std::string attributes;
            append_attributes(attributes, found, wanted);
            std::string text = found.occupied() ? "{\"occupied\":true" : "{\"occupied\":false";
            if (attributes.size() > 2)
                text.append(",").append(attributes, 1, attributes.size() - 2);
            request->succeed(text += "}", &api_metrics::queries);
        });
}

void get_users(api_request_ptr const& request)
{
    auto name = channel_of(request);
    if (name.empty())
        return;
    if (classify(name).access != channel_access::presence)
        return request->refuse(400, "only presence channels have users");
    request->api().channels().users(request->here().home(), request->app().id, std::move(name),
                                    [request](std::vector<std::string> const& ids) {
                                        std::string text = "{\"users\":[";
                                        for (std::size_t i = 0; i < ids.size(); ++i) {
                                            text += i == 0 ? "{\"id\":" : ",{\"id\":";
                                            append_json_string(text, ids[i]);
                                            text += "}";
                                        }
                                        request->succeed(text += "]}", &api_metrics::queries);
                                    });
}

void get_stats_deprecated(api_request_ptr const& request)
{
    auto name = channel_of(request);
    if (name.empty())
        return;
    request->api().channels().channel(
        request->here().home(), request->app().id, std::move(name), [request](channel_state const& found) {
            request->succeed(std::string{"{\"occupied\":"} + (found.occupied() ? "true" : "false") +
                                 ",\"user_count\":" + std::to_string(found.user_count) +
                                 ",\"connection_count\":" + std::to_string(found.subscription_count) + "}",
                             &api_metrics::queries);
        });
}

void post_termination(api_request_ptr const& request)
{
    auto const user = request->message().capture("user");
    if (!valid_user_id(user, request->app().limits.user_id_bytes))
        return request->refuse(400, "Invalid user id");
    request->api().channels().terminate_user(request->here().home(), request->app().id, std::string{user});
    request->succeed("{}", &api_metrics::queries);
}

}  // namespace fulmar::pusher
