#include "broker/history_rules.hpp"

#include "broker/config.hpp"
#include "broker/router.hpp"
#include "broker/topic.hpp"
#include "tests/support/core_broker.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fulmar::broker {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

TEST(history_rules, the_first_rule_that_matches_decides)
{
    history_rules const rules{{{app_id{1}, "a/#", 1, 0, 0}, {{}, "a/b", 2, 0, 0}, {{}, "c", 3, 0, 0}}};
    EXPECT_EQ(rules.find(app_id{1}, "a/b")->max_age_ms, 1U);
    EXPECT_EQ(rules.find(app_id{0}, "a/b")->max_age_ms, 2U);
    EXPECT_EQ(rules.find(app_id{0}, "a/c"), nullptr);
    EXPECT_EQ(rules.find(app_id{7}, "c")->max_age_ms, 3U);
}

TEST(history_rules, a_message_is_named_by_its_topic_and_by_its_rule)
{
    history_rules const rules{{{{}, "a/#"}, {{}, "c"}}};
    std::vector<filter_hash> out;
    EXPECT_TRUE(rules.append_streams(default_app, "a/b", out));
    EXPECT_EQ(out, (std::vector{hash_history(default_app, "a/b"), hash_history(default_app, "a/#")}));
    out.clear();
    EXPECT_TRUE(rules.append_streams(default_app, "c", out));
    EXPECT_EQ(out.size(), 1U);
    EXPECT_FALSE(rules.append_streams(default_app, "d", out));
    EXPECT_NE(hash_history(default_app, "a/b"), hash_filter(default_app, "a/b")) << "no subscription's stream";
}

TEST(history_rules, filters_meet_if_a_topic_matches_both)
{
    for (auto const& [a, b] :
         {std::pair{"a/+", "+/b"}, {"#", "a/b"}, {"a/#", "a"}, {"a/b", "a/b"}, {"+/+", "a/#"}, {"a/#", "a/b/+/d"}}) {
        EXPECT_TRUE(filters_meet(a, b)) << a << " " << b;
        EXPECT_TRUE(filters_meet(b, a)) << b << " " << a;
    }
    for (auto const& [a, b] :
         {std::pair{"a/+", "b/+"}, {"a", "a/b"}, {"a/+", "a"}, {"+/b/c", "a/b"}, {"#", "$SYS/x"}, {"+/x", "$SYS/x"}}) {
        EXPECT_FALSE(filters_meet(a, b)) << a << " " << b;
        EXPECT_FALSE(filters_meet(b, a)) << b << " " << a;
    }
}

TEST(history_rules, a_subscription_reads_its_topic_or_every_rule_that_it_meets)
{
    history_rules const rules{{{{}, "a/#"}, {{}, "b/c"}, {app_id{3}, "x"}}};
    std::vector<queue_filter> out;
    EXPECT_TRUE(rules.append_sources(default_app, "a/b", out));
    EXPECT_TRUE(rules.append_sources(default_app, "+/c", out));
    EXPECT_TRUE(rules.append_sources(default_app, "b/#", out));
    EXPECT_FALSE(rules.append_sources(default_app, "x", out));
    std::vector<std::string> names;
    for (auto const& each : out)
        names.push_back(each.filter);
    EXPECT_EQ(names, (std::vector<std::string>{"a/b", "a/#", "b/c"}));
}

TEST(history, messages_of_every_qos_are_logged_whoever_listens)
{
    test::core_broker core{2};
    auto const rules = std::make_shared<history_rules const>(std::vector<history_rule>{{{}, "news/#"}});
    core.shard(0).routes().keep_history(rules);
    core.shard(1).routes().keep_history(rules);
    core.publish(0, test::core_broker::make("news/1", "a", 0));
    core.publish(1, test::core_broker::make("news/2", "b", 2));
    core.publish(0, test::core_broker::make("other", "c", 2));
    EXPECT_EQ(core.store.log().size(), 2U);
}

