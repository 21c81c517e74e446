#include "frontends/pusher/api.hpp"

#include "broker/router.hpp"
#include "frontends/net/http_exchange.hpp"
#include "frontends/pusher/api_shard.hpp"
#include "frontends/pusher/channel_auth.hpp"
#include "frontends/pusher/channel_directory.hpp"
#include "frontends/pusher/request_signature.hpp"
#include "frontends/pusher/socket_id.hpp"
#include "tests/support/core_broker.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fulmar::pusher {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

struct deaf_events final : channel_events
{
    [[nodiscard]] bool wanted(broker::app_id, broker::webhook_kind) const override { return false; }
    void tell(broker::shard&, channel_event&&) override {}
};

// Notes what reaches it, as a live subscription of another protocol would.
struct listening final : broker::subscriber
{
    [[nodiscard]] broker::wire_variant const* shared_variant() const noexcept override { return nullptr; }
    void take_run(broker::frame_run const&, std::uint32_t, std::uint32_t) override {}
    void deliver(broker::message_ptr const& m, broker::matched_subscription const&) override
    {
        received.push_back(std::string{m->topic()} + " " + std::string{m->event()} + "=" + std::string{m->payload()});
    }
    [[nodiscard]] bool may_receive(std::string_view) const override { return true; }
    [[nodiscard]] std::uint64_t publisher_hash() const noexcept override { return own_hash; }

    std::uint64_t own_hash = 0;
    std::vector<std::string> received;
};

// What came back, if anything has.
struct answer_slot final : net::http_answer_sink
{
    void complete(net::http_response const& response) override { answers.push_back(response); }
    void hand_over(net::http_response const&, net::http_stream_factory const&) override {}
    std::vector<net::http_response> answers;
};

broker::app the_app()
{
    broker::app app;
    app.name = "3";
    app.keys = {{"key", "secret"}};
    return app;
}

class api_test : public testing::Test
{
protected:
    explicit api_test(broker::limits const& limits = {}) : core{std::make_unique<fulmar::test::core_broker>(2, limits)}
    {
        api.add_routes(routes);
    }
    ~api_test() override
    {
        directory.reset();
        core.reset();  // its last letters may hold requests
    }

    void configure(broker::app app)
    {
        apps.replace(std::make_shared<broker::app_registry>(std::vector{std::move(app)}));
    }

    [[nodiscard]] std::string signature(std::string_view method, std::string const& path,
                                        std::string const& query) const
    {
        return sign("secret", std::string{method} + "\n" + path + "\n" + query);
    }
    // `more`: parameters whose names sort behind auth_ and body_md5.
    net::http_request request(std::string method, std::string const& path, std::string body, std::string const& more)
    {
        net::http_request made;
        auto query_text =
            "auth_key=key&auth_timestamp=" + std::to_string(core->clock.wall() / 1000) + "&auth_version=1.0";
        if (!body.empty())
            query_text += "&body_md5=" + md5_hex(body);
        query_text += more.empty() ? "" : "&" + more;
        made.target = path + "?" + query_text + "&auth_signature=" + signature(method, path, query_text);
        made.method = std::move(method);
        made.path = path;
        made.body = std::move(body);
        made.home = &core->shard(0);
        return made;
    }
    void begin(net::http_request&& made, answer_slot& into)
    {
        auto const found = routes.find(made.method, made.path, false);
        ASSERT_NE(found.route, nullptr) << made.path;
        made.captures = found.captures;
        auto const exchange = std::make_shared<net::http_exchange>(into);
        keep.push_back(exchange);
        found.route->async_handler(std::move(made), net::http_responder{exchange});
        core->settle();
    }
    std::string ask(net::http_request&& made)
    {
        answer_slot slot;
        begin(std::move(made), slot);
        for (auto const& each : keep)
            each->forget();
        keep.clear();
        return slot.answers.size() == 1 ? std::to_string(slot.answers[0].status) + " " + slot.answers[0].body
                                        : std::to_string(slot.answers.size()) + " answers";
    }
    std::string post(std::string const& path, std::string body, std::string const& more = "")
    {
        return ask(request("POST", path, std::move(body), more));
    }
    std::string get(std::string const& path, std::string const& more = "")
    {
        return ask(request("GET", path, "", more));
    }

