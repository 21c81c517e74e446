// Triggers: one event to several channels, a batch of events, and the deprecated call for one channel.
#include "broker/router.hpp"
#include "broker/topic.hpp"
#include "frontends/pusher/api_request.hpp"
#include "frontends/pusher/channel_name.hpp"
#include "frontends/pusher/event.hpp"
#include "frontends/pusher/socket_id.hpp"

#include <algorithm>

namespace fulmar::pusher {

namespace {

// What an answer with attributes still needs: one channel's state after the other arrives from its home shard.
struct gathered
{
    struct item
    {
        channel_attributes wanted;
        channel_state state;
    };
    std::vector<item> items;
    std::size_t missing = 0;
    bool batch = false;
};

[[nodiscard]] std::string attributes_text(gathered const& all)
{
    if (all.batch) {
        std::string text = "{\"batch\":[";
        for (std::size_t i = 0; i < all.items.size(); ++i) {
            text += i == 0 ? "" : ",";
            append_attributes(text, all.items[i].state, all.items[i].wanted);
        }
        return text += "]}";
    }
    std::string text = "{\"channels\":{";
    for (std::size_t i = 0; i < all.items.size(); ++i) {
        text += i == 0 ? "" : ",";
        append_json_string(text, all.items[i].state.name);
        text += ":";
        append_attributes(text, all.items[i].state, all.items[i].wanted);
    }
    return text += "}}";
}

void answer_with_attributes(api_request_ptr const& request, std::shared_ptr<gathered> const& all)
{
    if (all->missing == 0)
        return request->succeed(attributes_text(*all), &api_metrics::triggers);
    for (std::size_t i = 0; i < all->items.size(); ++i) {
        auto const& item = all->items[i];
        if (!item.wanted.any())
            continue;
        request->api().channels().channel(request->here().home(), request->app().id, item.state.name,
                                          [request, all, i](channel_state state) {
                                              auto& mine = all->items[i].state;
                                              state.name = std::move(mine.name);
                                              mine = std::move(state);
                                              if (--all->missing == 0)
                                                  request->succeed(attributes_text(*all), &api_metrics::triggers);
                                          });
    }
}

// One item per channel of a single trigger, one per event of a batch; null if nobody asked for anything.
[[nodiscard]] std::shared_ptr<gathered> asked_for(std::vector<trigger> const& events, bool batch)
{
    auto const asks = [](trigger const& event) { return event.info.user_count || event.info.subscription_count; };
    if (std::ranges::none_of(events, asks))
        return nullptr;
    auto const all = std::make_shared<gathered>();
    all->batch = batch;
    for (auto const& event : events) {
        for (auto const channel : event.channels) {
            auto& item = all->items.emplace_back();
            item.wanted = event.info;
            item.wanted.cache = false;  // an attribute of GET only
            item.state.name = channel;
            all->missing += item.wanted.any() ? 1U : 0U;
            if (batch)
                break;
        }
    }
    return all->missing == 0 ? nullptr : all;
}

[[nodiscard]] std::vector<broker::message_ptr> messages_of(api_request& request, std::vector<trigger> const& events)
{
    auto& home = request.here().home();
    std::vector<broker::message_ptr> messages;
    messages.reserve(events.size());
    for (auto const& event : events) {
        broker::message_fields fields;
        fields.app = request.app().id;
        fields.payload = event.payload;
        fields.event = event.name;
        fields.level = broker::qos::at_least_once;
        fields.publisher = event.socket_id.empty() ? 0 : publisher_hash(event.socket_id);
        fields.published_at = home.wall();
        for (auto const channel : event.channels) {
            auto each = broker::message_fields{fields.app,   channel, fields.payload,   fields.event,
                                               fields.level, false,   fields.publisher, fields.published_at};
            messages.push_back(broker::message::make(std::move(each)));
            if (classify(channel).cache)
                request.api().channels().remember_cached(home, messages.back());
        }
    }
    return messages;
}

void publish_all(api_request_ptr const& request, std::vector<trigger> const& events, bool batch, unsigned status)
{
    auto const messages = messages_of(*request, events);
    request->here().metrics().events.add(messages.size());
    auto const info = asked_for(events, batch);
    request->here().publish(messages, [request, info, status](broker::error_code failed) {
        if (failed)
            request->refuse(503, "the event was not stored: " + failed.message(), 1);
        else if (info)
            answer_with_attributes(request, info);
        else
            request->succeed("{}", &api_metrics::triggers, status);
    });
}

}  // namespace

void post_event(api_request_ptr const& request)
{
    request->here().when_relieved([request] {
        auto const refused =
            read_trigger(request->app(), request->message().body, request->parameters,
                         [&](std::vector<trigger> const& events) { publish_all(request, events, false, 200); });
        if (refused)
            request->refuse(refused.status, refused.why);
    });
}

void post_batch(api_request_ptr const& request)
{
    request->here().when_relieved([request] {
        auto const refused =
            read_batch(request->app(), request->message().body,
                       [&](std::vector<trigger> const& events) { publish_all(request, events, true, 200); });
        if (refused)
            request->refuse(refused.status, refused.why);
    });
}

void post_event_deprecated(api_request_ptr const& request)
{
    request->here().when_relieved([request] {
        auto const& body = request->message().body;
        if (!broker::valid_utf8(body))
            return request->refuse(400, "the body must be UTF-8 text");
        std::vector<trigger> one(1);
        auto& event = one.front();
        event.name = request->parameters.value("name");
        event.payload = body;
        event.socket_id = request->parameters.value("socket_id");
        event.channels.push_back(request->message().capture("channel"));
        if (auto const refused = check_trigger(request->app(), event))
            return request->refuse(refused.status, refused.why);
        publish_all(request, one, false, 202);
    });
}

}  // namespace fulmar::pusher
