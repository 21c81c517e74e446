// Opening, closing, pings and time: every close code and what leads to it.
#include "tests/unit/frontends/pusher/pusher_fixture.hpp"

namespace fulmar::pusher::test {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;

constexpr auto ping = R"({"event":"pusher:ping","data":{}})";
constexpr auto pong = R"({"event":"pusher:pong","data":{}})";

TEST(pusher_connection, is_established_before_anything_else)
{
    pusher_broker broker;
    pusher_client const client{broker};
    EXPECT_THAT(client.received, ElementsAre(R"({"event":"pusher:connection_established","data":"{\"socket_id\":\")" +
                                             client.socket_id + R"(\",\"activity_timeout\":120}"})"));
    EXPECT_THAT(client.socket_id, MatchesRegex("[0-9]+\\.[0-9]+"));
    EXPECT_EQ(broker.front->total(&pusher_metrics::connections), 1U);
}

TEST(pusher_connection, protocols_5_6_and_7_and_none_are_spoken)
{
    pusher_broker broker;
    for (auto const* const query : {"protocol=5", "protocol=6", "a=b&protocol=7", "", "client=js&version=8.4.0-rc2"})
        EXPECT_FALSE((pusher_client{broker, {.query = query}}.closed)) << query;
}

TEST(pusher_connection, an_unsupported_protocol_is_4007)
{
    pusher_broker broker;
    for (auto const* const query : {"protocol=4", "protocol=8", "protocol=x", "protocol=7x"})
        EXPECT_EQ((pusher_client{broker, {.query = query}}.closed), 4007) << query;
}

TEST(pusher_connection, a_malformed_client_version_is_4006)
{
    pusher_broker broker;
    EXPECT_EQ((pusher_client{broker, {.query = "protocol=7&version=abc"}}.closed), 4006);
    EXPECT_EQ((pusher_client{broker, {.query = "protocol=7&version=1%200"}}.closed), 4006);
}

TEST(pusher_connection, an_unknown_app_is_4001_and_a_disabled_one_4003)
{
    pusher_broker broker{1, [](broker::app& app) { app.enabled = false; }};
    EXPECT_EQ((pusher_client{broker, {.key = "nobody"}}.closed), 4001);
    EXPECT_EQ((pusher_client{broker, {.key = "key0"}}.closed), 4003);
    EXPECT_FALSE((pusher_client{broker, {.key = "key1"}}.closed));
    EXPECT_EQ(broker.front->total(&pusher_metrics::connections_refused), 2U);
}

TEST(pusher_connection, an_unknown_path_is_4005)
{
    pusher_broker broker;
    EXPECT_EQ((pusher_client{broker, {.rest = "more"}}.closed), 4005);
    EXPECT_EQ((pusher_client{broker, {.key = ""}}.closed), 4005);
    EXPECT_EQ((pusher_client{broker, {.session = "s1"}}.closed), 4005);
}

TEST(pusher_connection, over_the_quota_is_4004_and_a_place_is_free_again_after_a_close)
{
    pusher_broker broker{2, [](broker::app& app) { app.limits.connections_max = 2; }};
    pusher_client const first{broker, 0};
    {
        pusher_client const second{broker, 1};
        EXPECT_EQ((pusher_client{broker, {.shard = 1}}.closed), 4004);
        EXPECT_FALSE((pusher_client{broker, {.key = "key1"}}.closed));  // another app has its own
    }
    EXPECT_FALSE((pusher_client{broker, {.shard = 0}}.closed));
}

TEST(pusher_connection, while_the_node_drains_new_connections_get_4100)
{
    pusher_broker broker;
    broker.core.shard(0).node().draining = true;
    EXPECT_EQ(pusher_client{broker}.closed, 4100);
}

TEST(pusher_connection, a_page_of_another_origin_is_4009)
{
    pusher_broker broker{1, [](broker::app& app) { app.allowed_origins = {"https://good.example"}; }};
    EXPECT_EQ((pusher_client{broker, {.origin = "https://bad.example"}}.closed), 4009);
    EXPECT_FALSE((pusher_client{broker, {.origin = "https://good.example"}}.closed));
    EXPECT_FALSE(pusher_client{broker}.closed);  // no browser
}

TEST(pusher_connection, an_origin_is_compared_as_a_whole)
{
    pusher_broker broker{1, [](broker::app& app) { app.allowed_origins = {"https://good.com"}; }};
    for (auto const* const origin :
         {"null", "https://evil-good.com", "https://good.com.evil.com", "http://good.com", "https://good.com:444",
          "https://GOOD.com", "https://good.com/", "https://good.com, https://evil.com", "good.com"})
        EXPECT_EQ((pusher_client{broker, {.origin = origin}}.closed), 4009) << origin;
}

TEST(pusher_connection, before_protocol_6_an_error_event_precedes_the_close)
{
    pusher_broker broker;
    pusher_client const old{broker, {.key = "nobody", .query = "protocol=5"}};
    EXPECT_THAT(
        old.received,
        ElementsAre(
            R"({"event":"pusher:error","data":{"message":"Could not find an app with this key","code":4001}})"));
    EXPECT_EQ(old.closed, 4001);
    pusher_client const newer{broker, {.key = "nobody", .query = "protocol=6"}};
    EXPECT_THAT(newer.received, IsEmpty());
}

TEST(pusher_connection, a_ping_is_answered)
{
    pusher_broker broker;
    pusher_client client{broker};
    (void)client.takes();
    client.says(R"({"event":"pusher:ping","data":{}})");
    EXPECT_THAT(client.takes(), ElementsAre(pong));
}

TEST(pusher_connection, a_silent_client_is_asked_and_then_closed_with_4201)
{
    pusher_broker broker;
    pusher_client client{broker};
    (void)client.takes();
    broker.advance(119s);
    EXPECT_THAT(client.takes(), IsEmpty());
    broker.advance(1s);
    EXPECT_THAT(client.takes(), ElementsAre(ping));
    broker.advance(29s);
    EXPECT_FALSE(client.closed);
    broker.advance(1s);
    EXPECT_EQ(client.closed, 4201);
    EXPECT_EQ(broker.front->total(&pusher_metrics::connections), 0U);
}

TEST(pusher_connection, anything_that_a_client_says_keeps_it_alive)
{
    pusher_broker broker;
    pusher_client client{broker};
    broker.advance(100s);
    client.says(R"({"event":"pusher:pong","data":{}})");
    (void)client.takes();
    broker.advance(100s);
    EXPECT_THAT(client.takes(), IsEmpty());
    broker.advance(20s);
    EXPECT_THAT(client.takes(), ElementsAre(ping));
    client.says(R"({"event":"pusher:pong"})");
    broker.advance(119s);
    EXPECT_THAT(client.takes(), IsEmpty());
    EXPECT_FALSE(client.closed);
}

TEST(pusher_connection, libraries_that_do_not_answer_pings_are_not_closed_for_that)
{
    pusher_broker broker;
    for (auto const* const query :
         {"client=java-client&protocol=5&version=2.4.4", "protocol=5&client=pusher-dotnet-client&version=2.2.1"}) {
        pusher_client client{broker, {.query = query}};
        (void)client.takes();
        for (int i = 0; i < 3; ++i) {
            broker.advance(120s);
            EXPECT_THAT(client.takes(), ElementsAre(ping));
            broker.advance(30s);
        }
        EXPECT_FALSE(client.closed);
        client.says(R"({"event":"pusher:pong"})");  // this one does: from now on it is expected to
        broker.advance(120s);
        broker.advance(30s);
        EXPECT_EQ(client.closed, 4201);
    }
}

TEST(pusher_connection, what_is_not_understood_is_an_error_and_the_connection_stays)
{
    pusher_broker broker;
    pusher_client client{broker};
    (void)client.takes();
    client.says("nonsense");
    client.says(R"({"event":"pusher:unheard_of","data":{}})");
    client.says(R"({"event":"my-client-event","data":{},"channel":"private-x"})");
    client.says_binary();
    EXPECT_EQ(client.received.size(), 4U);
    for (auto const& text : client.received)
        EXPECT_THAT(text, MatchesRegex(R"(\{"event":"pusher:error","data":\{"message":"[^"]+","code":null\}\})"));
    EXPECT_FALSE(client.closed);
}

TEST(pusher_connection, nested_json_is_refused_and_harms_nobody)
{
    pusher_broker broker;
    pusher_client client{broker};
    client.says(R"({"event":"client-x","channel":"private-x","data":)" + std::string(50'000, '['));
    EXPECT_THAT(client.received.back(), HasSubstr("32 levels"));
}

TEST(pusher_connection, draining_closes_everybody_with_4200_within_the_window)
{
    pusher_broker broker;
    std::vector<std::unique_ptr<pusher_client>> clients;
    for (int i = 0; i < 200; ++i)
        clients.push_back(std::make_unique<pusher_client>(broker));
    broker.front->drain(broker.core.shard(0), 10s);
    auto const closed = [&] {
        return std::count_if(clients.begin(), clients.end(), [](auto const& c) { return c->closed == 4200; });
    };
    EXPECT_EQ(closed(), 0);
    broker.advance(5s);
    EXPECT_GT(closed(), 50);  // one in 10^12 runs has fewer, or more than 150
    EXPECT_LT(closed(), 150);
    broker.advance(5s);
    EXPECT_EQ(closed(), 200);
}

TEST(pusher_connection, unauthorized_connections_are_closed_with_4009_in_time)
{
    auto const strict = [](broker::app& app) { app.authorized_connections = true; };
    pusher_broker broker{1, strict};
    pusher_client public_only{broker};
    pusher_client in_private{broker};
    pusher_client in_presence{broker};
    pusher_client signed_in{broker};
    public_only.subscribes("c");
    in_private.subscribes("private-c");
    in_presence.subscribes("presence-c", R"({"user_id":"1"})");
    signed_in.signs_in(R"({"id":"1"})");
    broker.advance(29s);
    EXPECT_FALSE(public_only.closed);
    broker.advance(1s);
    EXPECT_EQ(public_only.closed, 4009);
    EXPECT_FALSE(in_private.closed);
    EXPECT_FALSE(in_presence.closed);
    EXPECT_FALSE(signed_in.closed);
}

TEST(pusher_connection, an_app_that_is_taken_away_ends_the_connection_at_its_next_wish)
{
    pusher_broker broker;
    pusher_client client{broker};
    broker.apps.replace(std::make_shared<broker::app_registry const>(std::vector<broker::app>{}));
    client.subscribes("c");
    EXPECT_EQ(client.closed, 4001);
}

TEST(pusher_connection, a_key_that_is_replaced_leaves_connections_alone)
{
    pusher_broker broker;
    pusher_client client{broker};
    auto changed = make_app(0, "key9", "secret9");
    changed.keys.push_back({"key0", "secret0"});
    broker.apps.replace(std::make_shared<broker::app_registry const>(std::vector{changed}));
    (void)client.takes();
    client.subscribes("private-c");
    EXPECT_THAT(client.takes(), ElementsAre(HasSubstr("subscription_succeeded")));
}

}  // namespace
}  // namespace fulmar::pusher::test
