// Connections with durable sessions, and what they are told.
#pragma once

#include "frontends/pusher/home_sessions.hpp"
#include "frontends/pusher/session_token.hpp"
#include "tests/unit/frontends/pusher/pusher_fixture.hpp"

namespace fulmar::pusher::test {

inline constexpr char const* pong = R"({"event":"pusher:pong","data":{}})";

[[nodiscard]] inline std::string succeeded(std::string const& channel, std::string const& verdict)
{
    return channel_event_text("pusher_internal:subscription_succeeded", channel, "{" + verdict + "}");
}
[[nodiscard]] inline std::string recovered(std::string const& channel, int missed)
{
    return succeeded(channel, R"("recovered":true,"missed":)" + std::to_string(missed));
}
[[nodiscard]] inline std::string fresh(std::string const& channel)
{
    return succeeded(channel, R"("recovered":false,"reason":"new","missed":0)");
}
[[nodiscard]] inline std::string event_x(std::string const& channel, std::string const& payload)
{
    return channel_event_text("x", channel, payload);
}

inline void with_sessions(broker::app& app)
{
    app.sessions.enabled = true;
    app.sessions.signed_ids = false;
}

// Pings of the broker aside.
[[nodiscard]] inline std::vector<std::string> events_of(pusher_client& client)
{
    auto all = client.takes();
    std::erase(all, std::string{ping_event});
    return all;
}

class pusher_sessions : public testing::TestWithParam<std::size_t>
{
protected:
    pusher_sessions() : broker{GetParam(), with_sessions} {}

    [[nodiscard]] std::unique_ptr<pusher_client> connect(std::size_t shard, std::string const& session = "s1")
    {
        auto made = std::make_unique<pusher_client>(broker, pusher_client::how{.shard = shard, .session = session});
        (void)made->takes();
        return made;
    }
    void publish(std::string const& channel, std::string const& payload, std::uint64_t publisher = 0,
                 std::string const& event = "x")
    {
        broker::message_fields fields;
        fields.topic = channel;
        fields.event = event;
        fields.payload = payload;
        fields.level = broker::qos::at_least_once;
        fields.publisher = publisher;
        fields.published_at = broker.core.clock.wall();
        broker.core.publish(last, broker::message::make(std::move(fields)));
        broker.settle();
    }
    // On another shard, to a session with "c" and "private-d" that missed "1" in the one and "2" in the other.
    [[nodiscard]] std::unique_ptr<pusher_client> comes_back_to_two_channels()
    {
        auto client = connect(0);
        client->subscribes("c", {}, false);
        client->subscribes("private-d");
        client.reset();
        publish("c", "1");
        publish("private-d", "2");
        return connect(last);
    }
    // The client has had everything so far, and says so.
    void acknowledge(pusher_client& client)
    {
        broker.advance(std::chrono::milliseconds{600});
        client.says(pong);
        broker.advance(std::chrono::milliseconds{600});
    }
    [[nodiscard]] std::uint64_t total(broker::counter pusher_metrics::*which) { return broker.front->total(which); }

    pusher_broker broker;
    std::size_t const last = GetParam() - 1;
};

}  // namespace fulmar::pusher::test
