// Channels: who gets in, what is delivered to whom, counts and occupancy, on one shard and on several.
#include "tests/unit/frontends/pusher/pusher_fixture.hpp"

namespace fulmar::pusher::test {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

[[nodiscard]] std::string succeeded(std::string const& channel)
{
    return R"({"event":"pusher_internal:subscription_succeeded","channel":")" + channel + R"(","data":"{}"})";
}
[[nodiscard]] std::string event_x(std::string const& channel, std::string const& payload)
{
    return R"({"event":"x","channel":")" + channel + R"(","data":")" + payload + R"("})";
}
[[nodiscard]] std::string count_event(std::string const& channel, int count)
{
    return R"({"event":"pusher_internal:subscription_count","channel":")" + channel +
           R"(","data":"{\"subscription_count\":)" + std::to_string(count) + R"(}"})";
}

class pusher_shards : public testing::TestWithParam<std::size_t>
{
protected:
    pusher_broker broker{GetParam()};
    std::size_t const last = GetParam() - 1;
};
INSTANTIATE_TEST_SUITE_P(shards, pusher_shards, testing::Values(1, 2, 5));

TEST_P(pusher_shards, every_subscriber_gets_every_event_in_order_and_nobody_else_does)
{
    pusher_client first{broker, 0};
    pusher_client second{broker, last};
    pusher_client other_app{broker, {.key = "key1"}};
    for (auto* const client : {&first, &second, &other_app}) {
        client->subscribes("c", {}, false);
        EXPECT_EQ(client->takes().back(), succeeded("c"));
    }
    for (std::size_t from : {std::size_t{0}, last})
        for (auto const* const text : {"1", "2"})
            broker.publish(from, "c", "x", text);
    broker.publish(0, "d", "x", "not wanted");
    auto const all = ElementsAre(event_x("c", "1"), event_x("c", "2"), event_x("c", "1"), event_x("c", "2"));
    EXPECT_THAT(first.takes(), all);
    EXPECT_THAT(second.takes(), all);
    EXPECT_THAT(other_app.takes(), IsEmpty());
}

TEST_P(pusher_shards, the_socket_that_an_event_excludes_does_not_get_it)
{
    pusher_client sender{broker, last};
    pusher_client neighbour{broker, last};
    pusher_client distant{broker, 0};
    for (auto* const client : {&sender, &neighbour, &distant}) {
        client->subscribes("c", {}, false);
        (void)client->takes();
    }
    auto const excluded = publisher_hash(sender.socket_id);
    auto& routes = broker.core.shard(0).routes();
    for (auto const& [text, publisher] : std::vector<std::pair<std::string, std::uint64_t>>{
             {"1", 0}, {"2", excluded}, {"3", excluded}, {"4", 0}, {"5", publisher_hash("123.456")}}) {
        broker::message_fields fields;
        fields.topic = "c";
        fields.event = "x";
        fields.payload = text;
        fields.publisher = publisher;
        routes.publish({broker::message::make(std::move(fields)), {}, 0, {}, 0});  // all in one turn
    }
    broker.settle();
    EXPECT_THAT(sender.takes(), ElementsAre(event_x("c", "1"), event_x("c", "4"), event_x("c", "5")));
    auto const all =
        ElementsAre(event_x("c", "1"), event_x("c", "2"), event_x("c", "3"), event_x("c", "4"), event_x("c", "5"));
    EXPECT_THAT(neighbour.takes(), all);
    EXPECT_THAT(distant.takes(), all);
}

TEST_P(pusher_shards, channels_are_occupied_and_vacated_once_for_the_whole_node)
{
    {
        pusher_client first{broker, 0};
        pusher_client second{broker, last};
        first.subscribes("c", {}, false);
        second.subscribes("c", {}, false);
        EXPECT_EQ(broker.state(last, "c").subscription_count, 2U);
        first.unsubscribes("c");
        EXPECT_EQ(broker.state(0, "c").subscription_count, 1U);
        EXPECT_THAT(broker.events.told, ElementsAre("channel_occupied c"));
    }
    EXPECT_FALSE(broker.state(0, "c").occupied());
    EXPECT_THAT(broker.events.told, ElementsAre("channel_occupied c", "channel_vacated c"));
    for (std::size_t i = 0; i <= last; ++i) {
        EXPECT_EQ(broker.front->channels().at(broker.core.shard(i)).channel_count(), 0U);
        EXPECT_EQ(broker.front->channels().at(broker.core.shard(i)).channels().size(), 0U);
    }
}