TEST(history, mqtt_subscribers_get_messages_when_they_are_published_and_once)
{
    test::core_broker core;
    core.shard(0).routes().keep_history(std::make_shared<history_rules const>(std::vector<history_rule>{{{}, "#"}}));
    test::core_client live{core, 0, "live"};
    test::core_client durable{core, 0, "durable"};
    test::core_client member{core, 0, "member"};
    live.connect().subscribe("a", 1);
    durable.connect({.clean = false, .expiry_s = 100}).subscribe("a", 1);
    member.connect({.clean = false, .expiry_s = 100}).subscribe("$share/g/a", 1);
    core.store.hold();
    core.publish(0, test::core_broker::make("a", "0", 0));
    EXPECT_EQ(live.received.size() + durable.received.size() + member.received.size(), 3U) << "not after the commit";
    core.publish(0, test::core_broker::make("a", "1", 1));
    core.store.release();
    core.settle();
    std::vector<std::string> const both{"a=0", "a=1"};
    EXPECT_EQ(live.received, both);
    EXPECT_EQ(durable.received, both);
    EXPECT_EQ(member.received, both);
}

TEST(history, a_qos_0_message_that_cannot_be_stored_is_counted)
{
    test::core_broker core;
    core.shard(0).routes().keep_history(std::make_shared<history_rules const>(std::vector<history_rule>{{{}, "#"}}));
    core.store.set_state(store_state::full);
    core.publish(0, test::core_broker::make("a", "0", 0));
    EXPECT_EQ(core.dropped(drop_reason::store_failed), 1U);
}

configuration from_text(std::string text)
{
    config_source source;
    source.file = "test.toml";
    source.text = std::move(text);
    return load_configuration(source);
}

TEST(history_configuration, a_rule_has_a_filter_and_limits)
{
    auto const c = from_text(
        "[[history]]\nfilter = \"news/#\"\nmax_age = \"1h\"\nmax_messages = 100\nmax_bytes = \"1MiB\"\n"
        "[[history]]\nfilter = \"a\"\n");
    ASSERT_TRUE(c.usable()) << c.problems[0].text();
    ASSERT_EQ(c.values.history.size(), 2U);
    EXPECT_EQ(c.values.history[0].filter, "news/#");
    EXPECT_EQ(c.values.history[0].max_age, std::chrono::hours{1});
    EXPECT_EQ(c.values.history[0].max_messages, 100U);
    EXPECT_EQ(c.values.history[0].max_bytes, 1'048'576U);
    EXPECT_THAT(show_configuration(c), HasSubstr("[[history]]  # test.toml:1:1\nfilter = \"news/#\"\nmax_age = \"1h\"\n"
                                                 "max_messages = 100\nmax_bytes = \"1MiB\"\n"));
}

TEST(history_configuration, mistakes_name_their_place_and_remedy)
{
    auto const problem = [](std::string text) {
        auto const c = from_text(std::move(text));
        return c.problems.size() == 1 ? c.problems[0].text() : std::to_string(c.problems.size()) + " problems";
    };
    EXPECT_EQ(problem("[[history]]\nfilter = \"a/#/b\"\n"),
              "test.toml:1:1: history: 'a/#/b' is not a topic filter; '+' stands for one level, '#' for the rest");
    EXPECT_EQ(problem("[[history]]\nmax_age = \"1h\"\n"),
              "test.toml:1:1: history: this rule has no filter; write filter = \"news/#\"");
    EXPECT_EQ(
        problem("[[history]]\nfilter = \"a\"\nmax_ages = 1\n"),
        "test.toml:3:1: unknown setting 'max_ages' in [[history]]; a rule has filter, app, max_age, max_messages and "
        "max_bytes");
    EXPECT_THAT(problem("[[history]]\nfilter = \"a\"\nmax_messages = 0\n"),
                HasSubstr("test.toml:3:1: history: max_messages "));
    EXPECT_THAT(problem("[[history]]\nfilter = \"$SYS/#\"\n"), HasSubstr("keep no history"));
    EXPECT_THAT(problem("[[history]]\nfilter = \"a\"\napp = \"none\"\n"), HasSubstr("there is no app 'none'"));
    EXPECT_THAT(problem("[[history]]\nfilter = \"a\"\n[[history]]\nfilter = \"a\"\n"),
                HasSubstr("test.toml:3:1: history: there is already"));
    EXPECT_THAT(problem("history = \"a\"\n"), HasSubstr("'history' is a list of tables; write [[history]]"));
    auto const late = from_text("[[history]]\nfilter = \"a\"\nmax_age = \"30d\"\n");
    EXPECT_TRUE(late.usable());
    ASSERT_EQ(late.warnings.size(), 1U);
    EXPECT_THAT(late.warnings[0].text(), HasSubstr("storage.retention_age, which wins"));
}

