#include "frontends/auth/file_authenticator.hpp"

#include <filesystem>
#include <fstream>
#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <boost/asio/executor_work_guard.hpp>

namespace fulmar::auth {
namespace {

using broker::anonymous_policy;
using broker::errc;
using testing::HasSubstr;

class file_authenticator_test : public testing::Test
{
protected:
    file_authenticator_test()
    {
        auto pattern = (std::filesystem::temp_directory_path() / "fulmar-auth-XXXXXX").string();
        directory_ = mkdtemp(pattern.data());
        write_users({"alice", "bob"});
        options_.password_file = users_path();
    }
    ~file_authenticator_test() override { std::filesystem::remove_all(directory_); }

    [[nodiscard]] std::string users_path() const { return directory_ + "/users"; }
    [[nodiscard]] std::string acl_path() const { return directory_ + "/acl"; }

    // Every password is the name with "-secret".
    void write_users(std::vector<std::string> const& names) const
    {
        password_file users;
        for (auto const& name : names)
            ASSERT_FALSE(users.set(name, *make_password_hash(name + "-secret", iterations_min)));
        ASSERT_FALSE(users.save(users_path()));
    }

    void write_acl(std::string const& text)
    {
        std::ofstream{acl_path()} << text;
        options_.acl_file = acl_path();
    }

    // Asks and runs the shard's loop until the answer is there.
    broker::result<broker::identity> ask(file_authenticator& authenticator, broker::credentials const& who)
    {
        std::optional<broker::result<broker::identity>> answer;
        shard_.restart();
        auto const stay = boost::asio::make_work_guard(shard_);
        authenticator.authenticate(who, shard_, [&](broker::result<broker::identity> got) { answer = std::move(got); });
        while (!answer)
            shard_.run_one();
        return std::move(*answer);
    }

    static broker::credentials named(std::optional<std::string_view> user, std::optional<std::string_view> password)
    {
        broker::credentials who;
        who.client_id = "c1";
        who.user = user;
        who.password = password;
        return who;
    }

    static broker::credentials anonymous(bool loopback)
    {
        auto who = named(std::nullopt, std::nullopt);
        who.loopback = loopback;
        return who;
    }