TEST_P(pusher_shards, occupied_channels_are_listed_by_prefix_and_app)
{
    pusher_client first{broker, 0};
    pusher_client second{broker, last};
    pusher_client other_app{broker, {.key = "key1"}};
    first.subscribes("a-2", {}, false);
    first.subscribes("b-1", {}, false);
    second.subscribes("a-1", {}, false);
    other_app.subscribes("a-3", {}, false);
    std::vector<std::string> names;
    broker.front->channels().channels(broker.core.shard(last), broker.app.id, "a-",
                                      [&](std::vector<channel_state> all) {
                                          for (auto const& one : all)
                                              names.push_back(one.name);
                                      });
    broker.settle();
    EXPECT_THAT(names, ElementsAre("a-1", "a-2"));
}

TEST_P(pusher_shards, counts_are_told_to_all_subscribers_when_the_app_wants_them)
{
    pusher_broker counting{GetParam(), [](broker::app& app) { app.subscription_counts = true; }};
    pusher_client first{counting, 0};
    first.subscribes("c", {}, false);
    EXPECT_THAT(first.takes(), testing::IsSupersetOf({succeeded("c"), count_event("c", 1)}));
    {
        pusher_client second{counting, last};
        second.subscribes("c", {}, false);
        EXPECT_THAT(second.takes(), testing::IsSupersetOf({succeeded("c"), count_event("c", 2)}));
        EXPECT_THAT(first.takes(), ElementsAre(count_event("c", 2)));
    }
    EXPECT_THAT(first.takes(), ElementsAre(count_event("c", 1)));
    EXPECT_THAT(counting.events.told, Contains("subscription_count c 2"));
    first.subscribes("presence-c", R"({"user_id":"1"})");
    EXPECT_THAT(first.takes(), Not(Contains(HasSubstr("subscription_count"))));
}

TEST(pusher_subscribe, above_100_connections_counts_are_told_every_five_seconds)
{
    pusher_broker broker{1, [](broker::app& app) { app.subscription_counts = true; }};
    std::vector<std::unique_ptr<pusher_client>> clients;
    auto const add = [&] {
        clients.push_back(std::make_unique<pusher_client>(broker));
        clients.back()->subscribes("c", {}, false);
    };
    for (int i = 0; i < 101; ++i)
        add();
    (void)clients[0]->takes();
    add();
    add();
    EXPECT_THAT(clients[0]->takes(), IsEmpty());
    broker.advance(4s);
    EXPECT_THAT(clients[0]->takes(), IsEmpty());
    broker.advance(2s);
    EXPECT_THAT(clients[0]->takes(), ElementsAre(count_event("c", 103)));
    broker.advance(6s);
    EXPECT_THAT(clients[0]->takes(), IsEmpty());
}

TEST(pusher_subscribe, private_channels_need_a_signature)
{
    pusher_broker broker;
    pusher_client client{broker};
    for (std::string const channel : {"private-a", "private-encrypted-a", "private-b"}) {
        (void)client.takes();
        client.subscribes(channel);
        EXPECT_THAT(client.takes(), ElementsAre(succeeded(channel)));
    }
}

TEST(pusher_subscribe, channel_data_is_part_of_what_is_signed_on_any_private_channel)
{
    pusher_broker broker;
    pusher_client client{broker};
    (void)client.takes();
    client.subscribes("private-a", R"({"user_id": 7})");
    EXPECT_THAT(client.takes(), ElementsAre(succeeded("private-a")));
    auto const without = sign("secret0", subscription_text(client.socket_id, "private-b", {}));
    client.says(R"({"event":"pusher:subscribe","data":{"auth":"key0:)" + without +
                R"(","channel_data":"{}","channel":"private-b"}})");
    EXPECT_THAT(client.takes(), ElementsAre(HasSubstr("Invalid signature"), HasSubstr("pusher:subscription_error")));
}