TEST(history_configuration, tokens_need_an_algorithm_and_one_source_of_keys)
{
    auto const problems = [](std::string text) {
        std::string all;
        for (auto const& each : from_text(std::move(text)).problems)
            all += each.text() + "\n";
        return all;
    };
    EXPECT_THAT(problems("[jwt]\nkey_file = \"k\"\n"), HasSubstr("jwt.algorithm: is not chosen"));
    EXPECT_THAT(problems("[jwt]\nalgorithm = \"none\"\nkey_file = \"k\"\n"), HasSubstr("'none' is not supported"));
    EXPECT_THAT(problems("[jwt]\nalgorithm = \"HS256\"\n"),
                HasSubstr("set one of jwt.key_file, jwt.jwks_file and jwt.jwks_url"));
    EXPECT_THAT(problems("[jwt]\nalgorithm = \"HS256\"\nkey_file = \"k\"\njwks_file = \"j\"\n"),
                HasSubstr("set one of"));
    EXPECT_THAT(problems("[jwt]\nalgorithm = \"EdDSA\"\nkey_file = \"k\"\n"), IsEmpty());
    EXPECT_THAT(problems("[http]\nallowed_origins = [\"example.org\"]\n"),
                HasSubstr("http.allowed_origins: 'example.org' is not an origin"));
}

TEST(history_configuration, keys_are_fetched_over_tls_or_from_this_machine)
{
    auto const problems = [](std::string const& url, std::string const& more = {}) {
        std::string all;
        for (auto const& each : from_text("[jwt]\nalgorithm = \"" + (more == "HS256" ? more : "RS256") +
                                          "\"\njwks_url = \"" + url + "\"\n" + (more == "HS256" ? "" : more))
                                    .problems)
            all += each.text() + "\n";
        return all;
    };
    for (auto const* const good :
         {"https://id.example/keys", "http://localhost:8000/keys", "http://127.0.0.1/", "http://[::1]:1/"})
        EXPECT_THAT(problems(good), IsEmpty());
    for (auto const* const bare : {"http://id.example/keys", "http://127.example/", "http://10.0.0.1/"})
        EXPECT_THAT(problems(bare), HasSubstr("would be asked without TLS"));
    for (auto const* const odd : {"ftp://x/", "id.example/keys", "https://", "https://user@host/"})
        EXPECT_THAT(problems(odd), HasSubstr("is no web address"));
    EXPECT_THAT(problems("https://id.example/keys", "HS256"), HasSubstr("is for public keys"));
    EXPECT_THAT(problems("https://id.example/keys", "jwks_file = \"j\"\n"), HasSubstr("set one of"));
    EXPECT_THAT(problems("https://id.example/keys", "jwks_refresh = \"9s\"\n"), HasSubstr("jwt.jwks_refresh"));
}

TEST(history_configuration, the_log_is_held_as_long_as_the_longest_rule_says)
{
    EXPECT_EQ(history_hold_ms({}), std::nullopt);
    EXPECT_EQ(history_hold_ms({{"a", "", std::chrono::hours{1}}, {"b", "", std::chrono::hours{2}}}), 7'200'000U);
    EXPECT_EQ(history_hold_ms({{"a", "", std::chrono::hours{1}}, {"b"}}), 0U) << "as long as retention lets it";
}

}  // namespace
}  // namespace fulmar::broker
