#include "frontends/auth/token_authenticator.hpp"

#include "tests/support/fake_authenticator.hpp"
#include "tests/support/fake_clock.hpp"
#include "tests/unit/frontends/auth/token_signer.hpp"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace fulmar::auth {
namespace {

constexpr std::string_view secret = "0123456789abcdef0123456789abcdef";

class token_authenticator_test : public testing::Test
{
protected:
    token_authenticator_test()
    {
        auto pattern = (std::filesystem::temp_directory_path() / "fulmar-token-XXXXXX").string();
        file_ = pattern;
        ::close(::mkstemp(file_.data()));
        write(secret);
        settings.algorithm = "HS256";
        settings.key_file = file_;
    }
    ~token_authenticator_test() override { std::filesystem::remove(file_); }

    void write(std::string_view text) const { std::ofstream{file_} << text; }
    [[nodiscard]] std::unique_ptr<token_authenticator> make()
    {
        return std::make_unique<token_authenticator>(users, settings, clock, [](std::string_view app) {
            return app.empty()    ? std::optional{broker::default_app}
                   : app == "two" ? std::optional{broker::app_id{2}}
                                  : std::nullopt;
        });
    }
    [[nodiscard]] static std::string token(std::string_view more)
    {
        return test::hs256(
            secret, R"({"alg":"HS256"})",
            R"({"exp":)" + std::to_string(fulmar::test::fake_clock::start_wall / 1000 + 60) + std::string{more} + "}");
    }
    [[nodiscard]] static std::string hs256_until(broker::wall_ms seconds)
    {
        return test::hs256(secret, R"({"alg":"HS256"})", R"({"sub":"ann","exp":)" + std::to_string(seconds) + "}");
    }
    broker::result<broker::identity> ask(broker::authenticator& from, broker::credentials const& who)
    {
        broker::result<broker::identity> out{make_error_code(broker::errc::cancelled)};
        from.authenticate(who, io, [&](broker::result<broker::identity> found) { out = std::move(found); });
        return out;
    }

    boost::asio::io_context io;
    fulmar::test::fake_authenticator users;
    fulmar::test::fake_clock clock;
    broker::jwt_settings settings;
    std::string file_;
};

TEST_F(token_authenticator_test, a_token_is_an_identity_with_its_own_rights)
{
    auto const all = make();
    auto const text = token(R"(,"sub":"ann","app":"two","publish":["a"],"subscribe":["b/#"])");
    broker::credentials who;
    who.token = text;
    auto const found = ask(*all, who);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->user, "jwt:ann");
    EXPECT_EQ(found->app, broker::app_id{2});
    EXPECT_TRUE(found->allowed->may_publish("a"));
    EXPECT_FALSE(found->allowed->may_publish("b"));
    EXPECT_TRUE(found->allowed->may_subscribe("b/+"));
    EXPECT_FALSE(found->allowed->may_subscribe("#"));
    EXPECT_FALSE(found->allowed->may_receive("private-x"));
    auto const elsewhere = token(R"(,"app":"three")");
    who.token = elsewhere;
    EXPECT_FALSE(ask(*all, who));
}

TEST_F(token_authenticator_test, mqtt_puts_it_into_the_password)
{
    auto const all = make();
    auto const text = token(R"(,"sub":"ann")");
    broker::credentials who;
    who.client_id = "c";
    who.password = text;
    for (auto const* const name : {"", "jwt", "ann"}) {
        who.user = name;
        EXPECT_TRUE(ask(*all, who)) << name;
    }
    who.user = "bob";
    EXPECT_FALSE(ask(*all, who));
    auto const nobody = token("");
    who.user = "jwt";
    who.password = nobody;
    EXPECT_FALSE(ask(*all, who)) << "sessions need an owner";
    auto const bad = text.substr(0, text.size() - 2) + "AA";
    who.password = bad;
    EXPECT_FALSE(ask(*all, who)) << "never tried as a password";
    who.password = "plain";
    EXPECT_EQ(ask(*all, who)->user, "jwt") << "the other authenticator lets everybody in";
}

TEST_F(token_authenticator_test, without_an_algorithm_no_token_is_accepted)
{
    settings.algorithm.clear();
    auto const all = make();
    auto const text = token(R"(,"sub":"ann")");
    broker::credentials who;
    who.token = text;
    EXPECT_FALSE(ask(*all, who));
    EXPECT_EQ(all->refused(), 1U);
}

TEST_F(token_authenticator_test, a_session_loses_its_rights_when_its_token_ends)  // attack list E11
{
    auto const all = make();
    auto const text = token(R"(,"sub":"ann","publish":["a"])");
    broker::credentials who;
    who.client_id = "c";
    who.password = text;
    auto const found = ask(*all, who);
    EXPECT_EQ(all->current_permissions("jwt:ann", "c"), found->allowed);
    EXPECT_EQ(all->current_permissions("jwt:ann", "other"), nullptr);
    EXPECT_TRUE(all->take_ended().empty());
    clock.advance(std::chrono::seconds{91});
    auto const ended = all->take_ended();
    ASSERT_EQ(ended.size(), 1U);
    EXPECT_EQ(ended[0].client_id, "c");
    EXPECT_TRUE(all->take_ended().empty()) << "said once";
    EXPECT_EQ(all->current_permissions("jwt:ann", "c"), nullptr);
    EXPECT_NE(all->current_permissions("ann", "c"), nullptr) << "users are the other authenticator's";
}

TEST_F(token_authenticator_test, who_comes_back_with_a_new_token_or_has_gone_is_not_ended)
{
    auto const all = make();
    auto const text = token(R"(,"sub":"ann")");
    broker::credentials who;
    who.client_id = "c";
    who.password = text;
    auto const first = ask(*all, who);
    who.client_id = "gone";
    (void)ask(*all, who);
    clock.advance(std::chrono::seconds{10});
    auto const fresh = hs256_until(clock.wall() / 1000 + 500);
    who.client_id = "c";
    who.password = fresh;
    auto const second = ask(*all, who);
    clock.advance(std::chrono::seconds{100});
    EXPECT_TRUE(all->take_ended().empty());
}

TEST_F(token_authenticator_test, a_withdrawn_key_takes_its_sessions_with_it)  // attack list E13
{
    auto const all = make();
    auto const text = token(R"(,"sub":"ann")");
    broker::credentials who;
    who.client_id = "c";
    who.password = text;
    auto const found = ask(*all, who);
    write("too short");
    EXPECT_THAT(all->reload().value_or(""), testing::HasSubstr("fewer than 32 bytes"));
    EXPECT_NE(all->current_permissions("jwt:ann", "c"), nullptr) << "what cannot be read changes nothing";
    write("another secret of thirty-two bytes or more");
    EXPECT_EQ(all->reload(), std::nullopt);
    EXPECT_EQ(all->take_ended().size(), 1U);
    EXPECT_EQ(all->current_permissions("jwt:ann", "c"), nullptr);
    EXPECT_FALSE(ask(*all, who));
}

class keys_from_a_url : public token_authenticator_test
{
protected:
    keys_from_a_url()
    {
        settings.algorithm = "ES256";
        settings.key_file.clear();
        settings.jwks_url = "https://id.example/keys";
        all = make();
        all->ask_for_keys([this] { ++asked; });
        who.client_id = "c";
    }
    [[nodiscard]] static std::string set_of(std::string const& keys) { return "{\"keys\":[" + keys + "]}"; }
    [[nodiscard]] broker::result<broker::identity> show(test::key_pair const& pair, std::string_view kid)
    {
        auto const expiry = std::to_string(fulmar::test::fake_clock::start_wall / 1000 + 60);
        text = pair.sign(R"({"alg":"ES256","kid":")" + std::string{kid} + R"("})",
                         R"({"sub":"ann","exp":)" + expiry + "}");
        who.password = text;
        return ask(*all, who);
    }

