// What acknowledges events of durable sessions: the answer to pusher:ping, and what has to do where there is none.
#include "tests/unit/frontends/pusher/session_fixture.hpp"

namespace fulmar::pusher::test {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::IsEmpty;

class session_acknowledge : public pusher_sessions
{
};
INSTANTIATE_TEST_SUITE_P(shards, session_acknowledge, testing::Values(1, 2, 5));

TEST_P(session_acknowledge, who_is_cut_off_amid_what_it_missed_goes_on_where_it_answered)
{
    auto client = connect(0);
    client->subscribes("c", {}, false);
    client.reset();
    for (int i = 0; i < 1'000; ++i)
        publish("c", std::to_string(i));
    client = connect(last);
    client->subscribes("c", {}, false);
    auto const told = client->takes();
    ASSERT_EQ(told.front(), recovered("c", 1'000));
    auto const ping = std::find(told.begin(), told.end(), std::string{ping_event});
    auto const had = static_cast<int>(ping - told.begin()) - 1;
    ASSERT_LT(had, 1'000);
    ASSERT_GT(std::count(ping, told.end(), std::string{ping_event}), 1);
    client->says(pong);
    client.reset();
    client = connect(0);
    client->subscribes("c", {}, false);
    auto const rest = events_of(*client);
    EXPECT_EQ(rest.front(), recovered("c", 1'000 - had));
    EXPECT_EQ(rest.at(1), event_x("c", std::to_string(had)));
    EXPECT_EQ(rest.back(), event_x("c", "999"));
}

class silent_library : public pusher_sessions
{
protected:
    // Of a library that says nothing to pusher:ping, or need not.
    [[nodiscard]] std::unique_ptr<pusher_client> connect_library(std::string const& name = "java")
    {
        auto made = std::make_unique<pusher_client>(
            broker, pusher_client::how{.query = "protocol=7&client=" + name + "&version=2.4.0", .session = "s1"});
        made->subscribes("c", {}, false);
        return made;
    }
    // What it would be sent again if it came back now.
    [[nodiscard]] std::string missed(std::unique_ptr<pusher_client>& client)
    {
        client.reset();
        client = connect_library();
        for (auto const& each : client->takes())
            if (auto const at = each.find(R"(missed\":)"); at != std::string::npos)
                return each.substr(at + 9, each.find('}', at) - at - 9);
        return "nothing was said";
    }
};
INSTANTIATE_TEST_SUITE_P(shards, silent_library, testing::Values(1, 2));

TEST_P(silent_library, what_its_websocket_has_read_is_acknowledged_after_ten_seconds_without_a_better_answer)
{
    auto client = connect_library();
    publish("c", "1");
    broker.advance(600ms);
    EXPECT_THAT(client->takes(), Contains(ping_event));
    client->answers_websocket_pings();
    broker.advance(9s);
    EXPECT_EQ(missed(client), "1");
    broker.advance(600ms);
    client->answers_websocket_pings();
    broker.advance(10s);
    EXPECT_EQ(missed(client), "0");
}

TEST_P(silent_library, once_the_patience_is_over_the_websockets_answers_count_at_once)
{
    auto client = connect_library();
    publish("c", "1");
    broker.advance(600ms);
    client->answers_websocket_pings();
    broker.advance(10s);
    publish("c", "2");
    broker.advance(600ms);
    client->answers_websocket_pings();
    publish("c", "3");  // after that ping
    EXPECT_EQ(missed(client), "1");
}

TEST_P(silent_library, without_an_answer_of_any_kind_nothing_is_acknowledged)
{
    auto client = connect_library();
    publish("c", "1");
    broker.advance(600ms);
    client->websocket_pings = {"", "x", "4711", "-1"};
    client->answers_websocket_pings();
    broker.advance(20s);
    EXPECT_EQ(missed(client), "1");
}

TEST_P(silent_library, a_library_that_has_answered_once_acknowledges_by_its_answers_only)
{
    auto client = connect_library();
    publish("c", "1");
    broker.advance(600ms);
    ASSERT_EQ(client->websocket_pings.size(), 1U);
    auto const before = client->websocket_pings;
    client->says(pong);
    publish("c", "2");
    broker.advance(600ms);
    EXPECT_EQ(client->websocket_pings, before);
    client->websocket_pings = {"1", "2"};
    client->answers_websocket_pings();
    broker.advance(20s);
    EXPECT_EQ(missed(client), "1");
}

TEST_P(silent_library, pusher_js_is_not_pinged_that_way_and_has_to_answer_itself)
{
    auto client = connect_library("js");
    publish("c", "1");
    broker.advance(600ms);
    EXPECT_THAT(client->takes(), Contains(ping_event));
    EXPECT_THAT(client->websocket_pings, IsEmpty());
    client->websocket_pings = {"1"};
    client->answers_websocket_pings();
    broker.advance(20s);
    EXPECT_EQ(missed(client), "1");
}

}  // namespace
}  // namespace fulmar::pusher::test