    void listen(listening& who, std::string const& topic, std::size_t shard)
    {
        core->shard(shard).routes().subscribe(broker::default_app, who, topic, {}, false, [] {});
        core->settle();
    }

    std::unique_ptr<fulmar::test::core_broker> core;
    broker::apps_in_force apps{std::make_shared<broker::app_registry>(std::vector{the_app()})};
    deaf_events events;
    std::unique_ptr<channel_directory> directory =
        std::make_unique<channel_directory>(core->shard(0).node(), apps, events);
    http_api api{core->shard(0).node(), apps, *directory};
    net::http_router routes;
    std::vector<std::shared_ptr<net::http_exchange>> keep;
};

TEST_F(api_test, a_trigger_reaches_every_channel_on_every_shard_and_is_answered_with_an_empty_object)
{
    listening here;
    listening there;
    listen(here, "a", 0);
    listen(there, "b", 1);
    EXPECT_EQ(post("/apps/3/events", R"({"name":"e","data":"{\"x\":1}","channels":["a","b"]})"), "200 {}");
    EXPECT_THAT(here.received, ElementsAre("a e={\"x\":1}"));
    EXPECT_THAT(there.received, ElementsAre("b e={\"x\":1}"));
    EXPECT_EQ(api.total(&api_metrics::triggers), 1U);
    EXPECT_EQ(api.total(&api_metrics::events), 2U);
    EXPECT_EQ(api.total(&api_metrics::in_flight), 0U);
    core->shard(0).routes().unsubscribe(broker::default_app, here, "a");
    core->shard(1).routes().unsubscribe(broker::default_app, there, "b");
}

TEST_F(api_test, the_connection_named_by_socket_id_does_not_receive_the_event)
{
    listening excluded;
    excluded.own_hash = publisher_hash("1.2");
    broker::subscription_options options;
    options.no_local = true;
    core->shard(1).routes().subscribe(broker::default_app, excluded, "a", options, false, [] {});
    core->settle();
    EXPECT_EQ(post("/apps/3/events", R"({"name":"e","data":"","channel":"a","socket_id":"1.2"})"), "200 {}");
    EXPECT_THAT(excluded.received, IsEmpty());
    EXPECT_EQ(post("/apps/3/events", R"({"name":"e","data":"","channel":"a","socket_id":"1.3"})"), "200 {}");
    EXPECT_THAT(excluded.received, ElementsAre("a e="));
    core->shard(1).routes().unsubscribe(broker::default_app, excluded, "a");
}

TEST_F(api_test, a_batch_publishes_in_order)
{
    listening who;
    listen(who, "a", 1);
    EXPECT_EQ(post("/apps/3/batch_events",
                   R"({"batch":[{"name":"1","data":"x","channel":"a"},{"name":"2","data":"y","channel":"a"}]})"),
              "200 {}");
    EXPECT_THAT(who.received, ElementsAre("a 1=x", "a 2=y"));
    core->shard(1).routes().unsubscribe(broker::default_app, who, "a");
}

TEST_F(api_test, attributes_are_answered_per_channel_and_per_event_of_a_batch)
{
    EXPECT_EQ(
        post("/apps/3/events",
             R"({"name":"e","data":"","channels":["presence-a","b"],"info":"user_count,subscription_count"})"),
        R"(200 {"channels":{"presence-a":{"user_count":0,"subscription_count":0},"b":{"subscription_count":0}}})");
    EXPECT_EQ(
        post("/apps/3/batch_events", R"({"batch":[{"name":"1","data":"","channel":"a","info":"subscription_count"},)"
                                     R"({"name":"2","data":"","channel":"b"}]})"),
        R"(200 {"batch":[{"subscription_count":0},{}]})");
}

TEST_F(api_test, the_deprecated_trigger_takes_the_body_as_data_and_answers_202)
{
    listening who;
    listen(who, "a", 0);
    EXPECT_EQ(post("/apps/3/channels/a/events", "raw data", "name=e"), "202 {}");
    EXPECT_THAT(who.received, ElementsAre("a e=raw data"));
    EXPECT_THAT(post("/apps/3/channels/a/events", "\xFF", "name=e"), HasSubstr("400"));
    EXPECT_THAT(post("/apps/3/channels/a/events", "x"), HasSubstr("400"));
    core->shard(0).routes().unsubscribe(broker::default_app, who, "a");
}

TEST_F(api_test, questions_about_channels_are_answered)
{
    EXPECT_EQ(get("/apps/3/channels"), R"(200 {"channels":{}})");
    EXPECT_EQ(get("/apps/3/channels", "filter_by_prefix=presence-&info=user_count"), R"(200 {"channels":{}})");
    EXPECT_EQ(get("/apps/3/channels/a"), R"(200 {"occupied":false})");
    EXPECT_EQ(get("/apps/3/channels/presence-a", "info=user_count,subscription_count"),
              R"(200 {"occupied":false,"user_count":0,"subscription_count":0})");
    EXPECT_EQ(get("/apps/3/channels/presence-a/users"), R"(200 {"users":[]})");
    EXPECT_EQ(get("/apps/3/channels/a/stats"), R"(200 {"occupied":false,"user_count":0,"connection_count":0})");
    EXPECT_EQ(post("/apps/3/users/7/terminate_connections", ""), "200 {}");
}

TEST_F(api_test, a_cache_channel_answers_its_last_event_and_how_long_it_lasts)
{
    EXPECT_EQ(get("/apps/3/channels/cache-a", "info=cache"), R"(200 {"occupied":false,"cache":null})");
    EXPECT_EQ(post("/apps/3/events", R"({"name":"e","data":"one","channel":"cache-a"})"), "200 {}");
    EXPECT_EQ(post("/apps/3/events", R"({"name":"e","data":"two","channel":"cache-a"})"), "200 {}");
    EXPECT_EQ(get("/apps/3/channels/cache-a", "info=cache"),
              R"(200 {"occupied":false,"cache":{"data":"two","ttl":1800}})");
    core->advance(std::chrono::minutes{30});
    EXPECT_EQ(get("/apps/3/channels/cache-a", "info=cache"), R"(200 {"occupied":false,"cache":null})");
}

TEST_F(api_test, questions_that_make_no_sense_are_400)
{
    for (auto const* more : {"info=user_count", "filter_by_prefix=private-&info=user_count", "info=cache", "info=age"})
        EXPECT_THAT(get("/apps/3/channels", more), HasSubstr("400 ")) << more;
    EXPECT_THAT(get("/apps/3/channels/a", "info=user_count"), HasSubstr("400 "));
    EXPECT_THAT(get("/apps/3/channels/presence-a", "info=cache"), HasSubstr("400 "));
    EXPECT_THAT(get("/apps/3/channels/a/users"), HasSubstr("400 "));
    EXPECT_THAT(get("/apps/3/channels/a b"), HasSubstr("400 "));
    EXPECT_THAT(post("/apps/3/users/a b/terminate_connections", ""), HasSubstr("400 "));
    EXPECT_EQ(api.total(&api_metrics::bad_request), 9U);
}

TEST_F(api_test, errors_say_in_json_what_was_wrong)
{
    EXPECT_EQ(post("/apps/3/events", "{"), R"(400 {"error":"the body is not JSON: incomplete JSON"})");
    EXPECT_THAT(post("/apps/3/batch_events", R"({"batch":[1,2,3,4,5,6,7,8,9,10,11]})"), HasSubstr("Batch too large"));
    EXPECT_THAT(post("/apps/3/events", R"({"name":"e","channel":"a","data":")" + std::string(10'241, 'x') + "\"}"),
                HasSubstr("413 {\"error\":\"The data content of this event exceeds"));
    EXPECT_EQ(api.total(&api_metrics::too_large), 1U);
}

