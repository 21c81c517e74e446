#include "broker/access.hpp"

#include "broker/topic.hpp"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fulmar::broker {
namespace {

using testing::HasSubstr;

std::shared_ptr<access_rules const> rules(std::string_view text)
{
    std::string problem;
    auto read = access_rules::parse(text, "acl", problem);
    EXPECT_TRUE(read) << problem;
    return read;
}

std::shared_ptr<permissions const> allowed(std::string_view text, std::string_view user = "",
                                           std::string_view client = "c1")
{
    auto got = rules(text)->permissions_of(user, client);
    return got ? *got : nullptr;
}

std::string problem_of(std::string_view text)
{
    std::string problem;
    EXPECT_EQ(access_rules::parse(text, "acl", problem), nullptr);
    return problem;
}

TEST(access, an_empty_file_denies_everything)
{
    auto const p = allowed("# nothing here\n");
    EXPECT_FALSE(p->may_publish("a"));
    EXPECT_FALSE(p->may_subscribe("a"));
    EXPECT_FALSE(p->may_receive("a"));
}

TEST(access, the_first_rule_that_fits_decides)
{
    auto const p = allowed("deny publish a/secret\nallow publish a/#\ndeny publish a/late\n");
    EXPECT_FALSE(p->may_publish("a/secret"));
    EXPECT_TRUE(p->may_publish("a/late"));
    EXPECT_FALSE(p->may_publish("b"));
}

TEST(access, a_rule_for_publishing_says_nothing_about_subscribing)
{
    auto const p = allowed("allow publish a\nallow subscribe b\n");
    EXPECT_TRUE(p->may_publish("a"));
    EXPECT_FALSE(p->may_subscribe("a"));
    EXPECT_FALSE(p->may_publish("b"));
    EXPECT_TRUE(p->may_subscribe("b"));
    EXPECT_TRUE(allowed("allow all c\n")->may_publish("c"));
    EXPECT_TRUE(allowed("allow all c\n")->may_subscribe("c"));
}

TEST(access, a_filter_wider_than_what_is_granted_is_refused)
{
    auto const p = allowed("allow subscribe a/+\n");
    EXPECT_TRUE(p->may_subscribe("a/+"));
    EXPECT_TRUE(p->may_subscribe("a/b"));
    EXPECT_FALSE(p->may_subscribe("a/#"));
    EXPECT_FALSE(p->may_subscribe("#"));
    EXPECT_FALSE(p->may_subscribe("+/b"));
}

TEST(access, a_deny_rule_narrower_than_the_filter_is_applied_to_each_topic)
{
    auto const p = allowed("deny subscribe a/secret/#\nallow subscribe a/#\n");
    EXPECT_TRUE(p->may_subscribe("a/#"));
    EXPECT_FALSE(p->may_subscribe("a/secret/x"));
    EXPECT_TRUE(p->may_receive("a/open"));
    EXPECT_FALSE(p->may_receive("a/secret"));
    EXPECT_FALSE(p->may_receive("a/secret/deep"));
    EXPECT_FALSE(p->receives_everything());
}

TEST(access, a_shared_subscription_is_judged_by_its_inner_filter)
{
    auto const p = allowed("deny subscribe secret/#\nallow subscribe #\n");
    EXPECT_TRUE(p->may_subscribe("$share/g/a/#"));
    EXPECT_FALSE(p->may_subscribe("$share/g/secret/x"));
    EXPECT_FALSE(p->may_subscribe("$share/g/$SYS/#"));
    EXPECT_FALSE(p->may_subscribe("$share//a"));
}

TEST(access, rules_are_for_all_for_anonymous_for_authenticated_or_for_one_user)
{
    constexpr std::string_view text =
        "allow all everybody\nallow all nobody for anonymous\nallow all somebody for authenticated\nallow all hers for "
        "user alice\n"
        "allow all his for user \"bob b\"\n";
    auto const anonymous = allowed(text);
    auto const alice = allowed(text, "alice");
    auto const bob = allowed(text, "bob b");
    EXPECT_TRUE(anonymous->may_publish("everybody") && alice->may_publish("everybody"));
    EXPECT_TRUE(anonymous->may_publish("nobody"));
    EXPECT_FALSE(alice->may_publish("nobody"));
    EXPECT_FALSE(anonymous->may_publish("somebody"));
    EXPECT_TRUE(alice->may_publish("somebody") && bob->may_publish("somebody"));
    EXPECT_TRUE(alice->may_publish("hers"));
    EXPECT_FALSE(bob->may_publish("hers") || anonymous->may_publish("hers"));
    EXPECT_TRUE(bob->may_publish("his"));
}

TEST(access, client_id_and_user_name_are_put_into_filters)
{
    auto const p = allowed("allow all device/%c/#\nallow all home/%u\nallow all 100%%\n", "alice", "dev7");
    EXPECT_TRUE(p->may_publish("device/dev7/x"));
    EXPECT_FALSE(p->may_publish("device/dev8/x"));
    EXPECT_TRUE(p->may_subscribe("home/alice"));
    EXPECT_FALSE(p->may_subscribe("home/bob"));
    EXPECT_TRUE(p->may_publish("100%"));
}

TEST(access, a_client_id_or_user_name_that_would_widen_a_filter_is_refused)
{
    auto const r = rules("allow all device/%c\nallow all home/%u\n");
    for (auto const* id : {"+", "#", "a/b", "a+", "x#", "/"}) {
        EXPECT_EQ(r->permissions_of("alice", id).error(), errc::not_authorized) << id;
        EXPECT_EQ(r->permissions_of(id, "dev7").error(), errc::not_authorized) << id;
    }
    EXPECT_TRUE(r->permissions_of("alice", "dev7"));
}

TEST(access, a_strange_client_id_is_accepted_where_no_rule_for_it_substitutes)
{
    EXPECT_TRUE(rules("allow all a/#\n")->permissions_of("alice", "a/b+#"));
    EXPECT_TRUE(rules("allow all device/%c for user bob\n")->permissions_of("alice", "a/b"));
    EXPECT_TRUE(rules("allow all home/%u\nallow all a\n")->permissions_of("", "c1"));
}

TEST(access, a_rule_with_a_user_name_is_not_for_anonymous_clients)
{
    EXPECT_FALSE(allowed("allow all home/%u\n")->may_publish("home/"));
}

TEST(access, nobody_may_publish_to_sys)
{
    auto const p = allowed("allow all $SYS/#\nallow all #\n");
    EXPECT_FALSE(p->may_publish("$SYS/broker/x"));
    EXPECT_FALSE(p->may_publish("$SYS"));
    EXPECT_TRUE(p->may_subscribe("$SYS/#"));
    EXPECT_TRUE(p->may_receive("$SYS/broker/x"));
}

TEST(access, wildcards_of_an_allow_rule_do_not_reach_reserved_names)
{
    auto const p = allowed("allow all #\nallow all +/x\n");
    for (auto const* topic : {"$SYS/x", "$other/x", "private-room", "presence-room/x", "private-/x"}) {
        EXPECT_FALSE(p->may_subscribe(topic)) << topic;
        EXPECT_FALSE(p->may_receive(topic)) << topic;
        EXPECT_FALSE(p->may_publish(topic)) << topic;
    }
    EXPECT_TRUE(p->may_subscribe("#"));
    EXPECT_TRUE(p->may_subscribe("privateer"));
}

TEST(access, a_rule_that_begins_with_a_reserved_name_grants_it)
{
    auto const p = allowed("allow all private-room/#\nallow all #server-to-user-7\nallow subscribe $other/#\n");
    EXPECT_TRUE(p->may_publish("private-room/x"));
    EXPECT_FALSE(p->may_publish("private-hall/x"));
    EXPECT_TRUE(p->may_receive("#server-to-user-7"));
    EXPECT_TRUE(p->may_subscribe("$other/x"));
}

TEST(access, a_client_id_cannot_reach_reserved_names_through_a_substitution)
{
    EXPECT_FALSE(allowed("allow all %c/#\n", "", "$SYS")->may_subscribe("$SYS/#"));
    EXPECT_FALSE(allowed("allow all %c/#\n", "", "private-room")->may_receive("private-room/x"));
    EXPECT_TRUE(allowed("allow all %c/#\n", "", "room")->may_receive("room/x"));
}

TEST(access, wildcards_of_a_deny_rule_reach_reserved_names)
{
    auto const p = allowed("deny all # for user bob\nallow all private-x\nallow subscribe $SYS/#\n", "bob");
    EXPECT_FALSE(p->may_publish("private-x"));
    EXPECT_FALSE(p->may_receive("$SYS/x"));
    EXPECT_FALSE(p->may_subscribe("$SYS/x"));
}

TEST(access, without_a_file_everything_is_allowed_but_guarded_names_and_publishing_to_sys)
{
    auto const p = *access_rules::without_file()->permissions_of("", "a/b");
    EXPECT_TRUE(p->may_publish("a") && p->may_subscribe("#") && p->may_receive("a/b") && p->may_subscribe("$SYS/#"));
    EXPECT_TRUE(p->may_receive("$SYS/x"));
    EXPECT_FALSE(p->may_publish("$SYS/x"));
    EXPECT_FALSE(p->may_subscribe("private-x") || p->may_receive("presence-x") || p->may_publish("private-x"));
    EXPECT_FALSE(p->may_subscribe("$share/g/private-x"));
}

TEST(access, mistakes_in_a_file_are_named_with_their_line)
{
    EXPECT_THAT(problem_of("allow all a\npermit all b\n"), HasSubstr("acl:2: a rule begins with allow or deny"));
    EXPECT_THAT(problem_of("allow\n"), HasSubstr("acl:1:"));
    EXPECT_THAT(problem_of("allow read a\n"), HasSubstr("publish, subscribe or all"));
    EXPECT_THAT(problem_of("allow all a/#/b\n"), HasSubstr("filter is not valid"));
    EXPECT_THAT(problem_of("allow all a%x\n"), HasSubstr("after '%'"));
    EXPECT_THAT(problem_of("allow all a%\n"), HasSubstr("after '%'"));
    EXPECT_THAT(problem_of("allow all $share/g/a\n"), HasSubstr("$share"));
    EXPECT_THAT(problem_of("allow all a for\n"), HasSubstr("after the filter"));
    EXPECT_THAT(problem_of("allow all a for bob\n"), HasSubstr("user NAME"));
    EXPECT_THAT(problem_of("allow all a for user\n"), HasSubstr("one name"));
    EXPECT_THAT(problem_of("allow all a for user bob b\n"), HasSubstr("one name"));
    EXPECT_THAT(problem_of("allow all a for all b\n"), HasSubstr("text after the rule"));
    EXPECT_THAT(problem_of("allow all \"a b\n"), HasSubstr("not closed"));
    EXPECT_THAT(problem_of("allow all a\xFF\n"), HasSubstr("not UTF-8"));
    EXPECT_THAT(problem_of("allow all \"\"\n"), HasSubstr("filter is not valid"));
}

TEST(access, comments_blank_lines_quotes_and_line_ends_of_windows_are_read)
{
    auto const p = allowed("# a comment\r\n\r\n  allow  all\t#   # everything\r\ndeny all \"with blank\"\r\n");
    EXPECT_TRUE(p->may_publish("x"));
    EXPECT_TRUE(allowed("allow all \"with blank/+\"")->may_publish("with blank/x"));
}

TEST(access, a_file_that_cannot_be_read_gives_no_rules)
{
    std::string problem;
    EXPECT_EQ(access_rules::load("/nonexistent/acl", problem), nullptr);
    EXPECT_THAT(problem, HasSubstr("/nonexistent/acl: cannot be read"));
}

// Every filter and topic of a small alphabet, so that covers() is compared with what matching says.
std::vector<std::string> combinations(std::vector<std::string> const& levels, std::size_t depth)
{
    std::vector<std::string> all;
    std::vector<std::string> longest{""};
    for (std::size_t i = 0; i < depth; ++i) {
        std::vector<std::string> next;
        for (auto const& front : longest) {
            for (auto const& level : levels)
                next.push_back(i == 0 ? level : front + "/" + level);
        }
        all.insert(all.end(), next.begin(), next.end());
        longest = std::move(next);
    }
    return all;
}

TEST(covers, agrees_with_matching_for_every_small_filter)
{
    std::vector<std::string> filters;
    for (auto& filter : combinations({"a", "$s", "+", "#"}, 3)) {
        if (valid_topic_filter(filter))
            filters.push_back(std::move(filter));
    }
    auto const topics = combinations({"a", "b", "$s", ""}, 5);
    for (auto const& outer : filters) {
        for (auto const& inner : filters) {
            bool const expected = std::ranges::all_of(topics, [&](std::string const& topic) {
                return topic.empty() || !matches(inner, topic) || matches(outer, topic);
            });
            ASSERT_EQ(covers(outer, inner), expected) << outer << " over " << inner;
        }
    }
}

}  // namespace
}  // namespace fulmar::broker
