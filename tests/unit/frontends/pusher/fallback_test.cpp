// Pusher over HTTP: requests go in as bytes, on any shard, and what comes out are the frames that pusher-js reads.
#include "frontends/pusher/http_fallback.hpp"
#include "tests/unit/frontends/http_fixture.hpp"
#include "tests/unit/frontends/pusher/pusher_fixture.hpp"

namespace fulmar::pusher::test {
namespace {

using namespace std::chrono_literals;
using fulmar::test::http_peer;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr auto stream_name = "/123/abcdefgh";

class fallback_bench
{
public:
    explicit fallback_bench(std::size_t shards = 1, std::function<void(broker::app&)> const& change = {},
                            std::size_t sessions_max = 100)
        : broker{shards, change}
    {
        fallback.emplace(broker.core.shard(0).node(), *broker.front, sessions_max);
        fallback->add_routes(routes);
    }
    ~fallback_bench() { broker.settle(); }

    // A request that is under way; what was answered so far is in `received`.
    [[nodiscard]] std::unique_ptr<http_peer> post(std::string const& path, std::string_view body = "",
                                                  std::size_t shard = 0, std::string_view fields = "")
    {
        auto peer = std::make_unique<http_peer>(broker.core, routes, settings, shard);
        auto text = "POST " + path + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
        text.append(fields).append("Content-Length: ").append(std::to_string(body.size())).append("\r\n\r\n");
        *peer << text.append(body);
        return peer;
    }
    [[nodiscard]] static std::string path(std::string_view what, std::string const& name = stream_name,
                                          std::string const& before = "/pusher", std::string const& key = "key0")
    {
        return before + "/app/" + key + name + "/" + std::string{what} + "?protocol=7&client=js&version=8.6.0&t=1&n=1";
    }
    [[nodiscard]] auto stream(std::size_t shard = 0) { return post(path("xhr_streaming"), "", shard); }
    [[nodiscard]] auto poll(std::size_t shard = 0) { return post(path("xhr"), "", shard); }
    // The status of the answer.
    std::string says(std::vector<std::string> const& messages, std::size_t shard = 0, std::string_view fields = "")
    {
        std::string body = "[";
        for (auto const& message : messages) {
            body += body.size() == 1 ? "" : ",";
            append_json_string(body, message);
        }
        return post(path("xhr_send"), body + "]", shard, fields)->take().substr(9, 3);
    }
    std::string subscribes(std::string const& channel, std::size_t shard = 0)
    {
        return says({R"({"event":"pusher:subscribe","data":{"channel":")" + channel + "\"}}"}, shard);
    }
    void advance(std::chrono::milliseconds by)
    {
        broker.advance(by);
        for (std::size_t i = 0; i < broker.front->channels().shard_count(); ++i)
            fallback->at(broker.core.shard(i)).tick();
        broker.settle();
    }
    [[nodiscard]] std::uint64_t open() { return broker.front->total(&pusher_metrics::http_sessions); }

