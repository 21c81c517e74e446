#include "frontends/pusher/webhook_queue.hpp"

#include "frontends/pusher/channel_auth.hpp"
#include "tests/support/fake_clock.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fulmar::pusher {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

struct scripted_client final : webhook_client
{
    struct sent
    {
        webhook_request request;
        std::function<void(webhook_answer)> done;
    };
    void post(webhook_request request, std::function<void(webhook_answer)> done) override
    {
        open.push_back({std::move(request), std::move(done)});
    }
    // Answers the oldest open request.
    void answer(unsigned status)
    {
        auto const oldest = std::move(open.front());
        open.pop_front();
        oldest.done({status, status == 0 ? "refused" : ""});
    }
    std::deque<sent> open;
};

class webhook_queue_test : public testing::Test
{
protected:
    webhook_queue_test() { configure(false); }

    void configure(bool batching, std::string const& url = "https://one/")
    {
        broker::app app;
        app.name = "1";
        app.keys = {{"first", "secret-1"}, {"second", "secret-2"}};
        app.webhook_batching = batching;
        for (auto const& each : {url, std::string{"https://two/"}}) {
            broker::webhook_target target;
            target.url = each;
            target.kinds = 0x7F;
            target.headers = {{"X-Token", "t"}};
            app.webhooks.push_back(target);
        }
        apps.replace(std::make_shared<broker::app_registry>(std::vector{app}));
    }

    void add(std::uint64_t id, std::string url = "https://one/")
    {
        webhook_item item;
        item.id = id;
        item.url = std::move(url);
        item.happened_at = 1'327'078'148'132;
        item.event = R"({"name":"channel_occupied","channel":")" + std::to_string(id) + "\"}";
        queue.add(std::move(item));
    }
    void advance(std::chrono::milliseconds by)
    {
        clock.advance(by);
        (void)queue.run();
    }

    fulmar::test::fake_clock clock;
    broker::apps_in_force apps{std::make_shared<broker::app_registry>(std::vector<broker::app>{})};
    scripted_client client;
    webhook_metrics metrics;
    std::vector<std::uint64_t> settled;
    webhook_queue queue{client, apps, clock, metrics, [this](webhook_item const& item) { settled.push_back(item.id); }};
};

TEST_F(webhook_queue_test, an_event_is_one_request_signed_with_the_first_key)
{
    add(1);
    (void)queue.run();
    ASSERT_EQ(client.open.size(), 1U);
    auto const& request = client.open[0].request;
    EXPECT_EQ(request.body, R"({"time_ms":1327078148132,"events":[{"name":"channel_occupied","channel":"1"}]})");
    std::map<std::string, std::string> const headers{request.headers.begin(), request.headers.end()};
    EXPECT_EQ(headers.at("X-Pusher-Key"), "first");
    EXPECT_EQ(headers.at("X-Pusher-Signature"), sign("secret-1", request.body));
    EXPECT_EQ(headers.at("X-Token"), "t");
    EXPECT_THAT(settled, IsEmpty());
    client.answer(204);
    EXPECT_THAT(settled, ElementsAre(1));
    EXPECT_EQ(metrics.delivered, 1U);
}

TEST_F(webhook_queue_test, without_batching_every_event_has_a_request_of_its_own)
{
    add(1);
    add(2);
    (void)queue.run();
    EXPECT_EQ(client.open.size(), 2U);
}

TEST_F(webhook_queue_test, a_batch_gathers_for_a_while_and_then_holds_everything)
{
    configure(true);
    add(1);
    auto const wake = queue.run();
    EXPECT_TRUE(client.open.empty());
    ASSERT_TRUE(wake);
    EXPECT_EQ(*wake, clock.now() + 1s);
    add(2);
    advance(1s);
    ASSERT_EQ(client.open.size(), 1U);
    EXPECT_THAT(client.open[0].request.body, HasSubstr(R"({"name":"channel_occupied","channel":"1"},{"name")"));
    client.answer(200);
    EXPECT_THAT(settled, ElementsAre(1, 2));
}

