#include "frontends/pusher/request_signature.hpp"

#include "frontends/pusher/channel_auth.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fulmar::pusher {
namespace {

using testing::HasSubstr;

constexpr broker::wall_ms now = 1'353'088'179'000;
constexpr std::string_view key = "278d425bdf160c739803";
constexpr std::string_view secret = "7ad3773142a6692b25b8";
constexpr std::string_view body = R"({"name":"foo","channels":["project-3"],"data":"{\"some\":\"data\"}"})";
constexpr std::string_view query_of_the_vector =
    "auth_key=278d425bdf160c739803&auth_timestamp=1353088179&auth_version=1.0&body_md5=ec365a775a4cd0599faeb73354201b6f";
constexpr std::string_view signature_of_the_vector = "da454824c97ba181a32ccc17a72625ba02771f50b50e1e7430e47a1f3f457e6c";

broker::app the_app()
{
    broker::app made;
    made.name = "3";
    made.keys = {{std::string{key}, std::string{secret}}, {"second", "other-secret"}};
    return made;
}

signature_verdict verify(std::string const& target, std::string_view text = body, std::string_view method = "POST",
                         broker::wall_ms at = now)
{
    auto const path = target.substr(0, target.find('?'));
    return verify_signature(the_app(), {method, target, path, text}, at);
}

// A request whose query is signed as it stands.
std::string signed_target(std::string_view method, std::string const& path, std::string const& query_text,
                          std::string const& signed_text, std::string_view with = secret)
{
    auto const text = std::string{method} + "\n" + path + "\n" + signed_text;
    return path + "?" + query_text + "&auth_signature=" + sign(with, text);
}

std::string const common = "auth_key=278d425bdf160c739803&auth_timestamp=1353088179&auth_version=1.0";

std::string vector_target(std::string_view signature = signature_of_the_vector)
{
    return "/apps/3/events?" + std::string{query_of_the_vector} + "&auth_signature=" + std::string{signature};
}

TEST(request_signature, the_published_vector_is_accepted)
{
    EXPECT_EQ(md5_hex(body), "ec365a775a4cd0599faeb73354201b6f");
    EXPECT_EQ(verify(vector_target()).refusal, "");
}

TEST(request_signature, parameters_may_come_in_any_order)
{
    auto const target = "/apps/3/events?body_md5=ec365a775a4cd0599faeb73354201b6f&auth_signature=" +
                        std::string{signature_of_the_vector} +
                        "&auth_version=1.0&auth_timestamp=1353088179&auth_key=278d425bdf160c739803";
    EXPECT_EQ(verify(target).refusal, "");
}

TEST(request_signature, an_altered_signature_body_path_method_or_parameter_is_refused)
{
    std::string altered{signature_of_the_vector};
    altered.back() = 'd';
    EXPECT_THAT(verify(vector_target(altered)).refusal, HasSubstr("Invalid signature"));
    EXPECT_THAT(verify(vector_target(), std::string{body} + " ").refusal, HasSubstr("body_md5"));
    EXPECT_THAT(verify(vector_target(), body, "PUT").refusal, HasSubstr("Invalid signature"));
    EXPECT_THAT(verify(vector_target() + "&info=user_count").refusal, HasSubstr("Invalid signature"));
    auto other = vector_target();
    other.replace(other.find("events"), 6, "eventz");
    EXPECT_THAT(verify(other).refusal, HasSubstr("Invalid signature"));
}