TEST(pusher_subscribe, the_channel_that_is_checked_is_the_one_that_is_joined)
{
    pusher_broker broker;
    pusher_client client{broker};
    for (auto const* const text :
         {R"({"event":"pusher:subscribe","data":{"channel":"open","channel":"private-a","auth":""}})",
          R"({"event":"pusher:subscribe","data":{"channel":"private-a","channel":"open","auth":""}})",
          R"({"event":"pusher:subscribe","data":{"channel":"open"},"data":{"channel":"private-a"}})",
          R"({"event":"pusher:subscribe","data":{"channel":"\u0070rivate-a"}})",
          R"({"event":"pusher:subscribe","data":{"channel":"PRIVATE-a "}})"})
        client.says(text);
    EXPECT_FALSE(broker.state(0, "private-a").occupied());
}

TEST(pusher_subscribe, a_wrong_signature_is_refused_in_the_words_of_the_hosted_service)
{
    pusher_broker broker;
    pusher_client client{broker};
    (void)client.takes();
    client.says(R"({"event":"pusher:subscribe","data":{"auth":"key0:abc","channel":"private-x"}})");
    EXPECT_THAT(
        client.takes(),
        ElementsAre(
            R"({"event":"pusher:error","data":{"message":"Invalid signature: Expected HMAC SHA256 hex digest of )" +
                client.socket_id + R"(:private-x, but got abc","code":4009}})",
            R"({"event":"pusher:subscription_error","channel":"private-x","data":{"type":"AuthError","error":"Invalid signature: Expected HMAC SHA256 hex digest of )" +
                client.socket_id + R"(:private-x, but got abc","status":401}})"));
    client.says(R"({"event":"pusher:subscribe","data":{"auth":"other:abc","channel":"private-x"}})");
    EXPECT_THAT(client.takes()[0], HasSubstr("Invalid key in subscription auth data: 'other'"));
    client.says(R"({"event":"pusher:subscribe","data":{"channel":"private-x"}})");
    EXPECT_THAT(client.takes()[0], HasSubstr("should be of format"));
    EXPECT_FALSE(client.closed);
    EXPECT_EQ(broker.front->total(&pusher_metrics::subscriptions_refused), 3U);
    EXPECT_THAT(broker.events.told, IsEmpty());
}

TEST(pusher_subscribe, a_signature_for_another_socket_or_of_another_app_is_refused)
{
    pusher_broker broker;
    pusher_client client{broker};
    auto const says = [&](std::string const& auth) {
        (void)client.takes();
        client.says(R"({"event":"pusher:subscribe","data":{"auth":")" + auth + R"(","channel":"private-x"}})");
        return client.takes()[0];
    };
    EXPECT_THAT(says("key0:" + sign("secret0", "1.1:private-x")), HasSubstr("Invalid signature"));
    EXPECT_THAT(says("key1:" + sign("secret1", client.socket_id + ":private-x")), HasSubstr("Invalid key"));
}

TEST(pusher_subscribe, bad_names_and_too_many_subscriptions_are_refused)
{
    pusher_broker broker{1, [](broker::app& app) { app.limits.subscriptions_per_connection = 2; }};
    pusher_client client{broker};
    for (auto const& wrong : {std::string{}, std::string{"a b"}, std::string{"a/b"}, std::string{"+"}, std::string{"#"},
                              std::string(201, 'a')}) {
        (void)client.takes();
        client.subscribes(wrong);
        EXPECT_THAT(client.takes(), ElementsAre(HasSubstr("Invalid channel name"), HasSubstr("\"status\":400")))
            << wrong;
    }
    client.subscribes("a");
    client.subscribes("b");
    (void)client.takes();
    client.subscribes("c");
    EXPECT_THAT(client.takes(), ElementsAre(HasSubstr("as many subscriptions"), HasSubstr("LimitReached")));
}