TEST_F(webhook_queue_test, a_full_batch_does_not_wait)
{
    configure(true);
    for (std::uint64_t i = 0; i < webhook_queue::batch_events_max; ++i)
        add(i);
    (void)queue.run();
    EXPECT_EQ(client.open.size(), 1U);
}

TEST_F(webhook_queue_test, a_failure_is_tried_again_after_growing_pauses)
{
    add(1);
    (void)queue.run();
    for (auto const pause : {1'000ms, 2'000ms, 4'000ms, 8'000ms, 16'000ms, 32'000ms, 60'000ms, 60'000ms}) {
        client.answer(500);
        advance(pause * 7 / 10);
        EXPECT_TRUE(client.open.empty()) << pause.count();
        advance(pause / 2);
        ASSERT_EQ(client.open.size(), 1U) << pause.count();
    }
    client.answer(200);
    EXPECT_THAT(settled, ElementsAre(1));
    EXPECT_EQ(metrics.retried, 8U);
}

TEST_F(webhook_queue_test, redirections_and_refused_connections_are_failures)
{
    for (auto const status : {0U, 301U, 400U, 404U, 503U}) {
        add(status);
        (void)queue.run();
        client.answer(status);
        EXPECT_THAT(settled, IsEmpty());
        advance(90s);
        client.answer(200);
        settled.clear();
    }
}

TEST_F(webhook_queue_test, after_five_minutes_it_is_given_up_and_counted)
{
    add(1);
    (void)queue.run();
    auto const end = clock.now() + 300s;
    while (clock.now() < end + 60s && settled.empty()) {
        if (!client.open.empty())
            client.answer(503);
        advance(500ms);
    }
    EXPECT_THAT(settled, ElementsAre(1));
    EXPECT_EQ(metrics.expired, 1U);
    EXPECT_LE(clock.now(), end + 1s);
    advance(300s);
    EXPECT_TRUE(client.open.empty());
}

TEST_F(webhook_queue_test, an_address_that_hangs_holds_up_nobody_else)
{
    for (std::uint64_t i = 0; i < 20; ++i)
        add(i);
    (void)queue.run();
    EXPECT_EQ(client.open.size(), webhook_queue::in_flight_max);
    add(100, "https://two/");
    (void)queue.run();
    ASSERT_EQ(client.open.size(), webhook_queue::in_flight_max + 1);
    client.open.back().done({200, ""});
    EXPECT_THAT(settled, ElementsAre(100));
}

TEST_F(webhook_queue_test, an_address_that_fails_is_asked_one_thing_at_a_time)
{
    for (std::uint64_t i = 0; i < 20; ++i)
        add(i);
    (void)queue.run();
    for (std::size_t i = 0; i < webhook_queue::in_flight_max; ++i)
        client.answer(500);
    (void)queue.run();
    EXPECT_EQ(client.open.size(), 1U);
    client.answer(200);
    (void)queue.run();
    EXPECT_EQ(client.open.size(), webhook_queue::in_flight_max);
}

TEST_F(webhook_queue_test, while_an_address_hangs_nothing_is_done_for_it_until_it_answers)
{
    add(1);
    add(2);
    (void)queue.run();
    client.answer(500);
    ASSERT_EQ(client.open.size(), 1U);
    clock.advance(5s);
    EXPECT_FALSE(queue.run()) << "one request is under way, another one is due";
    EXPECT_EQ(client.open.size(), 1U);
}

TEST_F(webhook_queue_test, what_was_never_tried_in_five_minutes_is_given_up_too)
{
    for (std::uint64_t i = 0; i < 20; ++i)
        add(i);
    (void)queue.run();
    advance(301s);
    EXPECT_EQ(metrics.expired, 12U);
    EXPECT_EQ(settled.size(), 12U);
}

TEST_F(webhook_queue_test, an_address_that_is_not_configured_any_more_is_not_used)
{
    add(1);
    (void)queue.run();
    client.answer(500);
    add(2);
    configure(false, "https://new/");
    advance(2s);
    EXPECT_TRUE(client.open.empty());
    EXPECT_THAT(settled, testing::UnorderedElementsAre(1, 2));
    EXPECT_EQ(metrics.unconfigured, 2U);
}

}  // namespace
}  // namespace fulmar::pusher