TEST_F(api_test, an_unknown_app_is_404_and_a_wrong_signature_401)
{
    EXPECT_THAT(post("/apps/4/events", "{}"), HasSubstr("404 "));
    auto forged = request("GET", "/apps/3/channels", "", "");
    forged.target.back() = forged.target.back() == '0' ? '1' : '0';
    EXPECT_THAT(ask(std::move(forged)), HasSubstr("401 {\"error\":\"Invalid signature"));
    auto old = request("GET", "/apps/3/channels", "", "");
    core->advance(std::chrono::seconds{601});
    EXPECT_THAT(ask(std::move(old)), HasSubstr("401 {\"error\":\"Timestamp expired"));
    EXPECT_EQ(api.total(&api_metrics::unauthorized), 2U);
}

TEST_F(api_test, a_disabled_app_is_403_and_only_for_those_who_can_sign)
{
    auto app = the_app();
    app.enabled = false;
    configure(app);
    EXPECT_THAT(get("/apps/3/channels"), HasSubstr("403 "));
    auto forged = request("GET", "/apps/3/channels", "", "");
    forged.target += "0";
    EXPECT_THAT(ask(std::move(forged)), HasSubstr("401 "));
}

TEST_F(api_test, an_allowance_of_requests_is_refilled_every_second)
{
    auto app = the_app();
    app.limits.api_requests_per_second = 2;
    configure(app);
    EXPECT_THAT(get("/apps/3/channels"), HasSubstr("200 "));
    EXPECT_THAT(get("/apps/3/channels"), HasSubstr("200 "));
    EXPECT_THAT(get("/apps/3/channels"), HasSubstr("403 {\"error\":\"over quota"));
    core->advance(std::chrono::milliseconds{500});
    EXPECT_THAT(get("/apps/3/channels"), HasSubstr("200 "));
    EXPECT_THAT(get("/apps/3/channels"), HasSubstr("403 "));
}

