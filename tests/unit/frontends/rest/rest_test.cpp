#include "frontends/rest/rest_frontend.hpp"

#include "tests/unit/frontends/http_fixture.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <boost/json.hpp>

namespace fulmar::rest {
namespace {

using test::http_bench;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr std::string_view json_type = "Content-Type: application/json\r\n";

// Two members are in presence-room.
struct fixed_presence final : broker::presence_directory
{
    void members(broker::shard&, broker::app_id, std::string channel,
                 std::function<void(broker::channel_members)> done) override
    {
        if (!channel.starts_with("presence-"))
            return done(std::nullopt);
        std::vector<broker::channel_member> found;
        if (channel == "presence-room")
            found = {{"10", R"({"name":"Anna"})", 2}, {"b\"", "", 1}};
        done(std::move(found));
    }
};

struct rest_bench : http_bench
{
    explicit rest_bench(std::size_t shards = 1, std::vector<broker::history_rule> rules = {{{}, "news/#"}},
                        rest_options options = {})
        : http_bench{shards, std::move(rules)}, calls{core.shard(0).node(), access, presence, clients, options}
    {
        calls.add_routes(routes);
    }
    std::string post(std::string_view path, std::string_view body, std::string_view fields = json_type)
    {
        return ask(request("POST", path, fields, body));
    }
    static std::string with(std::string_view more) { return std::string{json_type} + std::string{more}; }
    fixed_presence presence;
    net::client_list clients;
    rest_frontend calls;
};

unsigned status_of(std::string const& answer) { return static_cast<unsigned>(std::stoul(answer.substr(9, 3))); }
boost::json::object body_of(std::string const& answer)
{
    return boost::json::parse(answer.substr(answer.find("\r\n\r\n") + 4)).as_object();
}

// --- publish -------------------------------------------------------------------------------------

TEST(rest_publish, json_reaches_mqtt_subscribers)
{
    rest_bench bench;
    test::core_client client{bench.core, 0, "c"};
    client.connect().subscribe("a/#", 1);
    auto const answer = bench.post("/v1/publish", R"({"topic":"a/b","data":"text"})");
    EXPECT_EQ(status_of(answer), 200U);
    EXPECT_EQ(body_of(answer), (boost::json::object{{"matched", true}}));
    (void)bench.post("/v1/publish", R"({"topic":"a/b","data":{"x":[1,null]}})");
    (void)bench.post("/v1/publish", R"({"topic":"a/b","data":"AAE=","encoding":"base64"})");
    EXPECT_EQ(client.received,
              (std::vector<std::string>{"a/b=text", R"(a/b={"x":[1,null]})", std::string{"a/b=\0\1", 6}}));
}

TEST(rest_publish, json_that_is_no_text_is_handed_on_as_it_was_written)
{
    rest_bench bench;
    test::core_client client{bench.core, 0, "c"};
    client.connect().subscribe("#", 1);
    std::vector<std::string> const values{"0.1",
                                          "9.90",
                                          "-0",
                                          "1e999999",
                                          "123456789012345678901234567890",
                                          "true",
                                          "null",
                                          "[]",
                                          "{}",
                                          R"({"price": 9.90, "of": ["\u0041\"]}", 1E2]})",
                                          R"([[[{"a":"}"}]],"\\"])",
                                          R"({"a":1,"a":2})"};
    for (auto const& value : values) {
        EXPECT_EQ(
            status_of(bench.post("/v1/publish", R"( { "t\u006fpic" : "a" , "data" : )" + value + R"( , "qos":1} )")),
            200U);
        (void)bench.post("/v1/publish/batch", R"({"messages":[ {"data":)" + value + R"(,"topic":"b"},{"topic":"c"}]})");
        (void)bench.post("/v1/publish/batch", "{\"topic\":\"d\",\"data\": " + value + "}\n",
                         "Content-Type: application/x-ndjson\r\n");
        EXPECT_THAT(client.received, testing::ElementsAre("a=" + value, "b=" + value, "c=", "d=" + value));
        client.received.clear();
    }
}

