// The Pusher side of a broker over the real core, without sockets.
#pragma once

#include "broker/router.hpp"
#include "frontends/pusher/channel_shard.hpp"
#include "frontends/pusher/frontend.hpp"
#include "tests/support/core_broker.hpp"

#include <gtest/gtest.h>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace fulmar::pusher::test {

class pusher_client;

[[nodiscard]] inline broker::app make_app(std::uint32_t id, std::string const& key, std::string const& secret)
{
    broker::app app;
    app.id = broker::app_id{id};
    app.name = "app" + std::to_string(id);
    app.keys = {{key, secret}};
    app.client_events = true;
    return app;
}

class noted_events final : public channel_events
{
public:
    bool everything = true;
    std::vector<std::string> told;  // "member_added presence-x 1"

    [[nodiscard]] bool wanted(broker::app_id, broker::webhook_kind) const override { return everything; }
    void tell(broker::shard&, channel_event&& what) override
    {
        auto line = std::string{to_string(what.kind)} + " " + what.channel;
        for (auto const& part : {what.user_id, what.event, what.payload})
            if (!part.empty())
                line += " " + part;
        if (what.kind == broker::webhook_kind::subscription_count)
            line += " " + std::to_string(what.subscription_count);
        told.push_back(std::move(line));
    }
};

class pusher_broker
{
public:
    explicit pusher_broker(std::size_t shards = 1, std::function<void(broker::app&)> const& change = {})
        : core{shards}, app{make_app(0, "key0", "secret0")}
    {
        if (change)
            change(app);
        apps.replace(std::make_shared<broker::app_registry const>(std::vector{app, make_app(1, "key1", "secret1")}));
        front.emplace(core.shard(0).node(), apps, events);
    }
    ~pusher_broker() { core.settle(); }

    void settle();
    void advance(std::chrono::milliseconds by);  // both clocks; fires what is due, asks who is silent
    void publish(std::size_t shard, std::string_view channel, std::string_view event, std::string_view payload,
                 std::uint64_t publisher = 0)
    {
        broker::message_fields fields;
        fields.topic = channel;
        fields.event = event;
        fields.payload = payload;
        fields.publisher = publisher;
        auto const event_message = broker::message::make(std::move(fields));
        if (one_turn)
            return core.shard(shard).routes().publish({event_message, {}});
        core.publish(shard, event_message);
        settle();
    }
    [[nodiscard]] channel_state state(std::size_t asking, std::string const& channel)
    {
        std::optional<channel_state> found;
        front->channels().channel(core.shard(asking), app.id, channel, [&](channel_state s) { found = std::move(s); });
        settle();
        return found.value();
    }

    bool one_turn = false;  // what is done while this is set happens in one turn

    fulmar::test::core_broker core;
    broker::app app;
    broker::apps_in_force apps{std::make_shared<broker::app_registry const>(std::vector<broker::app>{})};
    noted_events events;
    std::optional<frontend> front;
    std::vector<pusher_client*> clients;
};

}  // namespace fulmar::pusher::test