TEST_F(api_test, a_new_configuration_is_in_force_for_the_next_request)
{
    auto app = the_app();
    app.keys = {{"new", "other"}, {"key", "secret"}};
    configure(app);
    EXPECT_THAT(get("/apps/3/channels"), HasSubstr("200 ")) << "an old key that is still listed";
    app.keys.pop_back();
    configure(app);
    EXPECT_THAT(get("/apps/3/channels"), HasSubstr("401 {\"error\":\"auth_key is not a key of this app"));
}

TEST_F(api_test, success_waits_for_the_commit_if_a_durable_receiver_wants_the_event)
{
    fulmar::test::core_client durable{*core, 1, "c"};
    durable.connect({.clean = false, .expiry_s = 3600}).subscribe("a", 1);
    core->settle();
    core->store.hold();
    answer_slot slot;
    begin(request("POST", "/apps/3/events", R"({"name":"e","data":"x","channels":["a","b"]})", ""), slot);
    EXPECT_THAT(slot.answers, IsEmpty());
    core->store.confirm_all();
    core->settle();
    ASSERT_EQ(slot.answers.size(), 1U);
    EXPECT_EQ(slot.answers[0].status, 200U);
    EXPECT_THAT(durable.received, ElementsAre("a=x"));
    core->store.release();
    for (auto const& each : keep)
        each->forget();
}

TEST_F(api_test, a_store_that_refuses_is_503_and_nobody_durable_loses_silently)
{
    fulmar::test::core_client durable{*core, 1, "c"};
    durable.connect({.clean = false, .expiry_s = 3600}).subscribe("a", 1);
    core->settle();
    auto const body = R"({"name":"e","data":"x","channels":["a","b"]})";
    core->store.set_state(broker::store_state::full);
    EXPECT_THAT(post("/apps/3/events", body), HasSubstr("503 {\"error\":\"the event was not stored"));
    EXPECT_EQ(post("/apps/3/events", R"({"name":"e","data":"x","channel":"b"})"), "200 {}")
        << "nobody durable wants it";
    core->store.set_state(broker::store_state::healthy);
    core->store.fail_next(broker::errc::store_failed);
    EXPECT_THAT(post("/apps/3/events", body), HasSubstr("503 "));
    EXPECT_EQ(api.total(&api_metrics::unavailable), 2U);
}

