// Presence channels, cache channels, client events: the rules that concern other members.
#include "broker/history_rules.hpp"
#include "tests/unit/frontends/pusher/pusher_fixture.hpp"

namespace fulmar::pusher::test {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

[[nodiscard]] std::string on_room(std::string const& event, std::string const& escaped)
{
    return R"({"event":"pusher_internal:)" + event + R"(","channel":"presence-room","data":")" + escaped + R"("})";
}

class pusher_presence : public testing::TestWithParam<std::size_t>
{
protected:
    pusher_broker broker{GetParam()};
    std::size_t const last = GetParam() - 1;

    std::vector<std::string> users(std::size_t asking)
    {
        std::vector<std::string> found;
        broker.front->channels().users(broker.core.shard(asking), broker.app.id, "presence-room",
                                       [&](std::vector<std::string> ids) { found = std::move(ids); });
        broker.settle();
        return found;
    }
};
INSTANTIATE_TEST_SUITE_P(shards, pusher_presence, testing::Values(1, 2, 5));

TEST_P(pusher_presence, whoever_may_look_is_told_the_members_and_their_connections)
{
    pusher_client anna{broker, 0};
    pusher_client again{broker, last};
    pusher_client bert{broker, last};
    anna.subscribes("presence-room", R"({"user_id":10,"user_info":{"name":"Anna"}})");
    again.subscribes("presence-room", R"({"user_id":10,"user_info":{"name":"Anna"}})");
    bert.subscribes("presence-room", R"({"user_id":"11"})");
    fulmar::broker::presence_directory& directory = broker.front->channels();
    auto const members = [&](std::string channel) {
        std::string text = "no answer";
        directory.members(broker.core.shard(last), broker.app.id, std::move(channel),
                          [&](fulmar::broker::channel_members const& found) {
                              text = found ? "" : "none";
                              for (auto const& each : found.value_or(std::vector<fulmar::broker::channel_member>{}))
                                  text += each.id + each.info_json + " x" + std::to_string(each.connections) + " ";
                          });
        broker.settle();
        return text;
    };
    EXPECT_EQ(members("presence-room"), R"(10{"name":"Anna"} x2 11 x1 )");
    EXPECT_EQ(members("presence-empty"), "");
    EXPECT_EQ(members("room"), "none");
}

TEST_P(pusher_presence, members_see_who_is_there_who_comes_and_who_goes)
{
    pusher_client anna{broker, 0};
    anna.subscribes("presence-room", R"({"user_id":10,"user_info":{"name":"Anna"}})");
    EXPECT_EQ(anna.takes().back(),
              on_room("subscription_succeeded",
                      R"({\"presence\":{\"ids\":[10],\"hash\":{\"10\":{\"name\":\"Anna\"}},\"count\":1}})"));
    {
        pusher_client bert{broker, last};
        bert.subscribes("presence-room", R"({"user_id":"11"})");
        EXPECT_EQ(
            bert.takes().back(),
            on_room(
                "subscription_succeeded",
                R"({\"presence\":{\"ids\":[10,\"11\"],\"hash\":{\"10\":{\"name\":\"Anna\"},\"11\":null},\"count\":2}})"));
        EXPECT_THAT(anna.takes(), ElementsAre(on_room("member_added", R"({\"user_id\":\"11\"})")));
        EXPECT_THAT(users(0), ElementsAre("10", "11"));
    }
    EXPECT_THAT(anna.takes(), ElementsAre(on_room("member_removed", R"({\"user_id\":\"11\"})")));
    EXPECT_THAT(users(last), ElementsAre("10"));
    EXPECT_THAT(broker.events.told, ElementsAre("channel_occupied presence-room", "member_added presence-room 10",
                                                "member_added presence-room 11", "member_removed presence-room 11"));
}

// What an application with pusher-js believes afterwards: the greeting, and then who came and went.
[[nodiscard]] std::size_t members_counted(std::vector<std::string> const& told)
{
    std::size_t count = 0;
    for (auto const& each : told) {
        if (auto const at = each.find(R"(\"count\":)"); at != std::string::npos)
            count = std::stoul(each.substr(at + 10));
        count += each.find("member_added") != std::string::npos ? 1 : 0;
        count -= each.find("member_removed") != std::string::npos ? 1 : 0;
    }
    return count;
}

TEST_P(pusher_presence, those_who_come_and_go_in_one_turn_are_counted_once_by_everybody)
{
    pusher_client watcher{broker, 0};
    watcher.subscribes("presence-room", R"({"user_id":"w"})");
    pusher_client goes{broker, last};
    goes.subscribes("presence-room", R"({"user_id":"g"})");
    std::vector<std::unique_ptr<pusher_client>> many;
    for (std::size_t i = 0; i < 6; ++i)
        many.push_back(std::make_unique<pusher_client>(broker, i % GetParam()));
    broker.one_turn = true;
    for (std::size_t i = 0; i < many.size(); ++i) {
        many[i]->subscribes("presence-room", R"({"user_id":")" + std::to_string(i) + "\"}");
        if (i == 3)
            goes.lose();
    }
    many[5]->unsubscribes("presence-room");  // before it was answered
    broker.one_turn = false;
    broker.settle();
    EXPECT_THAT(users(0), SizeIs(6));
    EXPECT_EQ(members_counted(watcher.takes()), 6U);
    for (std::size_t i = 0; i < 5; ++i)
        EXPECT_EQ(members_counted(many[i]->takes()), 6U) << i;
    many.clear();
    EXPECT_THAT(users(last), ElementsAre("w"));
}

