#include "frontends/pusher/webhooks.hpp"

#include "tests/support/core_broker.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fulmar::pusher {
namespace {

using namespace std::chrono_literals;
using broker::webhook_kind;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

broker::app the_app(std::uint32_t pending_max = 1000)
{
    broker::app app;
    app.name = "1";
    app.keys = {{"key", "secret"}};
    app.limits.webhooks_pending = pending_max;
    broker::webhook_target all;
    all.url = "https://all/";
    all.kinds = 0x7F;
    broker::webhook_target some;
    some.url = "https://some/";
    some.kinds = 1U << static_cast<unsigned>(webhook_kind::channel_occupied);
    some.channel_prefix = "presence-";
    app.webhooks = {all, some};
    return app;
}

class webhooks_test : public testing::Test
{
protected:
    webhooks_test() { begin(); }
    ~webhooks_test() override { hooks->stop(); }

    void begin()
    {
        hooks = std::make_unique<webhooks>(core.shard(0).node(), apps);
        core.store.recover({{}, {}, {}, [this](broker::put_outbox_op&& row) {
                                hooks->restore(std::move(row), [](auto, auto) { return broker::shard_id{1}; });
                            }});
        hooks->start([this](std::vector<webhook_item>&& items) { std::ranges::move(items, std::back_inserter(sent)); });
        core.settle();
    }
    void kill_and_restart()
    {
        hooks->stop();
        sent.clear();
        core.kill_and_restart();
        begin();
    }
    void tell(webhook_kind kind, std::string channel, std::string user = "")
    {
        channel_event event;
        event.kind = kind;
        event.channel = std::move(channel);
        event.user_id = std::move(user);
        hooks->tell(core.shard(1), std::move(event));
        core.settle();
    }
    void advance(std::chrono::milliseconds by)
    {
        core.clock.advance(by);
        hooks->sweep(core.shard(1));
        core.settle();
    }
    std::vector<std::string> events()
    {
        std::vector<std::string> out;
        for (auto const& item : sent)
            out.push_back(item.event);
        return out;
    }

    fulmar::test::core_broker core{2};
    broker::apps_in_force apps{std::make_shared<broker::app_registry>(std::vector{the_app()})};
    std::vector<webhook_item> sent;
    std::unique_ptr<webhooks> hooks;
};

TEST_F(webhooks_test, an_event_goes_to_every_address_that_wants_it)
{
    tell(webhook_kind::channel_occupied, "a");
    EXPECT_THAT(events(), ElementsAre(R"({"name":"channel_occupied","channel":"a"})"));
    tell(webhook_kind::channel_occupied, "presence-a");
    ASSERT_EQ(sent.size(), 3U);
    EXPECT_EQ(sent[1].url, "https://all/");
    EXPECT_EQ(sent[2].url, "https://some/");
    EXPECT_TRUE(hooks->wanted(broker::default_app, webhook_kind::client_event));
    EXPECT_FALSE(hooks->wanted(broker::app_id{5}, webhook_kind::client_event));
}

TEST_F(webhooks_test, every_kind_has_exactly_its_fields)
{
    channel_event event;
    event.kind = webhook_kind::client_event;
    event.channel = "presence-a";
    event.event = "client-typing";
    event.payload = R"({"x":"\""})";
    event.socket_id = "1.2";
    event.user_id = "7";
    EXPECT_EQ(event_text(event), R"({"name":"client_event","channel":"presence-a","event":"client-typing",)"
                                 R"("data":"{\"x\":\"\\\"\"}","socket_id":"1.2","user_id":"7"})");
    event.payload = R"("plain")";
    event.user_id.clear();
    EXPECT_EQ(event_text(event), R"({"name":"client_event","channel":"presence-a","event":"client-typing",)"
                                 R"("data":"plain","socket_id":"1.2"})");
    event.kind = webhook_kind::subscription_count;
    event.subscription_count = 12;
    EXPECT_EQ(event_text(event), R"({"name":"subscription_count","channel":"presence-a","subscription_count":12})");
    event.kind = webhook_kind::member_added;
    event.user_id = "7";
    EXPECT_EQ(event_text(event), R"({"name":"member_added","channel":"presence-a","user_id":"7"})");
}