TEST(rest_publish, raw_bodies_are_the_payload)
{
    rest_bench bench;
    test::core_client client{bench.core, 0, "c"};
    client.connect().subscribe("#", 1);
    EXPECT_EQ(
        status_of(bench.post("/v1/publish?topic=a/b&qos=0", "\xff{", "Content-Type: application/octet-stream\r\n")),
        200U);
    EXPECT_EQ(status_of(bench.post("/v1/publish", "x", "Fulmar-Topic: c%2Fd\r\nFulmar-Retain: true\r\n")), 200U);
    EXPECT_EQ(status_of(bench.post("/v1/publish?topic=e", R"({"topic":"f"})")), 200U) << "a topic in the query: raw";
    EXPECT_EQ(client.received, (std::vector<std::string>{"a/b=\xff{", "c/d=x", R"(e={"topic":"f"})"}));
    EXPECT_NE(bench.core.shard(0).node().retained.get(broker::default_app, "c/d"), nullptr);
}

TEST(rest_publish, success_means_committed)
{
    rest_bench bench;
    bench.core.store.hold();
    auto const peer = bench.connect();
    *peer << http_bench::request("POST", "/v1/publish", json_type, R"({"topic":"news/1","data":"x"})");
    EXPECT_EQ(peer->take(), "");
    bench.core.store.confirm_all();
    bench.core.settle();
    EXPECT_THAT(peer->take(), HasSubstr(R"({"id":"0.1","matched":false})"));
}

TEST(rest_publish, a_store_that_refuses_is_said)
{
    rest_bench bench;
    bench.core.store.set_state(broker::store_state::full);
    EXPECT_EQ(status_of(bench.post("/v1/publish", R"({"topic":"news/1"})")), 507U);
    bench.core.store.set_state(broker::store_state::failed);
    EXPECT_EQ(status_of(bench.post("/v1/publish", R"({"topic":"news/1"})")), 503U);
    EXPECT_EQ(status_of(bench.post("/v1/publish", R"({"topic":"a"})")), 200U) << "nobody durable wants it";
}

TEST(rest_publish, mistakes_are_problems_that_say_what_is_wrong)
{
    rest_bench bench;
    for (auto const* const body :
         {"", "{", "[]", "{}", R"({"topic":"a/#"})", R"({"topic":""})", R"({"topic":1})", R"({"topic":"a","qos":2})",
          R"({"topic":"a","retain":1})", R"({"topic":"a","expiry":-1})", R"({"topic":"a","expiry":1e999})",
          R"({"topic":"a","data":"?","encoding":"base64"})", R"({"topic":"a","encoding":"hex"})",
          R"({"topic":"a","event":"x\ny"})", R"({"topic":"a","other":1})", R"({"topic":"a\u0000"})",
          R"({"topic":"a","topic":"b"})", R"({"topic":"a","t\u006fpic":"b"})"}) {
        auto const answer = bench.post("/v1/publish", body);
        EXPECT_EQ(status_of(answer), 400U) << body;
        EXPECT_THAT(answer, HasSubstr("\r\nContent-Type: application/problem+json\r\n"));
        EXPECT_EQ(body_of(answer).at("status"), 400);
        EXPECT_FALSE(body_of(answer).at("detail").as_string().empty());
    }
    EXPECT_EQ(status_of(bench.post("/v1/publish?topic=a&qos=+1", "x", "")), 400U);
    EXPECT_EQ(status_of(bench.post("/v1/publish?topic=%zz", "x", "")), 400U);
    rest_options small;
    small.event_bytes_max = 10;
    rest_bench narrow{1, {}, small};
    EXPECT_EQ(status_of(narrow.post("/v1/publish", R"({"topic":"a","data":"12345678901"})")), 413U);
}

