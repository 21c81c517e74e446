// Signed-in users: their own channel, their watchlist, the end that the application makes.
#include "tests/unit/frontends/pusher/pusher_fixture.hpp"

namespace fulmar::pusher::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

[[nodiscard]] std::string watched(std::string const& lists)
{
    return R"({"event":"pusher_internal:watchlist_events","data":{"events":[)" + lists + "]}}";
}

class pusher_signin : public testing::TestWithParam<std::size_t>
{
protected:
    pusher_broker broker{GetParam()};
    std::size_t const last = GetParam() - 1;
};
INSTANTIATE_TEST_SUITE_P(shards, pusher_signin, testing::Values(1, 2, 5));

TEST_P(pusher_signin, is_confirmed_with_the_data_that_was_signed)
{
    pusher_client client{broker, last};
    (void)client.takes();
    client.signs_in(R"({"id":"7", "user_info":{}})");
    EXPECT_THAT(
        client.takes(),
        ElementsAre(R"({"event":"pusher:signin_success","data":{"user_data":"{\"id\":\"7\", \"user_info\":{}}"}})"));
}

TEST_P(pusher_signin, a_wrong_signature_or_another_user_is_refused_and_the_connection_stays)
{
    pusher_client client{broker, last};
    (void)client.takes();
    client.says(R"({"event":"pusher:signin","data":{"auth":"key0:abc","user_data":"{\"id\":\"7\"}"}})");
    EXPECT_THAT(client.takes(), ElementsAre(HasSubstr("\"code\":4009")));
    for (auto const* const wrong : {"{}", R"({"id":7})", R"({"id":"a b"})", R"({"id":"1","watchlist":{}})", "x"}) {
        client.signs_in(wrong);
        EXPECT_THAT(client.takes(), ElementsAre(HasSubstr("\"code\":4009"))) << wrong;
    }
    client.signs_in(R"({"id":"7"})");
    client.signs_in(R"({"id":"7"})");
    (void)client.takes();
    client.signs_in(R"({"id":"8"})");
    EXPECT_THAT(client.takes(), ElementsAre(HasSubstr("signed in as another user")));
    EXPECT_FALSE(client.closed);
}

TEST_P(pusher_signin, opens_the_users_own_channel_and_nobody_elses)
{
    pusher_client client{broker, last};
    (void)client.takes();
    client.subscribes("#server-to-user-7", {}, false);
    EXPECT_THAT(client.takes(), ElementsAre(HasSubstr("pusher:error"), HasSubstr("\"status\":401")));
    client.signs_in(R"({"id":"7"})");
    (void)client.takes();
    client.subscribes("#server-to-user-8", {}, false);
    EXPECT_THAT(client.takes(), ElementsAre(HasSubstr("pusher:error"), HasSubstr("\"status\":401")));
    client.subscribes("#server-to-user-7", {}, false);
    EXPECT_THAT(client.takes(), ElementsAre(HasSubstr("subscription_succeeded")));
    broker.publish(0, "#server-to-user-7", "x", "for you");
    EXPECT_THAT(client.takes(), ElementsAre(R"({"event":"x","channel":"#server-to-user-7","data":"for you"})"));
}

TEST_P(pusher_signin, the_watchlist_is_told_at_once_and_then_its_changes)
{
    pusher_client online{broker, 0};
    online.signs_in(R"({"id":"a"})");
    pusher_client watcher{broker, last};
    (void)watcher.takes();
    watcher.signs_in(R"({"id":"w","watchlist":["a","b","c"]})");
    auto const told = watcher.takes();
    ASSERT_EQ(told.size(), 2U);
    EXPECT_THAT(told[1], HasSubstr(R"({"name":"online","user_ids":["a"]},{"name":"offline","user_ids":[)"));
    {
        pusher_client first{broker, last};
        first.signs_in(R"({"id":"b"})");
        EXPECT_THAT(watcher.takes(), ElementsAre(watched(R"({"name":"online","user_ids":["b"]})")));
        pusher_client second{broker, 0};
        second.signs_in(R"({"id":"b"})");
        first.lose();
        EXPECT_THAT(watcher.takes(), IsEmpty());
    }
    EXPECT_THAT(watcher.takes(), ElementsAre(watched(R"({"name":"offline","user_ids":["b"]})")));
    online.lose();
    EXPECT_THAT(watcher.takes(), ElementsAre(watched(R"({"name":"offline","user_ids":["a"]})")));
    watcher.lose();
    for (std::size_t i = 0; i <= last; ++i)
        EXPECT_EQ(broker.front->channels().at(broker.core.shard(i)).users().size(), 0U);
}

TEST_P(pusher_signin, a_watchlist_that_is_too_long_is_cut_and_said_with_4302)
{
    pusher_broker small{GetParam(), [](broker::app& app) { app.limits.watchlist = 1; }};
    pusher_client watcher{small, last};
    (void)watcher.takes();
    watcher.signs_in(R"({"id":"w","watchlist":["a","b"]})");
    EXPECT_THAT(watcher.takes(), ElementsAre(HasSubstr("signin_success"), HasSubstr("\"code\":4302"),
                                             watched(R"({"name":"offline","user_ids":["a"]})")));
}

TEST_P(pusher_signin, terminating_a_user_closes_all_his_connections_and_only_them)
{
    pusher_client first{broker, 0};
    pusher_client second{broker, last};
    pusher_client other{broker, 0};
    pusher_client anonymous{broker, 0};
    first.signs_in(R"({"id":"7"})");
    second.signs_in(R"({"id":"7"})");
    other.signs_in(R"({"id":"8"})");
    broker.front->channels().terminate_user(broker.core.shard(last), broker.app.id, "7");
    broker.settle();
    EXPECT_EQ(first.closed, 4009);
    EXPECT_EQ(second.closed, 4009);
    EXPECT_FALSE(other.closed);
    EXPECT_FALSE(anonymous.closed);
    EXPECT_EQ(broker.front->total(&pusher_metrics::terminated), 2U);
}

TEST(pusher_signin_rules, an_app_may_let_terminated_connections_come_back)
{
    pusher_broker broker{1, [](broker::app& app) { app.terminate = broker::termination::reconnect; }};
    pusher_client client{broker};
    client.signs_in(R"({"id":"7"})");
    broker.front->channels().terminate_user(broker.core.shard(0), broker.app.id, "7");
    broker.settle();
    EXPECT_EQ(client.closed, 4200);
}

}  // namespace
}  // namespace fulmar::pusher::test