    pusher_broker broker;
    net::http_router routes;
    net::http_settings settings;
    std::optional<http_fallback> fallback;
};

// What follows the head of an answer.
[[nodiscard]] std::string body_of(std::string const& answer)
{
    auto const end = answer.find("\r\n\r\n");
    return end == std::string::npos ? "no answer" : answer.substr(end + 4);
}

constexpr auto established = R"(a["{\"event\":\"pusher:connection_established\")";

TEST(pusher_fallback, a_stream_opens_a_session_and_goes_on)
{
    fallback_bench bench;
    auto const peer = bench.stream();
    auto const head = peer->take();
    EXPECT_THAT(head, StartsWith("HTTP/1.1 200 OK\r\n"));
    for (auto const* const line : {"Access-Control-Allow-Origin: *\r\n", "X-Accel-Buffering: no\r\n",
                                   "Cache-Control: no-store, no-transform\r\n", "Connection: close\r\n"})
        EXPECT_THAT(head, HasSubstr(line));
    EXPECT_THAT(head, Not(HasSubstr("Content-Length")));
    EXPECT_THAT(body_of(head), StartsWith(std::string{"o\n"} + established));
    EXPECT_EQ(bench.subscribes("c"), "204");
    EXPECT_THAT(peer->take(), HasSubstr("subscription_succeeded"));
    bench.broker.publish(0, "c", "e", "\"ä\n\"");
    bench.broker.publish(0, "c", "e", "2");
    EXPECT_EQ(peer->take(),
              "a[\"{\\\"event\\\":\\\"e\\\",\\\"channel\\\":\\\"c\\\",\\\"data\\\":\\\"\\\\\\\"ä\\\\n\\\\\\\"\\\"}\"]\n"
              "a[\"{\\\"event\\\":\\\"e\\\",\\\"channel\\\":\\\"c\\\",\\\"data\\\":\\\"2\\\"}\"]\n");
    EXPECT_FALSE(peer->closed);
    EXPECT_EQ(bench.open(), 1U);
}

TEST(pusher_fallback, a_poll_is_answered_as_soon_as_there_is_something_and_the_connection_stays)
{
    fallback_bench bench;
    auto const peer = bench.poll();
    EXPECT_THAT(body_of(peer->take()), StartsWith(std::string{"o\n"} + established));
    EXPECT_FALSE(peer->closed);
    EXPECT_EQ(bench.subscribes("c"), "204");
    bench.broker.publish(0, "c", "e", "1");  // between two polls
    auto const second = bench.poll();
    EXPECT_THAT(body_of(second->take()), HasSubstr(R"(subscription_succeeded\",\"channel\":\"c\",\"data\":\"{}\"}",)"
                                                   R"("{\"event\":\"e\",\"channel\":\"c\",\"data\":\"1\"}"])"));
    auto const third = bench.poll();
    EXPECT_EQ(third->take(), "");
    bench.broker.publish(0, "c", "e", "2");
    EXPECT_EQ(body_of(third->take()),
              "a[\"{\\\"event\\\":\\\"e\\\",\\\"channel\\\":\\\"c\\\",\\\"data\\\":\\\"2\\\"}\"]\n");
}

TEST(pusher_fallback, requests_of_one_session_may_arrive_on_any_shard)
{
    fallback_bench bench{3};
    for (std::size_t shard = 0; shard < 3; ++shard) {
        auto const poll = bench.poll(shard);
        EXPECT_THAT(poll->take(), HasSubstr(shard == 0 ? "o\n" : "subscription_succeeded"));
        EXPECT_EQ(bench.subscribes("c" + std::to_string(shard), (shard + 1) % 3), "204");
    }
    auto const stream = bench.stream(1);
    (void)stream->take();
    for (std::size_t shard = 0; shard < 3; ++shard)
        bench.broker.publish(shard, "c" + std::to_string(shard), "e", "1");
    auto const got = stream->take();
    for (auto const* const channel : {"c0", "c1", "c2"})
        EXPECT_THAT(got, HasSubstr(std::string{R"(\"channel\":\")"} + channel));
    EXPECT_EQ(bench.open(), 1U);
}

TEST(pusher_fallback, any_path_in_front_and_none_are_accepted)
{
    fallback_bench bench;
    for (std::string const before : {"", "/pusher", "/other"}) {
        auto const peer = bench.post(bench.path("xhr", "/1/abcdefg" + std::to_string(before.size()), before));
        EXPECT_THAT(peer->take(), HasSubstr("connection_established")) << before;
    }
}

TEST(pusher_fallback, a_session_name_that_could_be_guessed_is_no_session)
{
    fallback_bench bench;
    for (auto const* const name : {"/1/short", "/1/abcdefg.", "/1.2/abcdefgh", "/12345678901234567/abcdefgh"})
        for (auto const* const what : {"xhr", "xhr_streaming", "xhr_send"})
            EXPECT_THAT(bench.post(bench.path(what, name), "[]")->take(), StartsWith("HTTP/1.1 404")) << name;
    EXPECT_THAT(bench.post(bench.path("xhr", "/1/" + std::string(65, 'a')))->take(), StartsWith("HTTP/1.1 404"));
    EXPECT_EQ(bench.open(), 0U);
}

TEST(pusher_fallback, a_full_response_ends_and_the_next_one_goes_on_without_a_gap)
{
    for (std::size_t const shards : {1U, 2U}) {
        fallback_bench bench{shards};
        auto stream = bench.stream(shards - 1);
        (void)bench.subscribes("c");
        std::size_t length = utf16_length(body_of(stream->take()));
        constexpr std::size_t total = 300;
        std::string got;
        std::size_t responses = 1;
        for (std::size_t n = 0; n < total; ++n) {
            bench.broker.publish(n % shards, "c", "e", "#" + std::to_string(n) + "ä𝄞" + std::string(4000, 'x'));
            auto const text = stream->take();
            got += text;
            length += utf16_length(text);
            if (!stream->closed) {
                EXPECT_LE(length, fallback_session::response_length_max);
                continue;
            }
            EXPECT_GT(length, fallback_session::response_length_max);
            ++responses;
            bench.broker.publish(0, "c", "e", "#between");
            stream->lose();
            stream = bench.stream(n % shards);
            auto const answer = body_of(stream->take());
            EXPECT_THAT(answer, Not(StartsWith("o")));  // pusher-js would take it for a lost session
            EXPECT_THAT(answer, HasSubstr("#between"));
            got += answer;
            length = utf16_length(answer);
        }
        EXPECT_GT(responses, 3U);
        std::size_t at = 0;
        for (std::size_t n = 0; n < total; ++n) {
            at = got.find("#" + std::to_string(n) + "ä", at);
            ASSERT_NE(at, std::string::npos) << n;
        }
        EXPECT_EQ(bench.open(), 1U);
    }
}

TEST(pusher_fallback, a_second_request_to_receive_takes_the_place_of_the_first)
{
    fallback_bench bench{2};
    auto const first = bench.stream(0);
    (void)first->take();
    auto const second = bench.stream(1);
    EXPECT_EQ(first->take(), "c[2010,\"Another connection still open\"]\n");
    EXPECT_TRUE(first->closed);
    auto const third = bench.poll(0);
    EXPECT_THAT(second->take(), EndsWith("c[2010,\"Another connection still open\"]\n"));
    first->lose();  // the loss of one that was replaced harms nobody
    second->lose();
    (void)bench.subscribes("c");
    EXPECT_THAT(third->take(), HasSubstr("subscription_succeeded"));
    EXPECT_EQ(bench.open(), 1U);
}

TEST(pusher_fallback, a_poll_whose_connection_ends_ends_the_session_within_a_second)
{
    fallback_bench bench{2};
    (void)bench.poll()->take();
    (void)bench.subscribes("c", 1);
    (void)bench.poll()->take();
    auto const poll = bench.poll(1);
    bench.advance(1s);
    EXPECT_TRUE(bench.broker.state(0, "c").occupied());
    poll->lose();
    bench.advance(1s);
    EXPECT_FALSE(bench.broker.state(0, "c").occupied());
    EXPECT_EQ(bench.open(), 0U);
}

TEST(pusher_fallback, a_stream_that_is_cut_off_ends_the_session)
{
    fallback_bench bench{2, [](broker::app& app) { app.limits.connections_max = 1; }};
    auto const stream = bench.stream(0);
    (void)bench.subscribes("c", 1);
    EXPECT_TRUE(bench.broker.state(0, "c").occupied());
    EXPECT_THAT(bench.post(bench.path("xhr", "/1/zzzzzzzz"))->take(), HasSubstr("c[4004,"));  // the app's quota
    stream->lose();
    bench.broker.settle();
    EXPECT_FALSE(bench.broker.state(0, "c").occupied());
    EXPECT_EQ(bench.open(), 0U);
    EXPECT_EQ(bench.says({}), "404");
    EXPECT_THAT(bench.poll()->take(), HasSubstr("o\na["));
}

TEST(pusher_fallback, a_client_that_does_not_come_back_is_forgotten_after_25_seconds)
{
    fallback_bench bench;
    (void)bench.poll()->take();
    (void)bench.subscribes("c");
    bench.advance(24s);
    EXPECT_EQ(bench.open(), 1U);
    bench.advance(1s);
    EXPECT_EQ(bench.open(), 0U);
    EXPECT_FALSE(bench.broker.state(0, "c").occupied());
    EXPECT_EQ(bench.broker.front->total(&pusher_metrics::http_sessions_expired), 1U);
    EXPECT_THAT(bench.poll()->take(), HasSubstr("o\n"));  // who comes too late learns that it is another session
}

TEST(pusher_fallback, silence_is_broken_every_25_seconds)
{
    fallback_bench bench;
    auto const stream = bench.stream();
    (void)stream->take();
    bench.advance(24s);
    EXPECT_EQ(stream->take(), "");
    bench.advance(1s);
    EXPECT_EQ(stream->take(), "h\n");
    EXPECT_EQ(bench.says({}), "204");  // its answer, which is not answered in turn
    EXPECT_EQ(stream->take(), "");
    EXPECT_EQ(bench.says({}), "204");  // a ping of its own
    EXPECT_EQ(stream->take(), "h\n");
    EXPECT_EQ(bench.says({}), "204");
    EXPECT_EQ(stream->take(), "");
}

TEST(pusher_fallback, a_waiting_poll_is_ended_by_a_sign_of_life)
{
    fallback_bench bench;
    (void)bench.poll()->take();
    auto const poll = bench.poll();
    bench.advance(25s);
    EXPECT_EQ(body_of(poll->take()), "h\n");
    (void)bench.says({});  // pusher-js does not answer "h" when it polls: this is a ping
    EXPECT_EQ(body_of(bench.poll()->take()), "h\n");
}

TEST(pusher_fallback, the_protocol_asks_who_is_silent_and_closes_with_4201)
{
    fallback_bench bench;
    auto const stream = bench.stream();
    (void)stream->take();
    for (int i = 0; i < 12; ++i)
        bench.advance(10s);
    EXPECT_THAT(stream->take(), HasSubstr("pusher:ping"));
    bench.advance(15s);
    (void)stream->take();
    bench.advance(15s);
    EXPECT_THAT(stream->take(), EndsWith("c[4201,\"Pong reply not received\"]\n"));
    EXPECT_TRUE(stream->closed);
    EXPECT_EQ(bench.open(), 0U);
}

TEST(pusher_fallback, a_refusal_is_told_in_frames_that_any_page_may_read)
{
    fallback_bench bench{1, [](broker::app& app) { app.allowed_origins = {"https://good.example"}; }};
    auto const unknown = bench.post(bench.path("xhr", stream_name, "/pusher", "nobody"))->take();
    EXPECT_THAT(unknown, StartsWith("HTTP/1.1 200"));
    EXPECT_EQ(body_of(unknown), "o\nc[4001,\"Could not find an app with this key\"]\n");
    auto const foreign = bench.post(bench.path("xhr_streaming"), "", 0, "Origin: https://bad.example\r\n");
    EXPECT_THAT(foreign->received, HasSubstr("Access-Control-Allow-Origin: *"));
    EXPECT_EQ(body_of(foreign->received), "o\nc[4009,\"This origin may not connect\"]\n");
    EXPECT_TRUE(foreign->closed);
    EXPECT_THAT(bench.post(bench.path("xhr"), "", 0, "Origin: https://good.example\r\n")->take(),
                HasSubstr("connection_established"));
}

TEST(pusher_fallback, a_close_waits_for_the_next_poll)
{
    fallback_bench bench;
    (void)bench.poll()->take();
    bench.broker.front->drain(bench.broker.core.shard(0), 1ms);
    bench.advance(1s);
    EXPECT_EQ(bench.says({}), "404");
    EXPECT_EQ(body_of(bench.poll()->take()), "c[4200,\"The server is about to stop\"]\n");
    EXPECT_EQ(bench.open(), 0U);
}

TEST(pusher_fallback, a_session_belongs_to_the_page_that_began_it)
{
    fallback_bench bench;
    auto const mine = bench.post(bench.path("xhr"), "", 0, "Origin: https://a.example\r\n");
    EXPECT_EQ(bench.says({}, 0, "Origin: https://b.example\r\n"), "403");
    EXPECT_EQ(bench.says({}), "403");
    EXPECT_EQ(bench.says({}, 0, "Origin: https://a.example\r\n"), "204");
    auto const other = bench.post(bench.path("xhr"), "", 0, "Origin: https://b.example\r\n")->take();
    EXPECT_EQ(body_of(other), "o\nc[4009,\"This session is of another page\"]\n");
    EXPECT_EQ(bench.open(), 1U);
}

TEST(pusher_fallback, the_same_name_under_another_key_is_another_session)
{
    fallback_bench bench;
    (void)bench.poll()->take();
    EXPECT_THAT(bench.post(bench.path("xhr_send", stream_name, "/pusher", "key1"), "[]")->take(),
                StartsWith("HTTP/1.1 404"));
    EXPECT_THAT(bench.post(bench.path("xhr", stream_name, "/pusher", "key1"))->take(), HasSubstr("o\n"));
    EXPECT_EQ(bench.open(), 2U);
}

TEST(pusher_fallback, sessions_are_limited)
{
    fallback_bench bench{2, {}, 1};
    (void)bench.poll()->take();
    EXPECT_EQ(body_of(bench.post(bench.path("xhr", "/1/zzzzzzzz"), "", 1)->take()), "o\nc[4100,\"Over capacity\"]\n");
    bench.advance(25s);
    EXPECT_THAT(bench.post(bench.path("xhr", "/1/zzzzzzzz"))->take(), HasSubstr("connection_established"));
}

TEST(pusher_fallback, nothing_is_said_without_a_session_and_nonsense_is_refused)
{
    fallback_bench bench;
    EXPECT_EQ(bench.says({"x"}), "404");
    auto const stream = bench.stream();
    (void)stream->take();
    for (std::string const body : {"", "{}", "[1]", "x", R"(["a")"})
        EXPECT_THAT(bench.post(bench.path("xhr_send"), body)->take(), StartsWith("HTTP/1.1 400")) << body;
    EXPECT_THAT(bench.post(bench.path("xhr_send"), std::string(513 * 1024, ' '))->take(), StartsWith("HTTP/1.1 413"));
    EXPECT_THAT(bench.post(bench.path("xhr_send"), "[\"" + std::string(257 * 1024, 'x') + "\"]")->take(),
                HasSubstr("a message is too large"));
    EXPECT_EQ(bench.says({"nonsense"}), "204");
    EXPECT_THAT(stream->take(), HasSubstr("pusher:error"));
    EXPECT_EQ(bench.open(), 1U);
}

TEST(pusher_fallback, browsers_may_ask_first_whether_they_may)
{
    fallback_bench bench;
    http_peer peer{bench.broker.core, bench.routes, bench.settings};
    peer << "OPTIONS " + bench.path("xhr_send") +
                " HTTP/1.1\r\nHost: localhost\r\nOrigin: https://a.example\r\nAccess-Control-Request-Method: POST\r\n"
                "Access-Control-Request-Headers: content-type\r\n\r\n";
    auto const answer = peer.take();
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 204"));
    for (auto const* const line :
         {"Access-Control-Allow-Origin: *\r\n", "Access-Control-Allow-Methods: POST, OPTIONS\r\n", "Content-Type",
          "Access-Control-Max-Age: "})
        EXPECT_THAT(answer, HasSubstr(line));
    peer << "GET " + bench.path("xhr") + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
    EXPECT_THAT(peer.take(), StartsWith("HTTP/1.1 405"));
}

TEST(pusher_fallback, who_does_not_come_back_in_time_loses_events_and_they_are_counted)
{
    fallback_bench bench;
    (void)bench.poll()->take();
    (void)bench.subscribes("c");
    auto const limit = bench.broker.core.shard(0).limit().outbox_bytes;
    for (std::size_t bytes = 0; bytes < 2 * limit; bytes += 9'000)
        bench.broker.publish(0, "c", "e", std::string(9'000, 'x'));
    EXPECT_GT(bench.broker.core.dropped(broker::drop_reason::outbox_full), 0U);
    std::size_t kept = 0;
    for (auto answer = bench.poll()->take(); !answer.empty(); answer = bench.poll()->take())
        kept += answer.size();
    EXPECT_GT(kept, limit / 2);
    EXPECT_LT(kept, limit + limit / 8);
    EXPECT_EQ(bench.open(), 1U);
}

TEST(pusher_fallback, who_may_have_missed_a_member_starts_afresh)
{
    fallback_bench bench;
    (void)bench.poll()->take();
    auto const id = [&] {
        std::string found;
        bench.broker.front->channels().at(bench.broker.core.shard(0)).for_each([&](channel_client& client) {
            found = to_socket_id(client.id());
        });
        return found;
    }();
    std::string text{R"({"event":"pusher:subscribe","data":{"channel":"presence-c","channel_data":)"};
    append_json_string(text, R"({"user_id":"1"})");
    text += R"(,"auth":"key0:)" + sign("secret0", subscription_text(id, "presence-c", R"({"user_id":"1"})")) + "\"}}";
    (void)bench.says({text});
    (void)bench.poll()->take();
    auto const limit = bench.broker.core.shard(0).limit().outbox_bytes;
    for (std::size_t bytes = 0; bytes < limit; bytes += 9'000)
        bench.broker.publish(0, "presence-c", "e", std::string(9'000, 'x'));
    pusher_client other{bench.broker};
    other.subscribes("presence-c", R"({"user_id":"2"})");
    auto got = bench.poll()->take();
    for (int polls = 0; polls < 100 && got.find("c[4200,") == std::string::npos; ++polls)
        got = bench.poll()->take();
    EXPECT_THAT(got, EndsWith("c[4200,\"Too slow: changes of a channel were lost\"]\n"));
    EXPECT_EQ(bench.open(), 0U);
}

TEST(pusher_fallback, a_client_that_does_not_read_a_stream_is_sent_no_more_until_it_does)
{
    fallback_bench bench;
    auto const stream = bench.stream();
    (void)bench.subscribes("c");
    (void)stream->take();
    auto const limit = bench.broker.core.shard(0).limit().outbox_bytes;
    stream->backlog = limit;
    bench.broker.publish(0, "c", "e", "1");
    (void)stream->take();
    bench.broker.publish(0, "c", "e", "2");
    EXPECT_EQ(stream->take(), "");
    stream->drain();
    EXPECT_THAT(stream->take(), HasSubstr(R"(\"data\":\"2\")"));
}

TEST(pusher_fallback, one_connection_may_carry_what_is_said_and_polls_in_turn)
{
    fallback_bench bench{2};
    auto const peer = bench.poll(1);
    (void)peer->take();
    std::string const body = R"(["{\"event\":\"pusher:ping\",\"data\":{}}"])";
    *peer << "POST " + bench.path("xhr_send") +
                 " HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    EXPECT_THAT(peer->take(), StartsWith("HTTP/1.1 204"));
    *peer << "POST " + bench.path("xhr") + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n";
    EXPECT_THAT(peer->take(), HasSubstr("pusher:pong"));
}

}  // namespace
}  // namespace fulmar::pusher::test