TEST(rest_publish, who_may_not_is_refused)
{
    rest_bench bench;
    auto const body = R"({"topic":"a","data":"x"})";
    EXPECT_EQ(status_of(bench.post("/v1/publish", body, rest_bench::with("Authorization: Bearer good\r\n"))), 403U);
    EXPECT_EQ(status_of(bench.post("/v1/publish", body, rest_bench::with("Authorization: Bearer bad\r\n"))), 401U);
    EXPECT_EQ(status_of(bench.post("/v1/publish", body, rest_bench::with("Authorization: Basic a2V5Ong=\r\n"))), 401U);
    EXPECT_EQ(status_of(bench.post("/v1/publish", body, rest_bench::with("Authorization: Basic *\r\n"))), 401U);
    EXPECT_EQ(status_of(bench.post("/v1/publish", body, rest_bench::with("Authorization: Digest x\r\n"))), 401U);
    EXPECT_EQ(status_of(bench.post("/v1/publish", R"({"topic":"$SYS/x"})", rest_bench::with(http_bench::basic))), 403U);
    EXPECT_EQ(status_of(bench.post("/v1/publish", R"({"topic":"private-x"})")), 403U);
    EXPECT_EQ(status_of(bench.post("/v1/publish", R"({"topic":"private-x"})", rest_bench::with(http_bench::basic))),
              200U);
    EXPECT_THAT(bench.post("/v1/publish", body, rest_bench::with("Authorization: Bearer bad\r\n")),
                HasSubstr("\r\nWWW-Authenticate: Bearer realm=\"fulmar\""));
}

TEST(rest_publish, foreign_pages_publish_nothing)  // attack list D6
{
    rest_bench bench;
    EXPECT_EQ(status_of(bench.post("/v1/publish?topic=a", "x",
                                   "Content-Type: text/plain\r\nOrigin: https://evil.example\r\n")),
              403U);
    EXPECT_EQ(bench.calls.published(), 0U);
}