TEST(pusher_subscribe, a_second_subscription_and_an_unknown_unsubscription_are_errors_only)
{
    pusher_broker broker;
    pusher_client client{broker};
    client.subscribes("c", {}, false);
    (void)client.takes();
    client.subscribes("c", {}, false);
    EXPECT_THAT(
        client.takes(),
        ElementsAre(R"({"event":"pusher:error","data":{"message":"Existing subscription to channel c","code":null}})"));
    client.unsubscribes("d");
    EXPECT_THAT(client.takes(),
                ElementsAre(HasSubstr("No current subscription to channel d, or subscription in progress")));
    EXPECT_EQ(broker.state(0, "c").subscription_count, 1U);
}

TEST(pusher_subscribe, nothing_comes_after_unsubscribing)
{
    pusher_broker broker;
    pusher_client first{broker};
    pusher_client second{broker};
    pusher_client third{broker};
    for (auto* const client : {&first, &second, &third})
        client->subscribes("c", {}, false);
    first.unsubscribes("c");  // the last one moves to its place
    third.unsubscribes("c");
    for (auto* const client : {&first, &second, &third})
        (void)client->takes();
    broker.publish(0, "c", "x", "1");
    EXPECT_THAT(first.takes(), IsEmpty());
    EXPECT_THAT(second.takes(), ElementsAre(event_x("c", "1")));
    EXPECT_THAT(third.takes(), IsEmpty());
}

TEST(pusher_subscribe, whoever_is_closed_in_a_turn_gets_nothing_of_its_rest)
{
    pusher_broker broker;
    pusher_client first{broker};
    pusher_client second{broker};
    first.subscribes("c", {}, false);
    second.subscribes("c", {}, false);
    first.lose();
    (void)second.takes();
    broker.publish(0, "c", "x", "1");
    EXPECT_THAT(second.takes(), ElementsAre(event_x("c", "1")));
}

TEST(pusher_subscribe, who_comes_or_leaves_within_a_turn_gets_what_was_published_while_it_was_there)
{
    pusher_broker broker;
    pusher_client there{broker};
    pusher_client comes{broker};
    pusher_client leaves{broker};
    there.subscribes("c", {}, false);
    leaves.subscribes("c", {}, false);
    for (auto* const client : {&there, &comes, &leaves})
        (void)client->takes();
    broker.one_turn = true;
    broker.publish(0, "c", "x", "1");
    comes.subscribes("c", {}, false);
    broker.publish(0, "c", "x", "2");
    leaves.unsubscribes("c");
    broker.publish(0, "c", "x", "3");
    broker.one_turn = false;
    broker.settle();
    EXPECT_THAT(there.takes(), ElementsAre(event_x("c", "1"), event_x("c", "2"), event_x("c", "3")));
    EXPECT_THAT(comes.takes(), ElementsAre(succeeded("c"), event_x("c", "2"), event_x("c", "3")));
    EXPECT_THAT(leaves.takes(), ElementsAre(event_x("c", "1"), event_x("c", "2")));
}

TEST(pusher_subscribe, who_comes_within_a_turn_that_excludes_it_gets_the_others_events)
{
    pusher_broker broker;
    pusher_client there{broker};
    pusher_client comes{broker};
    there.subscribes("c", {}, false);
    (void)there.takes();
    (void)comes.takes();
    broker.one_turn = true;
    broker.publish(0, "c", "x", "1", publisher_hash(comes.socket_id));
    comes.subscribes("c", {}, false);
    broker.publish(0, "c", "x", "2", publisher_hash(comes.socket_id));
    broker.publish(0, "c", "x", "3");
    broker.one_turn = false;
    broker.settle();
    EXPECT_THAT(there.takes(), ElementsAre(event_x("c", "1"), event_x("c", "2"), event_x("c", "3")));
    EXPECT_THAT(comes.takes(), ElementsAre(succeeded("c"), event_x("c", "3")));
}

TEST(pusher_subscribe, runs_of_frames_are_used_again)
{
    pusher_broker broker;
    pusher_client client{broker};
    client.subscribes("c", {}, false);
    (void)client.takes();
    for (int i = 0; i < 50; ++i)
        broker.publish(0, "c", "x", std::to_string(i));
    auto const all = client.takes();
    ASSERT_EQ(all.size(), 50U);
    EXPECT_EQ(all[49], event_x("c", "49"));
}

}  // namespace
}  // namespace fulmar::pusher::test