TEST(pusher_presence_rules, those_who_come_in_one_turn_share_a_large_greeting)
{
    pusher_broker broker{1, [](broker::app& app) { app.limits.presence_user_info_bytes = 100'000; }};
    pusher_client first{broker};
    first.subscribes("presence-room", R"({"user_id":"1","user_info":")" + std::string(20'000, 'x') + "\"}");
    pusher_client second{broker};
    pusher_client third{broker};
    broker.one_turn = true;
    second.subscribes("presence-room", R"({"user_id":"2"})");
    third.subscribes("presence-room", R"({"user_id":"3"})");
    broker.one_turn = false;
    broker.settle();
    EXPECT_THAT(second.takes().back(), HasSubstr(R"(\"count\":3}}"})"));
    EXPECT_THAT(third.takes().back(), HasSubstr(R"(\"count\":3}}"})"));
    ASSERT_THAT(second.shared, SizeIs(1));
    EXPECT_EQ(second.shared, third.shared);
}

TEST(pusher_presence_rules, a_greeting_that_is_not_read_yet_costs_nobody_the_picture_of_the_channel)
{
    pusher_broker broker;
    pusher_client slow{broker};
    slow.subscribes("presence-room", R"({"user_id":"1"})");
    slow.shared_backlog = 3 * broker.core.shard(0).limit().outbox_bytes;
    pusher_client other{broker};
    other.subscribes("presence-room", R"({"user_id":"2"})");
    slow.drained();
    EXPECT_FALSE(slow.closed);
    EXPECT_THAT(slow.takes(), Contains(HasSubstr("member_added")));
}

TEST(pusher_presence_rules, who_lets_large_greetings_pile_up_is_cut_off)
{
    pusher_broker broker{1, [](broker::app& app) { app.limits.presence_user_info_bytes = 100'000; }};
    auto const member = R"({"user_id":"1","user_info":")" + std::string(20'000, 'x') + "\"}";
    pusher_client slow{broker};
    slow.shared_backlog = 2 * broker.core.shard(0).limit().outbox_bytes;
    slow.subscribes("presence-room", member);
    EXPECT_FALSE(slow.closed);
    ++slow.shared_backlog;
    slow.subscribes("presence-hall", member);
    EXPECT_EQ(slow.closed, 1006);
    EXPECT_FALSE(broker.state(0, "presence-hall").occupied());
}

TEST_P(pusher_presence, a_user_comes_with_his_first_connection_and_goes_with_his_last)
{
    pusher_client watcher{broker, 0};
    watcher.subscribes("presence-room", R"({"user_id":"w"})");
    pusher_client first{broker, 0};
    first.subscribes("presence-room", R"({"user_id":"u"})");
    (void)watcher.takes();
    {
        pusher_client second{broker, last};
        second.subscribes("presence-room", R"({"user_id":"u"})");
        EXPECT_THAT(second.takes().back(), HasSubstr(R"(\"count\":2)"));
        auto const state = broker.state(0, "presence-room");
        EXPECT_EQ(state.user_count, 2U);
        EXPECT_EQ(state.subscription_count, 3U);
    }
    EXPECT_THAT(watcher.takes(), IsEmpty());
    first.unsubscribes("presence-room");
    EXPECT_THAT(watcher.takes(), ElementsAre(on_room("member_removed", R"({\"user_id\":\"u\"})")));
}

TEST_P(pusher_presence, a_connection_that_is_gone_before_the_answer_leaves_nobody_behind)
{
    pusher_client stays{broker, 0};
    stays.subscribes("presence-room", R"({"user_id":"s"})");
    (void)stays.takes();
    for (bool const lost : {true, false}) {
        auto hasty = std::make_unique<pusher_client>(broker, last);
        auto& shard = broker.front->channels().at(broker.core.shard(last));
        auto const id = connection_id{publisher_hash(hasty->socket_id)};
        // The wish is on its way when the connection ends or thinks better of it.
        subscribe_request wanted{id, broker.app.id, "presence-room", 99, decode_channel_data(R"({"user_id":"h"})")};
        shard.subscribe(std::move(wanted));
        if (lost)
            hasty.reset();
        broker.settle();
        EXPECT_EQ(broker.state(0, "presence-room").user_count, 1U);
        EXPECT_EQ(broker.state(0, "presence-room").subscription_count, 1U);
    }
}

TEST_P(pusher_presence, a_client_event_reaches_all_others_with_the_user_who_sent_it)
{
    pusher_client sender{broker, 0};
    pusher_client neighbour{broker, 0};
    pusher_client distant{broker, last};
    int user = 0;
    for (auto* const client : {&sender, &neighbour, &distant})
        client->subscribes("presence-room", R"({"user_id":)" + std::to_string(++user) + "}");
    for (auto* const client : {&sender, &neighbour, &distant})
        (void)client->takes();
    sender.says(R"({"event":"client-typing","data":{"n": 1.0},"channel":"presence-room"})");
    EXPECT_THAT(sender.takes(), IsEmpty());
    auto const seen = R"({"event":"client-typing","channel":"presence-room","data":{"n": 1.0},"user_id":"1"})";
    EXPECT_THAT(neighbour.takes(), ElementsAre(seen));
    EXPECT_THAT(distant.takes(), ElementsAre(seen));
    EXPECT_THAT(broker.events.told, Contains(R"(client_event presence-room 1 client-typing {"n": 1.0})"));
}

TEST(pusher_presence_rules, limits_of_members_ids_and_infos_hold)
{
    pusher_broker broker{1, [](broker::app& app) {
                             app.limits.presence_members = 1;
                             app.limits.user_id_bytes = 4;
                             app.limits.presence_user_info_bytes = 10;
                         }};
    pusher_client first{broker};
    first.subscribes("presence-room", R"({"user_id":"1234","user_info":"12345678"})");
    EXPECT_THAT(first.takes().back(), HasSubstr("subscription_succeeded"));
    pusher_client second{broker};
    for (auto const& [who, why] : std::vector<std::pair<std::string, std::string>>{
             {R"({"user_id":"2"})", "as many members"},
             {R"({"user_id":"12345"})", "user_id has more"},
             {R"({"user_id":"1","user_info":"123456789"})", "user_info has more"},
             {R"({"name":"x"})", "user_id"},
             {"no json", "user_id"}}) {
        (void)second.takes();
        second.subscribes("presence-room", who);
        EXPECT_THAT(second.takes(), ElementsAre(HasSubstr(why), HasSubstr("pusher:subscription_error"))) << who;
    }
    pusher_client again{broker};
    again.subscribes("presence-room", R"({"user_id":"1234"})");  // the same user is no new member
    EXPECT_THAT(again.takes().back(), HasSubstr("subscription_succeeded"));
}

TEST(pusher_presence_rules, a_signed_in_user_needs_no_channel_data)
{
    pusher_broker broker;
    pusher_client client{broker};
    client.subscribes("presence-room");
    EXPECT_THAT(client.takes().back(), HasSubstr("pusher:subscription_error"));
    client.signs_in(R"({"id":"7","user_info":{"name":"Eva"}})");
    (void)client.takes();
    client.subscribes("presence-room");
    EXPECT_EQ(client.takes().back(),
              on_room("subscription_succeeded",
                      R"({\"presence\":{\"ids\":[\"7\"],\"hash\":{\"7\":{\"name\":\"Eva\"}},\"count\":1}})"));
}

TEST(pusher_presence_rules, one_connection_is_one_member_of_a_channel)
{
    pusher_broker broker;
    pusher_client client{broker};
    client.subscribes("presence-room", R"({"user_id":"1"})");
    (void)client.takes();
    client.subscribes("presence-room", R"({"user_id":"2"})");
    EXPECT_THAT(client.takes(), ElementsAre(HasSubstr("Existing subscription")));
    EXPECT_EQ(broker.state(0, "presence-room").user_count, 1U);
}

TEST(pusher_presence_rules, who_may_have_missed_a_member_starts_afresh)
{
    pusher_broker broker;
    pusher_client slow{broker};
    slow.subscribes("presence-room", R"({"user_id":"1"})");
    slow.backlog = broker.core.shard(0).limit().outbox_bytes;
    pusher_client other{broker};
    other.subscribes("presence-room", R"({"user_id":"2"})");
    slow.drained();
    EXPECT_EQ(slow.closed, 4200);
    EXPECT_EQ(broker.state(0, "presence-room").user_count, 1U);
}

TEST(pusher_presence_rules, who_lets_everything_pile_up_is_cut_off)
{
    pusher_broker broker;
    pusher_client slow{broker};
    slow.subscribes("presence-room", R"({"user_id":"1"})");
    slow.backlog = 2 * broker.core.shard(0).limit().outbox_bytes;
    slow.signs_in(R"({"id":"1","watchlist":["2"]})");
    EXPECT_FALSE(slow.closed);
    ++slow.backlog;
    pusher_client watched{broker};
    watched.signs_in(R"({"id":"2"})");
    EXPECT_EQ(slow.closed, 1006);
    EXPECT_EQ(broker.state(0, "presence-room").user_count, 0U);
}

// --- cache channels --------------------------------------------------------------------------------------------

constexpr auto miss = R"({"event":"pusher:cache_miss","channel":"cache-c"})";
constexpr auto succeeded = R"({"event":"pusher_internal:subscription_succeeded","channel":"cache-c","data":"{}"})";
constexpr auto cached_2 = R"({"event":"x","channel":"cache-c","data":"2"})";

TEST_P(pusher_presence, a_cache_channel_greets_with_the_last_event_or_says_that_there_is_none)
{
    pusher_client first{broker, 0};
    (void)first.takes();
    first.subscribes("cache-c", {}, false);
    EXPECT_THAT(first.takes(), ElementsAre(succeeded, miss));
    broker.publish(last, "cache-c", "x", "1");
    broker.publish(0, "cache-c", "x", "2");
    pusher_client second{broker, last};
    (void)second.takes();
    second.subscribes("cache-c", {}, false);
    EXPECT_THAT(second.takes(), ElementsAre(succeeded, cached_2));
    EXPECT_THAT(broker.events.told, testing::UnorderedElementsAre("channel_occupied cache-c", "cache_miss cache-c"));
    EXPECT_EQ(broker.state(0, "cache-c").cached->payload(), "2");
}

TEST_P(pusher_presence, an_event_is_cached_without_subscribers_and_for_its_time_only)
{
    broker::message_fields fields;
    fields.topic = "cache-c";
    fields.event = "x";
    fields.payload = "2";
    broker.front->channels().remember_cached(broker.core.shard(last), broker::message::make(std::move(fields)));
    broker.settle();
    broker.advance(1799s);
    EXPECT_EQ(broker.state(0, "cache-c").cached_ttl_s, 1U);
    pusher_client first{broker, 0};
    (void)first.takes();
    first.subscribes("cache-c", {}, false);
    EXPECT_THAT(first.takes(), ElementsAre(succeeded, cached_2));
    broker.advance(1s);
    EXPECT_EQ(broker.state(last, "cache-c").cached, nullptr);
    pusher_client second{broker, 0};
    (void)second.takes();
    second.subscribes("cache-c", {}, false);
    EXPECT_THAT(second.takes(), ElementsAre(succeeded, miss));
}

TEST_P(pusher_presence, client_events_are_not_cached)
{
    pusher_client first{broker, 0};
    first.subscribes("private-cache-c");
    first.says(R"({"event":"client-x","data":"1","channel":"private-cache-c"})");
    EXPECT_EQ(broker.state(0, "private-cache-c").cached, nullptr);
}

class cache_history : public pusher_presence
{
protected:
    void SetUp() override { keep_history(); }
    void keep_history()
    {
        auto const rules = std::make_shared<broker::history_rules const>(
            std::vector<broker::history_rule>{{broker.app.id, "cache-c"}});
        for (std::size_t i = 0; i <= last; ++i)
            broker.core.shard(i).routes().keep_history(rules);
    }
    void publish(std::string_view payload)
    {
        broker::message_fields fields;
        fields.topic = "cache-c";
        fields.event = "x";
        fields.payload = payload;
        fields.published_at = broker.core.clock.wall();
        broker.core.publish(last, broker::message::make(std::move(fields)));
    }
    void restart()
    {
        broker.front.reset();
        broker.core.kill_and_restart();
        keep_history();
        broker.front.emplace(broker.core.shard(0).node(), broker.apps, broker.events);
    }
    void expect_greeting(std::string const& then)
    {
        pusher_client somebody{broker, 0};
        (void)somebody.takes();
        somebody.subscribes("cache-c", {}, false);
        EXPECT_THAT(somebody.takes(), ElementsAre(succeeded, then));
    }
};
INSTANTIATE_TEST_SUITE_P(shards, cache_history, testing::Values(1, 3));

TEST_P(cache_history, a_channel_with_history_finds_its_last_event_after_a_restart)
{
    publish("1");
    publish("2");
    ASSERT_NE(broker.state(0, "cache-c").cached, nullptr);
    restart();
    expect_greeting(cached_2);
    expect_greeting(cached_2);
    EXPECT_THAT(broker.events.told, Not(Contains("cache_miss cache-c")));
}

TEST_P(cache_history, what_the_log_has_is_cached_for_the_rest_of_its_time_only)
{
    publish("2");
    broker.advance(1799s);
    restart();
    EXPECT_EQ(broker.state(last, "cache-c").cached_ttl_s, 1U);
    expect_greeting(cached_2);
    broker.advance(1s);
    restart();
    expect_greeting(miss);
}

TEST_P(cache_history, several_who_come_while_the_log_is_read_are_all_answered)
{
    publish("2");
    restart();
    std::vector<std::string> seen;
    for (std::size_t i = 0; i < 3; ++i)
        broker.front->channels().channel(broker.core.shard(i % (last + 1)), broker.app.id, "cache-c",
                                         [&](channel_state const& s) { seen.emplace_back(s.cached->payload()); });
    broker.settle();
    EXPECT_THAT(seen, ElementsAre("2", "2", "2"));
}

// --- client events ---------------------------------------------------------------------------------------------

class client_events : public testing::Test
{
protected:
    pusher_broker broker;
    pusher_client sender{broker};
    pusher_client receiver{broker};

    void SetUp() override
    {
        for (auto* const client : {&sender, &receiver})
            for (auto const* const channel : {"c", "private-c", "private-encrypted-c"})
                client->subscribes(channel);
        (void)sender.takes();
        (void)receiver.takes();
    }
    std::vector<std::string> says(std::string const& channel, std::string const& rest)
    {
        sender.says(R"({"event":"client-x","channel":")" + channel + "\"" + rest + "}");
        return sender.takes();
    }
};

TEST_F(client_events, are_handed_on_as_they_were_sent)
{
    EXPECT_THAT(says("private-c", R"(,"data":"text")"), IsEmpty());
    EXPECT_THAT(says("private-c", R"(,"data":[1, 2])"), IsEmpty());
    EXPECT_THAT(says("private-c", ""), IsEmpty());
    EXPECT_THAT(receiver.takes(), ElementsAre(R"({"event":"client-x","channel":"private-c","data":"text"})",
                                              R"({"event":"client-x","channel":"private-c","data":[1, 2]})",
                                              R"({"event":"client-x","channel":"private-c","data":null})"));
}

TEST_F(client_events, need_a_private_channel_that_is_not_encrypted_and_a_subscription)
{
    EXPECT_THAT(says("c", R"(,"data":{})"), ElementsAre(HasSubstr("private and presence channels only")));
    EXPECT_THAT(says("private-encrypted-c", R"(,"data":{})"), ElementsAre(HasSubstr("encrypted")));
    EXPECT_THAT(says("private-d", R"(,"data":{})"), ElementsAre(HasSubstr("only subscribers")));
    EXPECT_THAT(says("#server-to-user-1", R"(,"data":{})"), ElementsAre(HasSubstr("private and presence")));
    EXPECT_THAT(receiver.takes(), IsEmpty());
}

TEST_F(client_events, have_limits_of_size)
{
    EXPECT_THAT(says("private-c", R"(,"data":")" + std::string(10'239, 'x') + "\""),
                ElementsAre(HasSubstr("too large")));
    sender.says(R"({"event":"client-)" + std::string(194, 'x') + R"(","channel":"private-c","data":1})");
    EXPECT_THAT(sender.takes(), ElementsAre(HasSubstr("too long")));
    EXPECT_THAT(receiver.takes(), IsEmpty());
}

TEST_F(client_events, over_ten_in_a_second_are_refused_with_4301)
{
    for (int i = 0; i < 10; ++i)
        EXPECT_THAT(says("private-c", R"(,"data":1)"), IsEmpty());
    EXPECT_THAT(says("private-c", R"(,"data":1)"), ElementsAre(HasSubstr("\"code\":4301")));
    EXPECT_THAT(receiver.takes(), SizeIs(10));
    broker.advance(1s);
    EXPECT_THAT(says("private-c", R"(,"data":1)"), IsEmpty());
    EXPECT_FALSE(sender.closed);
}

TEST(client_event_rules, are_refused_when_the_app_does_not_want_them)
{
    pusher_broker broker{1, [](broker::app& app) { app.client_events = false; }};
    pusher_client client{broker};
    client.subscribes("private-c");
    (void)client.takes();
    client.says(R"({"event":"client-x","channel":"private-c","data":1})");
    EXPECT_THAT(client.takes(), ElementsAre(HasSubstr("not enabled")));
}

}  // namespace
}  // namespace fulmar::pusher::test