TEST_F(webhooks_test, a_departure_is_told_after_three_seconds)
{
    tell(webhook_kind::channel_vacated, "a");
    tell(webhook_kind::member_removed, "presence-a", "7");
    advance(2'999ms);
    EXPECT_THAT(sent, IsEmpty());
    advance(1ms);
    EXPECT_THAT(events(), ElementsAre(R"({"name":"channel_vacated","channel":"a"})",
                                      R"({"name":"member_removed","channel":"presence-a","user_id":"7"})"));
}

TEST_F(webhooks_test, whoever_comes_back_in_time_is_not_told_of_at_all)
{
    tell(webhook_kind::channel_vacated, "a");
    tell(webhook_kind::member_removed, "presence-a", "7");
    advance(2s);
    tell(webhook_kind::channel_occupied, "a");
    tell(webhook_kind::member_added, "presence-a", "7");
    advance(10s);
    EXPECT_THAT(sent, IsEmpty());
    EXPECT_EQ(hooks->metrics().cancelled, 2U);
    EXPECT_EQ(hooks->metrics().pending, 0U);
    EXPECT_THAT(core.store.outbox(), IsEmpty());
}

TEST_F(webhooks_test, another_user_coming_does_not_take_a_departure_back)
{
    tell(webhook_kind::member_removed, "presence-a", "7");
    tell(webhook_kind::member_added, "presence-a", "8");
    advance(3s);
    EXPECT_EQ(sent.size(), 2U);
}

TEST_F(webhooks_test, leaving_coming_back_and_leaving_again_waits_anew)
{
    tell(webhook_kind::channel_vacated, "a");
    advance(2s);
    tell(webhook_kind::channel_occupied, "a");
    tell(webhook_kind::channel_vacated, "a");
    advance(2s);
    EXPECT_THAT(sent, IsEmpty());
    advance(1s);
    EXPECT_EQ(sent.size(), 1U);
}

TEST_F(webhooks_test, simultaneous_cache_misses_are_one)
{
    tell(webhook_kind::cache_miss, "cache-a");
    tell(webhook_kind::cache_miss, "cache-a");
    tell(webhook_kind::cache_miss, "cache-b");
    EXPECT_EQ(sent.size(), 2U);
    advance(1s);
    tell(webhook_kind::cache_miss, "cache-a");
    EXPECT_EQ(sent.size(), 3U);
}

TEST_F(webhooks_test, what_was_not_settled_is_sent_again_after_a_kill)
{
    tell(webhook_kind::channel_occupied, "a");
    tell(webhook_kind::channel_occupied, "b");
    hooks->settled({sent[0]});
    core.settle();
    kill_and_restart();
    EXPECT_THAT(events(), ElementsAre(R"({"name":"channel_occupied","channel":"b"})"));
    for (auto const* channel : {"c", "d", "e"})
        tell(webhook_kind::channel_occupied, channel);
    EXPECT_EQ(core.store.outbox().size(), 4U) << "a row that still waits must not be overwritten";
    hooks->settled(sent);
    core.settle();
    EXPECT_THAT(core.store.outbox(), IsEmpty());
}

TEST_F(webhooks_test, a_departure_that_waited_at_a_kill_waits_again_and_can_be_taken_back)
{
    tell(webhook_kind::channel_vacated, "a");
    tell(webhook_kind::member_removed, "presence-b", "7");
    kill_and_restart();
    EXPECT_THAT(sent, IsEmpty());
    tell(webhook_kind::channel_occupied, "a");
    advance(3s);
    EXPECT_THAT(events(), ElementsAre(R"({"name":"member_removed","channel":"presence-b","user_id":"7"})"));
}

TEST_F(webhooks_test, more_than_may_wait_is_dropped_and_counted)
{
    apps.replace(std::make_shared<broker::app_registry>(std::vector{the_app(2)}));
    for (auto const* channel : {"a", "b", "c", "d"})
        tell(webhook_kind::channel_occupied, channel);
    EXPECT_EQ(sent.size(), 2U);
    EXPECT_EQ(hooks->metrics().overflowed, 2U);
    hooks->settled({sent[0]});
    tell(webhook_kind::channel_occupied, "e");
    EXPECT_EQ(sent.size(), 3U);
}

TEST_F(webhooks_test, a_stored_row_that_is_none_is_dropped)
{
    core.shard(0).store({broker::put_outbox_op{77, "nonsense"}, 0});
    core.settle();
    kill_and_restart();
    EXPECT_THAT(sent, IsEmpty());
    EXPECT_THAT(core.store.outbox(), IsEmpty());
}

TEST(webhook_row, survives_being_written_and_read_and_nothing_shorter_is_one)
{
    webhook_item item;
    item.id = 9;
    item.app = broker::app_id{3};
    item.url = "https://x/";
    item.happened_at = 1234;
    item.event = "{}";
    item.delayed_key = "c3 a";
    auto const row = encode_row(item);
    auto const read = decode_row(9, row);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->app, item.app);
    EXPECT_EQ(read->url, item.url);
    EXPECT_EQ(read->happened_at, item.happened_at);
    EXPECT_EQ(read->event, item.event);
    EXPECT_EQ(read->delayed_key, item.delayed_key);
    for (std::size_t size = 0; size < row.size(); ++size)
        EXPECT_FALSE(decode_row(9, row.substr(0, size))) << size;
    EXPECT_FALSE(decode_row(9, row + "x"));
}

}  // namespace
}  // namespace fulmar::pusher
