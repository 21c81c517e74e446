// Durable sessions: what a connection missed while it was away, in order, before what happens; on one shard and on several.
#include "tests/unit/frontends/pusher/session_fixture.hpp"

namespace fulmar::pusher::test {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

INSTANTIATE_TEST_SUITE_P(shards, pusher_sessions, testing::Values(1, 2, 5));

TEST_P(pusher_sessions, the_first_frame_is_still_connection_established)
{
    pusher_client const client{broker, {.session = "s1"}};
    ASSERT_EQ(client.received.size(), 1U);
    EXPECT_THAT(client.received[0], HasSubstr("pusher:connection_established"));
    EXPECT_EQ(total(&pusher_metrics::sessions), 1U);
}

TEST_P(pusher_sessions, what_was_missed_follows_the_subscription_in_order_and_comes_once)
{
    auto client = connect(0);
    client->subscribes("c", {}, false);
    EXPECT_THAT(events_of(*client), ElementsAre(fresh("c")));
    publish("c", "1");
    EXPECT_THAT(events_of(*client), ElementsAre(event_x("c", "1")));
    acknowledge(*client);
    client.reset();
    for (auto const* const text : {"2", "3"})
        publish("c", text);
    publish("d", "not wanted");
    client = connect(last);  // on another shard
    EXPECT_THAT(events_of(*client), IsEmpty());
    client->subscribes("c", {}, false);
    EXPECT_THAT(events_of(*client), ElementsAre(recovered("c", 2), event_x("c", "2"), event_x("c", "3")));
    publish("c", "4");
    EXPECT_THAT(events_of(*client), ElementsAre(event_x("c", "4")));
    EXPECT_EQ(total(&pusher_metrics::events_replayed), 2U);
    acknowledge(*client);
    client.reset();
    client = connect(0);
    client->subscribes("c", {}, false);
    EXPECT_THAT(events_of(*client), ElementsAre(recovered("c", 0)));
}

TEST_P(pusher_sessions, what_was_sent_and_not_acknowledged_is_sent_again)
{
    auto client = connect(0);
    client->subscribes("c", {}, false);
    publish("c", "1");
    broker.advance(600ms);
    EXPECT_THAT(client->takes(), Contains(std::string{ping_event}));
    client->says(R"({"event":"pusher:ping","data":{}})");  // not an answer
    publish("c", "2");
    client = connect(last);
    client->subscribes("c", {}, false);
    EXPECT_THAT(events_of(*client), ElementsAre(recovered("c", 2), event_x("c", "1"), event_x("c", "2")));
}

TEST_P(pusher_sessions, a_pong_acknowledges_what_came_before_its_ping_and_no_more)
{
    auto client = connect(0);
    client->subscribes("c", {}, false);
    publish("c", "1");
    broker.advance(600ms);
    publish("c", "2");
    client->says(pong);
    client->says(pong);  // one too many: it answers nothing
    client = connect(last);
    client->subscribes("c", {}, false);
    EXPECT_THAT(events_of(*client), ElementsAre(recovered("c", 1), event_x("c", "2")));
}

TEST_P(pusher_sessions, each_channel_waits_until_it_is_subscribed_again)
{
    auto client = comes_back_to_two_channels();
    client->subscribes("private-d");
    EXPECT_THAT(events_of(*client), ElementsAre(recovered("private-d", 1), event_x("private-d", "2")));
    publish("private-d", "3");
    acknowledge(*client);
    EXPECT_THAT(events_of(*client), ElementsAre(event_x("private-d", "3")));
    client->subscribes("c", {}, false);
    EXPECT_THAT(events_of(*client), ElementsAre(recovered("c", 1), event_x("c", "1")));
}

// The ping may be on its way while the library is still subscribing.
TEST_P(pusher_sessions, a_pong_says_nothing_of_a_channel_that_was_wished_for_after_its_ping)
{
    auto client = comes_back_to_two_channels();
    client->subscribes("c", {}, false);
    broker.advance(600ms);
    EXPECT_THAT(client->takes(), Contains(std::string{ping_event}));
    client->subscribes("private-d");
    client->says(pong);
    client = connect(last);  // cut off before it took what it missed of the second
    client->subscribes("private-d");
    EXPECT_THAT(events_of(*client), ElementsAre(recovered("private-d", 1), event_x("private-d", "2")));
    client->subscribes("c", {}, false);
    EXPECT_THAT(events_of(*client), ElementsAre(recovered("c", 0)));
}

TEST_P(pusher_sessions, permission_is_asked_for_anew)
{
    auto client = connect(0);
    client->subscribes("private-c");
    client.reset();
    publish("private-c", "1");
    client = connect(last);
    client->subscribes("private-c", {}, false);
    EXPECT_THAT(events_of(*client), Not(Contains(HasSubstr("\"data\":\"1\""))));
    client->subscribes("private-c");
    EXPECT_THAT(events_of(*client), ElementsAre(recovered("private-c", 1), event_x("private-c", "1")));
}

TEST_P(pusher_sessions, a_channel_that_is_not_asked_for_again_in_time_is_forgotten)
{
    auto client = connect(0);
    client->subscribes("c", {}, false);
    client.reset();
    client = connect(last);
    broker.advance(121s);
    publish("c", "1");
    (void)client->takes();
    client->subscribes("c", {}, false);
    EXPECT_THAT(events_of(*client), ElementsAre(fresh("c")));
}

TEST_P(pusher_sessions, unsubscribing_ends_the_channels_part_of_the_session)
{
    auto client = connect(0);
    client->subscribes("c", {}, false);
    client->unsubscribes("c");
    publish("c", "1");
    client->subscribes("c", {}, false);
    publish("c", "2");
    EXPECT_THAT(events_of(*client), ElementsAre(fresh("c"), fresh("c"), event_x("c", "2")));
}

TEST_P(pusher_sessions, a_newer_connection_takes_the_session_over_and_the_older_one_stays_away)
{
    auto older = connect(0);
    older->subscribes("c", {}, false);
    auto newer = connect(last);
    EXPECT_EQ(older->closed, 4009);
    publish("c", "1");
    newer->subscribes("c", {}, false);
    EXPECT_THAT(events_of(*newer), ElementsAre(recovered("c", 1), event_x("c", "1")));
    older.reset();
    publish("c", "2");
    EXPECT_THAT(events_of(*newer), ElementsAre(event_x("c", "2")));
    EXPECT_EQ(total(&pusher_metrics::sessions_taken_over), 1U);
    EXPECT_EQ(total(&pusher_metrics::sessions), 1U);
}

TEST_P(pusher_sessions, a_session_that_has_no_channel_yet_is_taken_over_too)
{
    auto older = connect(0);
    auto newer = connect(last);
    EXPECT_EQ(older->closed, 4009);
    newer->subscribes("c", {}, false);
    EXPECT_THAT(events_of(*newer), ElementsAre(fresh("c")));
    EXPECT_EQ(total(&pusher_metrics::sessions), 1U);
}

TEST_P(pusher_sessions, an_event_that_excludes_a_connection_is_for_none_of_its_session)
{
    auto client = connect(0);
    client->subscribes("c", {}, false);
    auto const mine = publisher_hash(client->socket_id);
    publish("c", "1", mine);
    publish("c", "2");
    EXPECT_THAT(events_of(*client), ElementsAre(fresh("c"), event_x("c", "2")));
    client.reset();
    publish("c", "3", mine);
    publish("c", "4", publisher_hash("77.88"));
    client = connect(last);
    client->subscribes("c", {}, false);
    publish("c", "5", mine);
    EXPECT_THAT(events_of(*client), ElementsAre(recovered("c", 2), event_x("c", "2"), event_x("c", "4")));
}

TEST_P(pusher_sessions, client_events_come_while_connected_and_are_not_replayed)
{
    auto client = connect(0);
    pusher_client sender{broker, last};
    client->subscribes("private-c");
    sender.subscribes("private-c");
    sender.says(R"({"event":"client-typing","channel":"private-c","data":"1"})");
    EXPECT_THAT(events_of(*client), ElementsAre(fresh("private-c"), HasSubstr("client-typing")));
    client.reset();
    sender.says(R"({"event":"client-typing","channel":"private-c","data":"2"})");
    publish("private-c", "3", 0, "client-from-mqtt");
    client = connect(last);
    client->subscribes("private-c");
    EXPECT_THAT(events_of(*client), ElementsAre(recovered("private-c", 0)));
}

TEST_P(pusher_sessions, a_presence_channel_greets_with_who_is_there_now)
{
    auto client = connect(0);
    client->subscribes("presence-c", R"({"user_id":"1"})");
    client.reset();
    publish("presence-c", "1");
    pusher_client other{broker, last};
    other.subscribes("presence-c", R"({"user_id":"2"})");
    client = connect(last);
    client->subscribes("presence-c", R"({"user_id":"1"})");
    auto const told = events_of(*client);
    ASSERT_EQ(told.size(), 2U);
    EXPECT_THAT(told[0], HasSubstr(R"("data":"{\"recovered\":true,\"missed\":1,\"presence\":{\"ids\":[\"1\",\"2\"],)"));
    EXPECT_EQ(told[1], event_x("presence-c", "1"));
    pusher_client third{broker, 0};
    third.subscribes("presence-c", R"({"user_id":"3"})");
    EXPECT_THAT(events_of(*client), ElementsAre(HasSubstr("member_added")));
    EXPECT_EQ(broker.state(0, "presence-c").user_count, 3U);
}

TEST_P(pusher_sessions, the_cached_event_is_not_sent_beside_what_was_missed)
{
    auto client = connect(0);
    client->subscribes("cache-c", {}, false);
    EXPECT_THAT(events_of(*client), ElementsAre(fresh("cache-c"), HasSubstr("cache_miss")));
    publish("cache-c", "1");
    acknowledge(*client);
    (void)client->takes();
    client.reset();
    client = connect(last);
    client->subscribes("cache-c", {}, false);
    EXPECT_THAT(events_of(*client), ElementsAre(recovered("cache-c", 0)));
    client.reset();
    publish("cache-c", "2");
    client = connect(0);
    client->subscribes("cache-c", {}, false);
    EXPECT_THAT(events_of(*client), ElementsAre(recovered("cache-c", 1), event_x("cache-c", "2")));
    pusher_client stranger{broker, last};
    stranger.subscribes("cache-c", {}, false);
    EXPECT_EQ(stranger.takes().back(), event_x("cache-c", "2"));
}

TEST_P(pusher_sessions, more_than_a_page_comes_whole_and_in_order_with_what_is_new_behind_it)
{
    auto client = connect(0);
    client->subscribes("c", {}, false);
    client.reset();
    for (int i = 0; i < 700; ++i)
        publish("c", std::to_string(i));
    client = connect(last);
    broker.core.store.hold_pages();
    client->subscribes("c", {}, false);
    publish("c", "700");
    broker.core.store.release_pages();
    broker.settle();
    publish("c", "701");
    auto const all = events_of(*client);
    ASSERT_EQ(all.size(), 703U);
    EXPECT_EQ(all[0], recovered("c", 701));
    for (int i = 0; i < 702; ++i)
        ASSERT_EQ(all[static_cast<std::size_t>(i) + 1], event_x("c", std::to_string(i)));
}

TEST_P(pusher_sessions, what_is_published_while_the_log_is_read_follows_once)
{
    auto client = connect(0);
    client->subscribes("c", {}, false);
    client.reset();
    publish("c", "1");
    client = connect(last);
    broker.core.store.hold_pages();
    client->subscribes("c", {}, false);
    publish("c", "2");
    broker.publish(0, "c", "x", "of no log");  // QoS 0: it waits for what was missed
    EXPECT_THAT(events_of(*client), IsEmpty());
    broker.core.store.release_pages();
    broker.settle();
    EXPECT_THAT(events_of(*client),
                ElementsAre(recovered("c", 1), event_x("c", "1"), event_x("c", "2"), event_x("c", "of no log")));
}

TEST_P(pusher_sessions, what_the_log_and_the_stream_both_give_comes_once)
{
    auto client = connect(0);
    client->subscribes("c", {}, false);
    client.reset();
    publish("c", "1");
    client = connect(last);
    broker.core.store.hold_reads();  // it will be answered with what is published meanwhile, too
    client->subscribes("c", {}, false);
    publish("c", "2");
    broker.core.store.release_reads();
    broker.settle();
    publish("c", "3");
    EXPECT_THAT(events_of(*client),
                ElementsAre(recovered("c", 2), event_x("c", "1"), event_x("c", "2"), event_x("c", "3")));
}

TEST_P(pusher_sessions, who_reads_slowly_gets_everything_later)
{
    auto client = connect(0);
    client->subscribes("c", {}, false);
    (void)client->takes();
    client->backlog = broker.core.shard(0).limit().outbox_bytes;
    publish("c", "1");
    publish("c", "2");
    EXPECT_THAT(events_of(*client), IsEmpty());
    client->drained();
    publish("c", "3");
    EXPECT_THAT(events_of(*client), ElementsAre(event_x("c", "1"), event_x("c", "2"), event_x("c", "3")));
}

TEST_P(pusher_sessions, a_gap_is_said_with_its_reason)
{
    auto client = connect(0);
    client->subscribes("c", {}, false);
    client.reset();
    for (auto const* const text : {"1", "2", "3"})
        publish("c", text);
    broker.core.store.trim_to(broker.core.store.last_committed() - 1);
    client = connect(last);
    client->subscribes("c", {}, false);
    EXPECT_THAT(events_of(*client),
                ElementsAre(succeeded("c", R"("recovered":false,"reason":"retention","missed":1)"), event_x("c", "3")));
    EXPECT_EQ(total(&pusher_metrics::session_gaps), 1U);
}

TEST_P(pusher_sessions, a_session_lasts_for_its_time_and_no_longer)
{
    auto client = connect(0);
    client->subscribes("c", {}, false);
    client.reset();
    EXPECT_EQ(total(&pusher_metrics::sessions), 1U);
    broker.advance(24h + 1s);
    EXPECT_EQ(total(&pusher_metrics::sessions), 0U);
    EXPECT_EQ(total(&pusher_metrics::sessions_expired), 1U);
    publish("c", "1");
    client = connect(last);
    client->subscribes("c", {}, false);
    EXPECT_THAT(events_of(*client), ElementsAre(fresh("c")));
}

TEST_P(pusher_sessions, nothing_is_left_of_a_session_without_channels)
{
    auto client = connect(0);
    client.reset();
    EXPECT_EQ(total(&pusher_metrics::sessions), 0U);
    client = connect(last);
    client->subscribes("c", {}, false);
    client->unsubscribes("c");
    client.reset();
    EXPECT_EQ(total(&pusher_metrics::sessions), 0U);
    auto const logged = broker.core.store.log().size();
    publish("c", "1");
    EXPECT_EQ(broker.core.store.log().size(), logged);
    for (std::size_t i = 0; i <= last; ++i)
        EXPECT_EQ(broker.front->channels().at(broker.core.shard(i)).channel_count(), 0U);
}

TEST_P(pusher_sessions, a_connection_without_a_session_is_sent_what_it_was_always_sent)
{
    pusher_client plain{broker, last};
    auto client = connect(0);
    plain.subscribes("c", {}, false);
    client->subscribes("c", {}, false);
    EXPECT_EQ(plain.takes().back(), succeeded("c", ""));
    publish("c", "1");
    EXPECT_THAT(plain.takes(), ElementsAre(event_x("c", "1")));
    EXPECT_EQ(broker.state(0, "c").subscription_count, 2U);
}

TEST(pusher_session_limits, a_session_over_the_limit_of_its_app_is_none_and_the_client_is_told)
{
    pusher_broker broker{2, [](broker::app& app) {
                             with_sessions(app);
                             app.sessions.sessions_max = 1;
                         }};
    pusher_client first{broker, {.session = "s1"}};
    pusher_client second{broker, {.shard = 1, .session = "s2"}};
    first.subscribes("c", {}, false);
    second.subscribes("c", {}, false);
    EXPECT_EQ(first.takes().back(), fresh("c"));
    EXPECT_EQ(second.takes().back(), succeeded("c", R"("recovered":false,"reason":"unavailable","missed":0)"));
    EXPECT_EQ(broker.front->total(&pusher_metrics::sessions_refused), 1U);
}

TEST(pusher_session_limits, more_events_than_a_session_may_have_are_a_gap)
{
    pusher_broker broker{1, [](broker::app& app) {
                             with_sessions(app);
                             app.sessions.messages_max = 2;
                         }};
    auto client = std::make_unique<pusher_client>(broker, pusher_client::how{.session = "s1"});
    client->subscribes("c", {}, false);
    client.reset();
    for (auto const* const text : {"1", "2", "3"})
        broker.core.publish(0, fulmar::test::core_broker::make("c", text, 1));
    client = std::make_unique<pusher_client>(broker, pusher_client::how{.session = "s1"});
    (void)client->takes();
    client->subscribes("c", {}, false);
    EXPECT_THAT(client->takes(),
                ElementsAre(succeeded("c", R"("recovered":false,"reason":"limit","missed":2)"),
                            channel_event_text("message", "c", "2"), channel_event_text("message", "c", "3")));
}

TEST(pusher_session_access, a_signature_is_required_unless_the_app_says_otherwise)
{
    pusher_broker broker{1, [](broker::app& app) { app.sessions.enabled = true; }};
    EXPECT_EQ((pusher_client{broker, {.session = "s1"}}.closed), 4009);
    EXPECT_EQ((pusher_client{broker, {.session = session_token("s2", "secret0") + "0"}}.closed), 4009);
    EXPECT_EQ((pusher_client{broker, {.session = "s1" + session_token("s2", "secret0").substr(2)}}.closed), 4009);
    EXPECT_EQ((pusher_client{broker, {.session = session_token("s1", "secret1")}}.closed), 4009);
    EXPECT_EQ((pusher_client{broker, {.session = session_token("a b", "secret0")}}.closed), 4009);
    EXPECT_FALSE((pusher_client{broker, {.session = session_token("s1", "secret0")}}.closed));
}

TEST(pusher_session_access, an_app_without_sessions_has_no_such_path)
{
    pusher_broker broker;
    EXPECT_EQ((pusher_client{broker, {.session = "s1"}}.closed), 4005);
}

TEST(pusher_session_access, a_cookie_names_the_session_for_pages_of_the_apps_own_sites)
{
    pusher_broker broker{1, [](broker::app& app) {
                             with_sessions(app);
                             app.allowed_origins = {"https://shop.example", "*"};
                         }};
    auto const sessions_with = [&](std::string const& origin, std::string const& cookie) {
        pusher_client const client{broker, {.origin = origin, .cookie = cookie}};
        EXPECT_FALSE(client.closed);
        return broker.front->total(&pusher_metrics::sessions);
    };
    EXPECT_EQ(sessions_with("https://shop.example", "a=b; fulmar_session=s1"), 1U);
    EXPECT_EQ(sessions_with("https://evil.example", "a=b; fulmar_session=s1"), 0U);
    EXPECT_EQ(sessions_with("https://shop.example", "not_fulmar_session=s1"), 0U);
    EXPECT_EQ(sessions_with("https://shop.example", "fulmar_session=s1.bad"), 0U);
}

TEST(pusher_session_token, is_the_id_with_the_hmac_of_its_text)
{
    EXPECT_EQ(session_token("device-1", "7ad3773142a6692b25b8"),
              "device-1." + sign("7ad3773142a6692b25b8", "session:device-1"));
    EXPECT_EQ(session_token("device-1", "7ad3773142a6692b25b8"),
              "device-1.33f3f01fb595bd216a8b40ae064cd8cf78ac285147ae3368fb19625c5429ec3d");
    EXPECT_TRUE(valid_session_id(std::string(64, 'a')));
    for (auto const& wrong : {std::string{}, std::string(65, 'a'), std::string{"a/b"}, std::string{"a.b"}})
        EXPECT_FALSE(valid_session_id(wrong)) << wrong;
}

}  // namespace
}  // namespace fulmar::pusher::test