TEST(rest_publish, a_batch_is_taken_whole_or_not_at_all)
{
    rest_bench bench;
    test::core_client client{bench.core, 0, "c"};
    client.connect().subscribe("#", 1);
    EXPECT_EQ(status_of(bench.post("/v1/publish/batch", R"({"messages":[{"topic":"a"},{"topic":"b/#"}]})")), 400U);
    EXPECT_TRUE(client.received.empty());
    auto const answer =
        bench.post("/v1/publish/batch", R"({"messages":[{"topic":"a","data":"1"},{"topic":"news/1","data":"2"}]})");
    EXPECT_EQ(body_of(answer), boost::json::parse(R"({"results":[{"matched":true},{"id":"0.1","matched":true}]})"));
    (void)bench.post("/v1/publish/batch", "{\"topic\":\"c\",\"data\":\"3\"}\n\n{\"topic\":\"d\",\"data\":\"4\"}\n",
                     "Content-Type: application/x-ndjson\r\n");
    EXPECT_EQ(client.received, (std::vector<std::string>{"a=1", "news/1=2", "c=3", "d=4"}));
    EXPECT_EQ(status_of(bench.post("/v1/publish/batch", R"({"messages":[]})")), 400U);
    std::string many = R"({"messages":[{"topic":"a"})";
    for (int i = 0; i < 1'000; ++i)
        many += R"(,{"topic":"a"})";
    EXPECT_EQ(status_of(bench.post("/v1/publish/batch", many + "]}")), 413U);
    bench.core.store.set_state(broker::store_state::full);
    auto const partly = bench.post("/v1/publish/batch", R"({"messages":[{"topic":"a"},{"topic":"news/1"}]})");
    EXPECT_EQ(status_of(partly), 507U);
    EXPECT_EQ(body_of(partly).at("results").as_array().size(), 2U);
}

TEST(rest_publish, a_repeated_key_publishes_once)
{
    rest_bench bench;
    auto const fields = rest_bench::with("Idempotency-Key: k1\r\n");
    auto const body = R"({"topic":"news/1","data":"x"})";
    auto const first = bench.post("/v1/publish", body, fields);
    auto const again = bench.post("/v1/publish", body, fields);
    EXPECT_EQ(body_of(first), body_of(again));
    EXPECT_THAT(again, HasSubstr("\r\nIdempotency-Replayed: true\r\n"));
    EXPECT_EQ(bench.calls.published(), 1U);
    EXPECT_EQ(status_of(bench.post("/v1/publish", R"({"topic":"news/1","data":"y"})", fields)), 422U);
    EXPECT_EQ(status_of(bench.post("/v1/publish", body, fields + std::string{http_bench::basic})), 200U);
    EXPECT_EQ(bench.calls.published(), 2U) << "another identity's key";
    bench.core.advance(std::chrono::seconds{301});
    EXPECT_EQ(status_of(bench.post("/v1/publish", body, fields)), 200U);
    EXPECT_EQ(bench.calls.published(), 3U);
}

TEST(rest_publish, a_repeated_key_waits_for_nobody_and_forgets_failures)
{
    rest_bench bench;
    auto const fields = rest_bench::with("Idempotency-Key: k\r\n");
    auto const body = R"({"topic":"news/1"})";
    bench.core.store.hold();
    auto const peer = bench.connect();
    *peer << http_bench::request("POST", "/v1/publish", fields, body);
    EXPECT_EQ(status_of(bench.post("/v1/publish", body, fields)), 409U);
    bench.core.store.fail_next(broker::errc::store_full);
    bench.core.store.release();
    bench.core.settle();
    EXPECT_EQ(status_of(peer->take()), 507U);
    EXPECT_EQ(status_of(bench.post("/v1/publish", body, fields)), 200U);
}

// --- looking -------------------------------------------------------------------------------------

TEST(rest_history, it_is_read_forwards_and_backwards_page_by_page)
{
    rest_bench bench;
    for (int n = 1; n <= 5; ++n)
        bench.core.publish(0, test::core_broker::make("news/a/b", std::to_string(n)));
    auto const ids = [&](std::string_view query) {
        auto const body = body_of(bench.ask(http_bench::get("/v1/history/news/a/b" + std::string{query})));
        std::string out;
        for (auto const& m : body.at("messages").as_array())
            out += std::string{m.at("data").as_string()} + " ";
        if (body.contains("next"))
            out += std::string{"next "} + body.at("next").as_string().c_str();
        return out;
    };
    EXPECT_EQ(ids(""), "1 2 3 4 5 ");
    EXPECT_EQ(ids("?limit=2"), "1 2 next 0.2");
    EXPECT_EQ(ids("?limit=2&since=0.2"), "3 4 next 0.4");
    EXPECT_EQ(ids("?limit=2&since=0.4"), "5 ");
    EXPECT_EQ(ids("?reverse=true&limit=2"), "5 4 next 0.4");
    EXPECT_EQ(ids("?reverse=true&limit=3&before=0.4"), "3 2 1 ");
    EXPECT_EQ(status_of(bench.ask(http_bench::get("/v1/history/other"))), 404U);
    for (auto const* const query : {"?limit=0", "?limit=1001", "?since=x", "?before=x", "?reverse=2"})
        EXPECT_EQ(status_of(bench.ask(http_bench::get("/v1/history/news/a/b" + std::string{query}))), 400U) << query;
}

TEST(rest_history, backwards_the_newest_come_first_even_where_their_bytes_fill_a_page)
{
    rest_bench bench;
    std::string const large(3 * 1024 * 1024, 'x');
    for (int n = 1; n <= 5; ++n)
        bench.core.publish(0, test::core_broker::make("news/1", std::to_string(n) + large));
    auto const page = body_of(bench.ask(http_bench::get("/v1/history/news/1?reverse=true&limit=5")));
    auto const& messages = page.at("messages").as_array();
    ASSERT_FALSE(messages.empty());
    EXPECT_EQ(messages.front().at("data").as_string().front(), '5');
    EXPECT_LT(messages.size(), 5U);
    EXPECT_TRUE(page.contains("next"));
}

TEST(rest_history, a_rule_limits_what_can_be_read)
{
    rest_bench bench{1, {{{}, "news/#", 0, 3, 0}}};
    for (int n = 1; n <= 5; ++n)
        bench.core.publish(0, test::core_broker::make("news/1", std::to_string(n)));
    auto const all = body_of(bench.ask(http_bench::get("/v1/history/news/1")));
    EXPECT_EQ(all.at("messages").as_array().size(), 3U);
    EXPECT_EQ(body_of(bench.ask(http_bench::get("/v1/history/news/1?since=0.1"))).at("gap"), true);
    auto const back = body_of(bench.ask(http_bench::get("/v1/history/news/1?reverse=1&before=0.4")));
    EXPECT_EQ(back.at("messages").as_array().size(), 1U);
    bench.core.store.trim_to(4);
    EXPECT_EQ(body_of(bench.ask(http_bench::get("/v1/history/news/1?since=0.2"))).at("gap"), true);
}

TEST(rest_history, it_is_not_for_everybody)
{
    rest_bench bench{1, {{{}, "#"}}};
    auto const fields = "Authorization: Bearer good\r\n";
    EXPECT_EQ(status_of(bench.ask(http_bench::get("/v1/history/news/1", fields))), 200U);
    EXPECT_EQ(status_of(bench.ask(http_bench::get("/v1/history/other", fields))), 403U);
    EXPECT_EQ(status_of(bench.ask(http_bench::get("/v1/topics/other", fields))), 403U);
    EXPECT_EQ(status_of(bench.ask(http_bench::get("/v1/retained/other", fields))), 403U);
}

TEST(rest_topics, they_are_counted_over_all_shards)
{
    rest_bench bench{2};
    test::core_client one{bench.core, 0, "one"};
    test::core_client two{bench.core, 1, "two"};
    one.connect().subscribe("news/1", 1).subscribe("a", 0);
    two.connect().subscribe("news/+", 0).subscribe("a", 0);
    bench.core.publish(0, test::core_broker::make("news/1", "x", 1, true));
    auto const topic = body_of(bench.ask(http_bench::get("/v1/topics/news/1")));
    EXPECT_EQ(topic, boost::json::parse(
                         R"({"topic":"news/1","subscribers":2,"retained":true,"history":true,"last_id":"0.1"})"));
    auto const list = body_of(bench.ask(http_bench::get("/v1/topics?limit=2", http_bench::basic), 1));
    EXPECT_EQ(list,
              boost::json::parse(
                  R"({"topics":[{"topic":"a","subscribers":2},{"topic":"news/+","subscribers":1}],"next":"news/+"})"));
    auto const rest = body_of(bench.ask(http_bench::get("/v1/topics?after=news/%2B&prefix=news", http_bench::basic)));
    EXPECT_EQ(rest, boost::json::parse(R"({"topics":[{"topic":"news/1","subscribers":1}]})"));
}

TEST(rest_topics, a_retained_message_is_read_and_removed)
{
    rest_bench bench;
    (void)bench.post("/v1/publish", R"({"topic":"a/b","data":"x","retain":true})");
    EXPECT_EQ(body_of(bench.ask(http_bench::get("/v1/retained/a/b"))).at("data"), "x");
    EXPECT_EQ(status_of(bench.ask(http_bench::request("DELETE", "/v1/retained/a/b", "", ""))), 204U);
    EXPECT_EQ(status_of(bench.ask(http_bench::get("/v1/retained/a/b"))), 404U);
    EXPECT_TRUE(bench.core.store.retained().empty());
}

TEST(rest_presence, the_members_of_a_channel_are_told_to_those_who_may_read_it)
{
    rest_bench bench;
    auto const room = bench.ask(http_bench::get("/v1/presence/presence-room", http_bench::basic));
    EXPECT_EQ(body_of(room), boost::json::parse(R"({"topic":"presence-room","count":2,"members":[
        {"id":"10","info":{"name":"Anna"},"connections":2},{"id":"b\"","connections":1}]})"));
    auto const empty = bench.ask(http_bench::get("/v1/presence/presence-other", http_bench::basic));
    EXPECT_EQ(body_of(empty), boost::json::parse(R"({"topic":"presence-other","count":0,"members":[]})"));
    EXPECT_EQ(status_of(bench.ask(http_bench::get("/v1/presence/news", http_bench::basic))), 404U);
    EXPECT_EQ(status_of(bench.ask(http_bench::get("/v1/presence/presence-room"))), 403U)
        << "wildcards do not reach presence channels";
    EXPECT_EQ(status_of(bench.ask(http_bench::get("/v1/presence/presence-room", "Authorization: Bearer good\r\n"))),
              403U);
}

TEST(rest_sessions, they_are_listed_kicked_and_dropped_by_administrators)
{
    rest_bench bench{2};
    test::core_client durable{bench.core, 1, "d/1"};
    test::core_client passing{bench.core, 0, "p"};
    durable.connect({.clean = false, .expiry_s = 100, .user = "u"});
    passing.connect();
    EXPECT_EQ(status_of(bench.ask(http_bench::get("/v1/sessions"))), 401U);
    EXPECT_EQ(status_of(bench.ask(http_bench::get("/v1/sessions", "Authorization: Bearer good\r\n"))), 403U);
    durable.subscribe("a/#", 1);
    auto const list = body_of(bench.ask(http_bench::get("/v1/sessions", http_bench::basic)));
    EXPECT_EQ(list, boost::json::parse(R"({"sessions":[{"client_id":"d/1","user":"u","connected":true,"durable":true,
        "expiry":100,"position":"0.0","subscription_count":1,"in_flight":0,"shard":1},
        {"client_id":"p","user":"","connected":true,"durable":false,"subscription_count":0,"in_flight":0,"shard":0}]})"));
    auto const end = [&](std::string_view what) {
        return status_of(bench.ask(http_bench::request("DELETE", what, http_bench::basic, "")));
    };
    durable.disconnect();
    auto const one = body_of(bench.ask(http_bench::get("/v1/sessions/d/1", http_bench::basic)));
    EXPECT_EQ(one.at("connected"), false);
    EXPECT_EQ(one.at("away_since"), bench.core.clock.wall());
    EXPECT_EQ(one.at("subscriptions"), boost::json::parse(R"([{"topic":"a/#","qos":1}])"));
    auto const listed = [&](std::string_view query) {
        return body_of(bench.ask(http_bench::get("/v1/sessions?" + std::string{query}, http_bench::basic)))
            .at("sessions")
            .as_array()
            .size();
    };
    EXPECT_EQ(listed("connected=true"), 1U);
    EXPECT_EQ(listed("connected=false"), 1U);
    EXPECT_EQ(listed("user=u"), 1U);
    EXPECT_EQ(listed("user=v"), 0U);
    EXPECT_EQ(status_of(bench.ask(http_bench::get("/v1/sessions?connected=1", http_bench::basic))), 400U);
    EXPECT_EQ(end("/v1/sessions/d/1"), 202U);
    bench.core.settle();
    EXPECT_EQ(end("/v1/sessions/d/1"), 404U);
    EXPECT_TRUE(bench.core.store.sessions().empty());
    EXPECT_EQ(body_of(bench.ask(http_bench::get("/v1/sessions?after=o&limit=1", http_bench::basic)))
                  .at("sessions")
                  .as_array()
                  .size(),
              1U);
}

// A client of some protocol.
struct described_client final : net::protocol
{
    std::size_t on_bytes(std::span<char const> in) override { return in.size(); }
    void on_deadline() override {}
    void on_closed(bool) override {}
    void end_by_administrator() override { ended = true; }
    net::client_description what;
    std::uint64_t number = 0;
    bool ended = false;
};

TEST(rest_connections, clients_of_all_protocols_are_listed_found_and_ended)
{
    rest_bench bench{2};
    std::vector<std::vector<described_client>> there(2);
    bench.clients.add_source([&](broker::shard& here, net::client_visitor& visitor) {
        for (auto& one : there[here.id()]) {
            if (!visitor.on_client(one.number, net::client_description{one.what}, one))
                return;
        }
    });
    auto const add = [&](broker::shard_id shard, std::uint64_t number, std::string_view protocol, std::string user,
                         std::string client_id, std::string peer, broker::app_id app = {}) {
        auto& one = there[shard].emplace_back();
        one.number = number;
        one.what = {protocol, "tcp", app, std::move(user), std::move(client_id), std::move(peer), 99, true, 5000, 7};
    };
    there[0].reserve(4);
    there[1].reserve(4);
    add(0, 12, "mqtt", "u", "m/1", "10.0.0.1");
    add(0, 3, "sse", "v", "", "10.0.0.2");
    add(1, 5, "pusher", "u", "1.2", "10.0.1.1");
    add(1, 6, "mqtt", "x", "other", "10.0.0.1", broker::app_id{7});
    auto const get = [&](std::string const& what) {
        return body_of(bench.ask(http_bench::get("/v1/connections" + what, http_bench::basic)));
    };
    auto const ids = [&](std::string const& query) {
        std::string out;
        auto const page = get(query);
        for (auto const& row : page.at("connections").as_array())
            out.append(row.at("id").as_string()).append(" ");
        return out;
    };
    EXPECT_EQ(get("/0-12"), boost::json::parse(R"({"id":"0-12","protocol":"mqtt","transport":"tcp","tls":true,
        "peer":"10.0.0.1","port":99,"user":"u","client_id":"m/1","connected_at":5000,"backlog_bytes":7,"shard":0})"));
    EXPECT_EQ(ids(""), "0-3 0-12 1-5 ") << "in the order of their ids, without those of other apps";
    EXPECT_EQ(ids("?protocol=mqtt"), "0-12 ");
    EXPECT_EQ(ids("?user=u"), "0-12 1-5 ");
    EXPECT_EQ(ids("?peer=10.0.0.0/24"), "0-3 0-12 ");
    EXPECT_EQ(ids("?peer=10.0.0.1"), "0-12 ");
    EXPECT_EQ(ids("?user="), "") << "nobody is anonymous";
    for (std::string const bad : {"?peer=10.0.0.", "?protocol=mqqt", "?after=x"})
        EXPECT_EQ(status_of(bench.ask(http_bench::get("/v1/connections" + bad, http_bench::basic))), 400U) << bad;
    EXPECT_EQ(ids("?prefix=m"), "0-12 ");
    EXPECT_EQ(ids("?client_id=1.2"), "1-5 ");
    EXPECT_EQ(get("?limit=1").at("next"), "0-3");
    EXPECT_EQ(ids("?limit=1&after=0-3"), "0-12 ");
    EXPECT_EQ(ids("?limit=1&after=0-12"), "1-5 ");
    EXPECT_FALSE(get("?limit=1&after=0-12").contains("next"));

    auto const end = [&](std::string const& what) {
        return bench.ask(http_bench::request("DELETE", "/v1/connections" + what, http_bench::basic, ""));
    };
    EXPECT_EQ(status_of(end("/1-6")), 404U) << "of another app";
    EXPECT_EQ(status_of(end("/1-4")), 404U);
    EXPECT_EQ(status_of(end("/m")), 404U);
    EXPECT_EQ(status_of(bench.ask(http_bench::get("/v1/connections/0-4", http_bench::basic))), 404U);
    EXPECT_EQ(status_of(end("")), 400U) << "not everybody by mistake";
    EXPECT_EQ(status_of(end("/1-5")), 202U);
    EXPECT_TRUE(there[1][0].ended);
    EXPECT_FALSE(there[0][0].ended);
    EXPECT_EQ(body_of(end("?user=v&protocol=sse")), boost::json::parse(R"({"ended":1})"));
    EXPECT_TRUE(there[0][1].ended);
    EXPECT_FALSE(there[1][1].ended);
    EXPECT_EQ(status_of(bench.ask(http_bench::get("/v1/connections", "Authorization: Bearer good\r\n"))), 403U);
}

TEST(rest_tickets, they_are_for_what_their_owner_may_read)
{
    rest_bench bench;
    auto const fields = rest_bench::with("Authorization: Bearer good\r\n");
    auto const answer = bench.post("/v1/tickets", R"({"topics":["news/#"]})", fields);
    EXPECT_EQ(status_of(answer), 201U);
    EXPECT_EQ(body_of(answer).at("expires_in"), 30);
    auto const redeemed =
        bench.tickets.redeem(body_of(answer).at("ticket").as_string().c_str(), bench.core.clock.wall());
    ASSERT_TRUE(redeemed);
    EXPECT_EQ(redeemed->who.user, "jwt:ann");
    EXPECT_EQ(status_of(bench.post("/v1/tickets", R"({"topics":["other"]})", fields)), 403U);
    EXPECT_EQ(status_of(bench.post("/v1/tickets", R"({"topics":["a/#/b"]})", fields)), 400U);
    EXPECT_EQ(status_of(bench.post("/v1/tickets", R"({"topics":"a"})", fields)), 400U);
    EXPECT_EQ(status_of(bench.post("/v1/tickets", R"({"other":[]})", fields)), 400U);
}

// --- the document --------------------------------------------------------------------------------

TEST(rest_openapi, every_call_is_described_and_every_description_is_a_call)
{
    rest_bench bench;
    auto const document = body_of(bench.ask(http_bench::get("/v1/openapi.json")));
    EXPECT_EQ(document.at("openapi"), "3.1.0");
    std::size_t described = 0;
    for (auto const& [path, methods] : document.at("paths").as_object()) {
        for (auto const& [name, call] : methods.as_object()) {
            ++described;
            std::string method{name};
            for (auto& c : method)
                c = static_cast<char>(c - 'a' + 'A');
            std::string target{path};
            if (auto const begin = target.find('{'); begin != std::string::npos) {
                target.replace(begin, std::string::npos, target.ends_with("{id}") ? "0-1" : "x/y");
                EXPECT_EQ(call.at("parameters").as_array().at(0).at("in"), "path") << target;
            }
            EXPECT_NE(bench.routes.find(method, target, false).route, nullptr) << method << " " << target;
            auto const& responses = call.at("responses").as_object();
            auto const answer = bench.ask(http_bench::request(method, target, http_bench::basic, ""));
            EXPECT_TRUE(responses.contains(std::to_string(status_of(answer))))
                << method << " " << target << ": " << answer;
        }
    }
    EXPECT_EQ(described, operations().size());
}

TEST(rest_openapi, what_is_not_there_is_said)
{
    rest_bench bench;
    EXPECT_EQ(status_of(bench.ask(http_bench::get("/v1/nothing"))), 404U);
    EXPECT_EQ(status_of(bench.ask(http_bench::request("DELETE", "/v1/publish", "", ""))), 405U);
    EXPECT_THAT(bench.ask(http_bench::request("OPTIONS", "/v1/retained/a", "", "")),
                HasSubstr("\r\nAllow: GET, HEAD, DELETE, OPTIONS\r\n"));
    EXPECT_THAT(bench.ask(http_bench::get("/v1/history/a/../b")), StartsWith("HTTP/1.1 400 "));
}

}  // namespace
}  // namespace fulmar::rest