TEST(request_signature, a_signature_is_good_for_ten_minutes_in_both_directions)
{
    EXPECT_EQ(verify(vector_target(), body, "POST", now + 600'000).refusal, "");
    EXPECT_EQ(verify(vector_target(), body, "POST", now - 600'000).refusal, "");
    EXPECT_THAT(verify(vector_target(), body, "POST", now + 601'000).refusal, HasSubstr("Timestamp expired"));
    EXPECT_THAT(verify(vector_target(), body, "POST", now - 601'000).refusal, HasSubstr("Timestamp expired"));
}

TEST(request_signature, what_is_missing_is_named)
{
    EXPECT_EQ(verify("/apps/3/events").refusal, "auth_key is missing");
    EXPECT_EQ(verify("/apps/3/events?auth_key=nobody").refusal, "auth_key is not a key of this app");
    EXPECT_EQ(verify("/apps/3/events?auth_key=second").refusal, "auth_version must be 1.0");
    EXPECT_EQ(verify("/apps/3/events?auth_key=second&auth_version=1.0").refusal, "auth_signature is missing");
    EXPECT_THAT(verify("/apps/3/events?auth_key=second&auth_version=1.0&auth_signature=x&auth_timestamp=soon").refusal,
                HasSubstr("auth_timestamp"));
    EXPECT_EQ(verify(signed_target("POST", "/apps/3/events", common, common)).refusal, "body_md5 is missing");
    EXPECT_THAT(verify("/apps/3/events?auth_key=%zz").refusal, HasSubstr("malformed"));
}

TEST(request_signature, every_active_key_of_the_app_signs_with_its_own_secret)
{
    auto const text = std::string{"auth_key=second&auth_timestamp=1353088179&auth_version=1.0"};
    EXPECT_EQ(verify(signed_target("GET", "/apps/3/channels", text, text, "other-secret"), "", "GET").refusal, "");
    EXPECT_THAT(verify(signed_target("GET", "/apps/3/channels", text, text, secret), "", "GET").refusal,
                HasSubstr("Invalid signature"));
}

TEST(request_signature, values_are_signed_as_they_are_meant_and_may_be_sent_escaped)
{
    auto const target = signed_target("GET", "/apps/3/channels", common + "&info=user_count%2Csubscription_count",
                                      common + "&info=user_count,subscription_count");
    auto const verdict = verify(target, "", "GET");
    EXPECT_EQ(verdict.refusal, "");
    EXPECT_EQ(verdict.parameters.value("info"), "user_count,subscription_count");
}

TEST(request_signature, values_that_were_signed_and_sent_unescaped_are_read_unescaped)
{
    auto const text = common + "&name=a+b%41";
    auto const verdict = verify(signed_target("GET", "/apps/3/channels", text, text), "", "GET");
    EXPECT_EQ(verdict.refusal, "");
    EXPECT_EQ(verdict.parameters.value("name"), "a+b%41") << "what was signed is what is read";
}

TEST(request_signature, lists_are_accepted_as_they_are_and_joined_by_commas)
{
    auto const sent = common + "&channels[]=b&channels[]=a";
    EXPECT_EQ(verify(signed_target("GET", "/apps/3/x", sent, sent), "", "GET").refusal, "");
    auto const verdict = verify(signed_target("GET", "/apps/3/x", sent, common + "&channels=b,a"), "", "GET");
    EXPECT_EQ(verdict.refusal, "");
    EXPECT_THAT(verdict.parameters.list("channels"), testing::ElementsAre("b", "a"));
}

TEST(request_signature, names_of_parameters_are_signed_in_lower_case)
{
    auto const target =
        signed_target("GET", "/apps/3/channels", common + "&Info=user_count", common + "&info=user_count");
    EXPECT_EQ(verify(target, "", "GET").refusal, "");
}

TEST(request_signature, an_explanation_repeats_only_a_little_of_the_request)
{
    auto const target = "/apps/3/events?" + common + "&auth_signature=x&filler=" + std::string(20'000, 'a');
    EXPECT_LT(verify(target).refusal.size(), 700U);
}

TEST(query, more_parameters_than_anybody_needs_are_refused)
{
    std::string text;
    for (std::size_t i = 0; i <= query_parameters_max; ++i)
        text += "a=b&";
    EXPECT_FALSE(query::parse(text, true));
}

}  // namespace
}  // namespace fulmar::pusher
