#include "broker/app_index.hpp"
#include "broker/app_registry.hpp"
#include "broker/config.hpp"
#include "broker/config_apps.hpp"
#include "broker/web_address.hpp"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fulmar::broker {
namespace {

using testing::HasSubstr;
using testing::Not;

configuration from_text(std::string text)
{
    config_source source;
    source.file = "test.toml";
    source.text = std::move(text);
    return load_configuration(source);
}

constexpr auto head = "[[apps]]\nid = \"shop\"\nkey = \"k\"\nsecret = \"s\"\n";

std::string only_problem(std::string const& more)
{
    auto const c = from_text(head + more);
    return c.problems.size() == 1 ? c.problems[0].text()
                                  : "there are " + std::to_string(c.problems.size()) + " problems";
}

app named(std::string name, std::string key)
{
    app made;
    made.name = std::move(name);
    made.keys.push_back({std::move(key), "secret"});
    return made;
}

class data_folder
{
public:
    data_folder()
    {
        auto pattern = (std::filesystem::temp_directory_path() / "fulmar-apps-XXXXXX").string();
        path = mkdtemp(pattern.data());
    }
    ~data_folder() { std::filesystem::remove_all(path); }
    std::string path;
};

TEST(config_apps, everything_that_an_app_can_have_is_read)
{
    auto const c = from_text(std::string{head} +
                             "client_events = true\nsubscription_counts = true\nterminate = \"reconnect\"\n"
                             "allowed_origins = [\"https://shop.example\"]\nwebhook_batching = true\n"
                             "keys = [{ key = \"k2\", secret = \"s2\" }]\n"
                             "[apps.limits]\nevent_bytes = \"20KiB\"\ncache_ttl = \"1h\"\n"
                             "[apps.sessions]\nenabled = true\nexpiry = \"2h\"\n"
                             "[[apps.webhooks]]\nurl = \"https://hooks.example/pusher\"\n"
                             "events = [\"channel_occupied\", \"member_removed\"]\nchannel_prefix = \"presence-\"\n"
                             "headers = { X-Token = \"t\" }\n");
    ASSERT_TRUE(c.usable()) << c.problems.front().text();
    auto const& app = c.values.apps.at(0);
    EXPECT_EQ(app.name, "shop");
    ASSERT_EQ(app.keys.size(), 2U);
    EXPECT_EQ(app.keys[0], (app_key{"k", "s"}));
    EXPECT_EQ(app.keys[1], (app_key{"k2", "s2"}));
    EXPECT_TRUE(app.client_events && app.subscription_counts && app.webhook_batching && app.sessions.enabled);
    EXPECT_EQ(app.terminate, termination::reconnect);
    EXPECT_EQ(app.limits.event_bytes, 20U * 1024);
    EXPECT_EQ(app.limits.cache_ttl, std::chrono::hours{1});
    EXPECT_EQ(app.sessions.expiry, std::chrono::hours{2});
    ASSERT_EQ(app.webhooks.size(), 1U);
    auto const& hook = app.webhooks[0];
    EXPECT_TRUE(hook.wants(webhook_kind::member_removed, "presence-x"));
    EXPECT_FALSE(hook.wants(webhook_kind::member_removed, "private-x"));
    EXPECT_FALSE(hook.wants(webhook_kind::client_event, "presence-x"));
    EXPECT_EQ(hook.headers.at(0).first, "X-Token");
}

TEST(config_apps, every_default_is_within_the_range_of_its_own_row)
{
    for (auto const& row : app_rows()) {
        app fresh;
        auto const text = field_text(row.rules(), row.field(fresh));
        auto const dot = row.key.find('.');
        auto const section =
            dot == std::string_view::npos ? "" : "[apps." + std::string{row.key.substr(0, dot)} + "]\n";
        auto const c = from_text(head + section + std::string{row.key.substr(dot + 1)} + " = " + text + "\n");
        EXPECT_TRUE(c.usable()) << row.key << " = " << text;
    }
}

TEST(config_apps, a_mistake_is_named_with_its_place_and_its_remedy)
{
    EXPECT_EQ(only_problem("client_event = true\n"),
              "test.toml:5:1: unknown setting 'client_event' in [[apps]]; did you mean 'client_events'?");
    EXPECT_THAT(only_problem("[apps.limits]\nevent_bytes = \"2GiB\"\n"),
                HasSubstr("test.toml:6:1: apps: limits.event_bytes is out of range"));
    EXPECT_THAT(only_problem("[apps.limits]\nwatchlist = \"many\"\n"), HasSubstr("write a whole number"));
    EXPECT_THAT(only_problem("terminate = \"kill\"\n"), HasSubstr("use one of refuse, reconnect"));
    EXPECT_THAT(only_problem("keys = [\"k2\"]\n"), HasSubstr("write keys = [{"));
    EXPECT_THAT(only_problem("keys = [{ key = \"k2\" }]\n"), HasSubstr("incomplete"));
    EXPECT_THAT(only_problem("keys = [{ key = \"a/b\", secret = \"s\" }]\n"), HasSubstr("cannot stand in a path"));
    EXPECT_THAT(only_problem("allowed_origins = [\"shop.example\"]\n"), HasSubstr("is not an origin"));
    EXPECT_THAT(only_problem("[[apps.webhooks]]\nurl = \"ftp://x\"\nevents = [\"cache_miss\"]\n"),
                HasSubstr("test.toml:6:1: 'ftp://x' is not an address for webhooks"));
    EXPECT_THAT(only_problem("[[apps.webhooks]]\nurl = \"https://x/\"\nevents = [\"channel_ocupied\"]\n"),
                HasSubstr("did you mean 'channel_occupied'?"));
    EXPECT_THAT(only_problem("[[apps.webhooks]]\nurl = \"https://x/\"\n"), HasSubstr("this webhook is incomplete"));
    EXPECT_THAT(only_problem("[[apps.webhooks]]\nurl = \"https://x/\"\nevents = [\"cache_miss\"]\n"
                             "headers = { Host = \"y\" }\n"),
                HasSubstr("is set by the broker"));
}

TEST(config_apps, an_id_or_key_of_another_app_is_refused_with_both_places)
{
    auto const twice = only_problem("[[apps]]\nid = \"other\"\nkey = \"k\"\nsecret = \"s\"\n");
    EXPECT_THAT(twice, HasSubstr("test.toml:5:1: the key 'k' is already used at test.toml:1:1"));
    EXPECT_THAT(only_problem("[[apps]]\nid = \"shop\"\nkey = \"l\"\nsecret = \"s\"\n"),
                HasSubstr("has the id 'shop' too"));
}

TEST(config_apps, show_can_be_read_back_and_hides_secrets_and_header_values)
{
    auto const c =
        from_text(std::string{head} + "keys = [{ key = \"k2\", secret = \"hush\" }]\n[apps.limits]\nwatchlist = 7\n" +
                  "[[apps.webhooks]]\nurl = \"https://x/\"\nevents = [\"cache_miss\"]\n"
                  "headers = { X-Token = \"hush\" }\n");
    ASSERT_TRUE(c.usable()) << c.problems.front().text();
    auto const shown = show_configuration(c);
    EXPECT_THAT(shown, Not(HasSubstr("hush")));
    auto const again = from_text(shown);
    ASSERT_TRUE(again.usable()) << again.problems.front().text();
    EXPECT_EQ(again.values.apps.at(0).limits.watchlist, 7U);
    EXPECT_EQ(again.values.apps.at(0).webhooks.at(0).url, "https://x/");
}

TEST(config_apps, the_table_of_the_operations_manual_is_the_table_of_the_settings_of_an_app)
{
    auto const root = std::filesystem::path{FULMAR_SOURCE_DIR};
    std::ifstream in{root / "docs" / "operations.md"};
    std::string const manual{std::istreambuf_iterator<char>{in}, {}};
    EXPECT_THAT(manual, HasSubstr(apps_reference())) << "replace the table by what `fulmar config reference` prints";
}

TEST(app_registry, apps_are_found_by_any_key_by_name_and_by_number)
{
    std::vector<app> apps{named("a", "ka"), named("b", "kb")};
    apps[1].id = app_id{7};
    apps[1].keys.push_back({"kb2", "other"});
    app_registry const registry{apps};
    EXPECT_EQ(registry.find_by_key("kb2").owner->name, "b");
    EXPECT_EQ(registry.find_by_key("kb2").key->secret, "other");
    EXPECT_FALSE(registry.find_by_key("kc"));
    EXPECT_EQ(registry.find_by_id("a")->id, app_id{0});
    EXPECT_EQ(registry.find(app_id{7})->name, "b");
    EXPECT_EQ(registry.find(app_id{1}), nullptr);
}

TEST(app_registry, a_view_follows_a_replacement_and_old_snapshots_stay_whole)
{
    apps_in_force all{std::make_shared<app_registry>(std::vector{named("a", "k")})};
    app_view view{all};
    auto const before = view.now();
    all.replace(std::make_shared<app_registry>(std::vector{named("b", "k")}));
    EXPECT_EQ(view.now()->find_by_key("k").owner->name, "b");
    EXPECT_EQ(before->find_by_key("k").owner->name, "a");
}

TEST(app_index, numbers_stay_when_apps_are_removed_reordered_and_added)
{
    data_folder const data;
    std::vector first{named("a", "1"), named("b", "2")};
    ASSERT_EQ(number_apps(data.path, first), "");
    EXPECT_EQ(first[0].id, app_id{0});
    EXPECT_EQ(first[1].id, app_id{1});
    std::vector without{named("c", "3"), named("b", "2")};
    ASSERT_EQ(number_apps(data.path, without), "");
    EXPECT_EQ(without[0].id, app_id{2}) << "the number of a removed app is not given to another";
    EXPECT_EQ(without[1].id, app_id{1});
    std::vector back{named("a", "1")};
    ASSERT_EQ(number_apps(data.path, back), "");
    EXPECT_EQ(back[0].id, app_id{0});
}

TEST(app_index, a_damaged_file_is_refused_and_left_alone)
{
    data_folder const data;
    std::ofstream{data.path + "/apps"} << "0 a\n0 b\nnonsense";
    std::vector apps{named("a", "1")};
    EXPECT_THAT(number_apps(data.path, apps), HasSubstr("restore it from a backup"));
    EXPECT_TRUE(std::filesystem::exists(data.path + "/apps"));
}

TEST(web_address, is_taken_apart)
{
    auto const found = parse_web_address("https://hooks.example:8443/a?b=c");
    ASSERT_TRUE(found);
    EXPECT_TRUE(found->tls);
    EXPECT_EQ(found->host, "hooks.example");
    EXPECT_EQ(found->port, 8443);
    EXPECT_EQ(found->target, "/a?b=c");
    EXPECT_EQ(found->authority, "hooks.example:8443");
    EXPECT_EQ(parse_web_address("http://x:80")->authority, "x");
    EXPECT_EQ(parse_web_address("http://[::1]:9/")->host, "::1");
    EXPECT_EQ(parse_web_address("http://[::1]:9/")->authority, "[::1]:9");
    EXPECT_EQ(parse_web_address("http://x?q")->target, "/?q");
}

TEST(web_address, what_could_mean_something_else_is_none)
{
    for (auto const* bad :
         {"", "x", "ftp://x/", "http://", "http:///a", "http://u@x/", "http://x:0/", "http://x:70000/", "http://x:/",
          "http://x/#f", "http://x /", "http://x/\r\nHost: y", "http://[::1/", "HTTP://x"})
        EXPECT_FALSE(parse_web_address(bad)) << bad;
}

}  // namespace
}  // namespace fulmar::broker