TEST_F(api_test, more_requests_than_may_wait_are_503)
{
    auto app = the_app();
    app.limits.api_requests_in_flight = 2;
    configure(app);
    fulmar::test::core_client durable{*core, 1, "c"};
    durable.connect({.clean = false, .expiry_s = 3600}).subscribe("a", 1);
    core->settle();
    core->store.hold();
    answer_slot slot;
    for (int i = 0; i < 3; ++i)
        begin(request("POST", "/apps/3/events", R"({"name":"e","data":"x","channel":"a"})", ""), slot);
    ASSERT_EQ(slot.answers.size(), 1U);
    EXPECT_EQ(slot.answers[0].status, 503U);
    EXPECT_EQ(slot.answers[0].headers.at(0).name, "Retry-After");
    core->store.release();
    core->settle();
    EXPECT_EQ(slot.answers.size(), 3U);
    EXPECT_THAT(get("/apps/3/channels"), HasSubstr("200 "));
}

class slow_store_api_test : public api_test
{
protected:
    slow_store_api_test() : api_test{one_byte_may_wait()} {}
    static broker::limits one_byte_may_wait()
    {
        broker::limits limits;
        limits.store_pending_bytes = 1;
        return limits;
    }
};

TEST_F(slow_store_api_test, while_the_store_is_behind_triggers_wait_and_are_answered_later)
{
    fulmar::test::core_client durable{*core, 1, "c"};
    durable.connect({.clean = false, .expiry_s = 3600}).subscribe("a", 1);
    core->settle();
    core->store.hold();
    answer_slot slot;
    begin(request("POST", "/apps/3/events", R"({"name":"e","data":"x","channel":"a"})", ""), slot);
    begin(request("POST", "/apps/3/events", R"({"name":"e","data":"x","channel":"nobody-durable"})", ""), slot);
    EXPECT_THAT(slot.answers, IsEmpty());
    EXPECT_EQ(api.total(&api_metrics::delayed), 1U);
    EXPECT_EQ(api.total(&api_metrics::events), 1U);
    core->store.release();
    auto const deadline = std::chrono::steady_clock::now() + std::chrono::seconds{60};
    while (slot.answers.size() < 2 && std::chrono::steady_clock::now() < deadline)
        core->settle();
    ASSERT_EQ(slot.answers.size(), 2U);
    EXPECT_EQ(slot.answers[1].status, 200U);
}

TEST_F(api_test, what_a_server_may_not_publish_is_refused_before_anything_is_published)
{
    listening who;
    listen(who, "a", 0);
    EXPECT_THAT(post("/apps/3/events", R"({"name":"e","data":"","channels":["a","a b"]})"), HasSubstr("400 "));
    EXPECT_THAT(post("/apps/3/batch_events", R"({"batch":[{"name":"e","data":"","channel":"a"},{}]})"),
                HasSubstr("400 "));
    EXPECT_THAT(who.received, IsEmpty());
    core->shard(0).routes().unsubscribe(broker::default_app, who, "a");
}

TEST(api_body_limit, grows_with_the_limits_of_the_apps_and_stays_bounded)
{
    auto app = the_app();
    EXPECT_EQ(api_body_bytes_max(broker::app_registry{{app}}), 1024U * 1024);
    app.limits.event_bytes = 512 * 1024;
    auto const large = api_body_bytes_max(broker::app_registry{{app}});
    EXPECT_GE(large, std::size_t{5} * 1024 * 1024);
    app.limits.events_per_batch = 1000;
    EXPECT_EQ(api_body_bytes_max(broker::app_registry{{app}}), std::size_t{64} * 1024 * 1024);
}

}  // namespace
}  // namespace fulmar::pusher