    test::key_pair const first{jwt_algorithm::es256};
    test::key_pair const second{jwt_algorithm::es256};
    std::unique_ptr<token_authenticator> all;
    std::string text;
    broker::credentials who;
    int asked = 0;
};

TEST_F(keys_from_a_url, until_there_are_keys_no_token_is_accepted_and_it_is_said_that_this_may_change)
{
    EXPECT_EQ(show(first, "1").error(), broker::errc::authentication_unavailable);
    EXPECT_EQ(asked, 1);
    EXPECT_EQ(all->key_count(), 0U);
    EXPECT_EQ(all->refused(), 1U);
    EXPECT_EQ(all->take_keys(set_of(first.jwk("1"))), std::nullopt);
    EXPECT_TRUE(show(first, "1"));
    EXPECT_EQ(all->key_count(), 1U);
}

TEST_F(keys_from_a_url, an_unknown_kid_asks_for_keys_and_is_refused_until_they_are_there)
{
    EXPECT_EQ(all->take_keys(set_of(first.jwk("1"))), std::nullopt);
    EXPECT_TRUE(show(first, "1"));
    EXPECT_FALSE(show(second, "1")) << "a wrong signature is no reason to ask";
    EXPECT_EQ(asked, 0);
    EXPECT_EQ(show(second, "2").error(), broker::errc::bad_credentials);
    EXPECT_EQ(asked, 1);
    EXPECT_EQ(all->take_keys(set_of(first.jwk("1") + "," + second.jwk("2"))), std::nullopt);
    EXPECT_TRUE(show(second, "2"));
    EXPECT_TRUE(show(first, "1"));
    EXPECT_EQ(all->reload(), std::nullopt);
    EXPECT_EQ(asked, 2) << "and so does a reload";
}

TEST_F(keys_from_a_url, what_is_no_key_set_changes_nothing)
{
    EXPECT_EQ(all->take_keys(set_of(first.jwk("1"))), std::nullopt);
    for (auto const& bad : {std::string{}, std::string{"<html>"}, std::string{"{}"}, set_of(""),
                            set_of(second.jwk("2") + "," + second.jwk("2"))}) {
        EXPECT_NE(all->take_keys(bad), std::nullopt) << bad;
        EXPECT_TRUE(show(first, "1"));
    }
}

TEST_F(keys_from_a_url, a_key_that_is_gone_takes_its_sessions_with_it)
{
    EXPECT_EQ(all->take_keys(set_of(first.jwk("1") + "," + second.jwk("2"))), std::nullopt);
    auto const session = show(first, "1");
    EXPECT_EQ(all->take_keys(set_of(second.jwk("2"))), std::nullopt);
    EXPECT_EQ(all->take_ended().size(), 1U);
    EXPECT_EQ(all->current_permissions("jwt:ann", "c"), nullptr);
}

TEST_F(token_authenticator_test, keys_that_cannot_be_used_prevent_the_start)  // attack list E13
{
    write("short");
    EXPECT_THROW((void)make(), std::runtime_error);
    settings.key_file = "/nowhere/key";
    EXPECT_THROW((void)make(), std::runtime_error);
}

}  // namespace
}  // namespace fulmar::auth