    std::string directory_;
    boost::asio::io_context shard_{1};  // outlives every authenticator: its thread may still be inside a post
    file_authenticator_options options_;
};

TEST_F(file_authenticator_test, the_right_password_names_the_user)
{
    file_authenticator authenticator{options_};
    auto const got = ask(authenticator, named("alice", "alice-secret"));
    ASSERT_TRUE(got);
    EXPECT_EQ(got->user, "alice");
    ASSERT_NE(got->allowed, nullptr);
    EXPECT_TRUE(got->allowed->may_publish("a"));
}

TEST_F(file_authenticator_test, wrong_passwords_unknown_users_and_half_credentials_are_refused_alike)
{
    options_.anonymous = anonymous_policy::everybody;
    file_authenticator authenticator{options_};
    EXPECT_EQ(ask(authenticator, named("alice", "bob-secret")).error(), errc::bad_credentials);
    EXPECT_EQ(ask(authenticator, named("nobody", "nobody-secret")).error(), errc::bad_credentials);
    EXPECT_EQ(ask(authenticator, named("alice", "")).error(), errc::bad_credentials);
    EXPECT_EQ(ask(authenticator, named("alice", std::nullopt)).error(), errc::bad_credentials);
    EXPECT_EQ(ask(authenticator, named(std::nullopt, "alice-secret")).error(), errc::bad_credentials);
    EXPECT_EQ(ask(authenticator, named("", "x")).error(), errc::bad_credentials);
}

TEST_F(file_authenticator_test, an_unknown_user_costs_a_hash_too)
{
    file_authenticator authenticator{options_};
    EXPECT_FALSE(ask(authenticator, named("nobody", "x")));
    EXPECT_EQ(authenticator.hashed(), 1U);
}

TEST_F(file_authenticator_test, a_client_that_reconnects_does_not_cost_another_hash)
{
    file_authenticator authenticator{options_};
    ASSERT_TRUE(ask(authenticator, named("alice", "alice-secret")));
    EXPECT_EQ(authenticator.hashed(), 1U);
    ASSERT_TRUE(ask(authenticator, named("alice", "alice-secret")));
    EXPECT_EQ(authenticator.hashed(), 1U);
    EXPECT_FALSE(ask(authenticator, named("alice", "alice-secreT")));
    EXPECT_EQ(authenticator.hashed(), 2U);
    EXPECT_FALSE(ask(authenticator, named("bob", "alice-secret")));
}

TEST_F(file_authenticator_test, anonymous_clients_are_let_in_as_the_policy_says)
{
    auto const lets_in = [&](anonymous_policy policy, bool loopback) {
        options_.anonymous = policy;
        file_authenticator authenticator{options_};
        return ask(authenticator, anonymous(loopback)).has_value();
    };
    EXPECT_TRUE(lets_in(anonymous_policy::loopback, true));
    EXPECT_FALSE(lets_in(anonymous_policy::loopback, false));
    EXPECT_TRUE(lets_in(anonymous_policy::everybody, false));
    EXPECT_FALSE(lets_in(anonymous_policy::nobody, true));
    EXPECT_FALSE(lets_in(anonymous_policy::automatic, true)) << "the policy must be resolved before";
}

TEST_F(file_authenticator_test, without_a_password_file_a_user_name_proves_nothing)
{
    options_.password_file.clear();
    file_authenticator authenticator{options_};
    auto who = named("admin", "anything");
    EXPECT_EQ(ask(authenticator, who).error(), errc::not_authorized);
    who.loopback = true;
    auto const got = ask(authenticator, who);
    ASSERT_TRUE(got);
    EXPECT_EQ(got->user, "");
}

TEST_F(file_authenticator_test, a_verified_certificate_names_the_user)
{
    options_.certificates = true;
    options_.anonymous = anonymous_policy::nobody;
    file_authenticator authenticator{options_};
    auto who = named(std::nullopt, std::nullopt);
    who.certificate_subject = "device-7";
    ASSERT_TRUE(ask(authenticator, who));
    EXPECT_EQ(ask(authenticator, who)->user, "device-7");
    who.user = "device-7";
    EXPECT_TRUE(ask(authenticator, who));
    who.user = "alice";
    EXPECT_EQ(ask(authenticator, who).error(), errc::bad_credentials);
    who.password = "alice-secret";
    EXPECT_EQ(ask(authenticator, who)->user, "alice");
}

TEST_F(file_authenticator_test, a_certificate_counts_only_where_certificates_are_configured)
{
    file_authenticator authenticator{options_};
    auto who = named(std::nullopt, std::nullopt);
    who.certificate_subject = "device-7";
    EXPECT_FALSE(ask(authenticator, who));
}

TEST_F(file_authenticator_test, a_client_whose_id_would_widen_a_rule_is_refused)
{
    write_acl("allow all device/%c/#\n");
    file_authenticator authenticator{options_};
    auto who = named("alice", "alice-secret");
    who.client_id = "+";
    EXPECT_EQ(ask(authenticator, who).error(), errc::not_authorized);
    who.client_id = "d1";
    ASSERT_TRUE(ask(authenticator, who));
    EXPECT_TRUE(ask(authenticator, who)->allowed->may_publish("device/d1/x"));
    EXPECT_FALSE(ask(authenticator, who)->allowed->may_publish("device/d2/x"));
}

TEST_F(file_authenticator_test, refuses_to_start_with_a_file_that_cannot_be_used)
{
    auto const message = [&] {
        try {
            file_authenticator const authenticator{options_};
        } catch (std::runtime_error const& error) {
            return std::string{error.what()};
        }
        return std::string{"started"};
    };
    write_acl("allow nonsense\n");
    EXPECT_THAT(message(), HasSubstr("acl:1:"));
    write_acl("allow all #\n");
    EXPECT_EQ(message(), "started");
    std::ofstream{users_path()} << "alice:plain-text\n";
    EXPECT_THAT(message(), HasSubstr("users:1:"));
    options_.password_file = directory_ + "/missing";
    EXPECT_THAT(message(), HasSubstr("cannot be read"));
}

TEST_F(file_authenticator_test, reload_takes_both_files_or_neither)
{
    write_acl("allow all a\n");
    file_authenticator authenticator{options_};
    ASSERT_TRUE(ask(authenticator, named("alice", "alice-secret")));

    write_users({"carol"});
    write_acl("nonsense\n");
    auto const problem = authenticator.reload();
    ASSERT_TRUE(problem);
    EXPECT_THAT(*problem, HasSubstr("acl:1:"));
    EXPECT_TRUE(ask(authenticator, named("alice", "alice-secret")));
    EXPECT_FALSE(ask(authenticator, named("carol", "carol-secret")));

    write_acl("allow all b\n");
    EXPECT_FALSE(authenticator.reload());
    EXPECT_FALSE(ask(authenticator, named("alice", "alice-secret"))) << "a cached verification outlived its user";
    auto const carol = ask(authenticator, named("carol", "carol-secret"));
    ASSERT_TRUE(carol);
    EXPECT_TRUE(carol->allowed->may_publish("b"));
    EXPECT_FALSE(carol->allowed->may_publish("a"));
}

TEST_F(file_authenticator_test, after_a_reload_removed_users_may_do_nothing)
{
    file_authenticator authenticator{options_};
    EXPECT_TRUE(authenticator.current_permissions("alice", "c1")->may_publish("a"));
    write_users({"bob"});
    ASSERT_FALSE(authenticator.reload());
    EXPECT_FALSE(authenticator.current_permissions("alice", "c1")->may_publish("a"));
    EXPECT_TRUE(authenticator.current_permissions("bob", "c1")->may_publish("a"));
    EXPECT_TRUE(authenticator.current_permissions("", "c1")->may_publish("a"));
}

TEST_F(file_authenticator_test, fails_closed_when_too_many_passwords_wait)
{
    options_.queue_max = 0;
    file_authenticator authenticator{options_};
    EXPECT_EQ(ask(authenticator, named("alice", "alice-secret")).error(), errc::authentication_unavailable);
}

TEST_F(file_authenticator_test, scram_begins_only_by_its_name_and_with_a_password_file)
{
    {
        file_authenticator authenticator{options_};
        EXPECT_NE(authenticator.begin("SCRAM-SHA-256", "c1"), nullptr);
        EXPECT_EQ(authenticator.begin("SCRAM-SHA-1", "c1"), nullptr);
        EXPECT_EQ(authenticator.begin("", "c1"), nullptr);
    }
    options_.password_file.clear();
    file_authenticator authenticator{options_};
    EXPECT_EQ(authenticator.begin("SCRAM-SHA-256", "c1"), nullptr);
}

TEST_F(file_authenticator_test, scram_gives_an_unknown_user_the_same_salt_every_time_and_others_another)
{
    file_authenticator authenticator{options_};
    auto const salt_of = [&](std::string const& user) {
        auto const text = authenticator.begin("SCRAM-SHA-256", "c1")->next("n,,n=" + user + ",r=abc").data;
        return text.substr(text.find(",s="));
    };
    EXPECT_EQ(salt_of("nobody"), salt_of("nobody"));
    EXPECT_NE(salt_of("nobody"), salt_of("somebody"));
    EXPECT_NE(salt_of("alice"), salt_of("nobody"));
}

TEST_F(file_authenticator_test, every_conversation_has_a_nonce_of_its_own)
{
    file_authenticator authenticator{options_};
    auto const first = authenticator.begin("SCRAM-SHA-256", "c1")->next("n,,n=alice,r=abc").data;
    auto const second = authenticator.begin("SCRAM-SHA-256", "c1")->next("n,,n=alice,r=abc").data;
    EXPECT_NE(first, second);
}

TEST(verification_cache, forgets_after_its_lifetime_and_when_cleared)
{
    verification_cache cache{std::string(32, 'k'), std::chrono::seconds{10}};
    auto const now = std::chrono::steady_clock::now();
    cache.add("alice", "x", now);
    EXPECT_TRUE(cache.contains("alice", "x", now + std::chrono::seconds{9}));
    EXPECT_FALSE(cache.contains("alice", "x", now + std::chrono::seconds{10}));
    EXPECT_FALSE(cache.contains("alice", "y", now));
    EXPECT_FALSE(cache.contains("alic", "ex", now));
    cache.clear();
    EXPECT_FALSE(cache.contains("alice", "x", now));
}

}  // namespace
}  // namespace fulmar::auth
