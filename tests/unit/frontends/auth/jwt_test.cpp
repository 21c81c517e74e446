// Tokens, good and bad: the attack list's part E.
#include "frontends/auth/jwt.hpp"

#include "tests/unit/frontends/auth/token_signer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fulmar::auth {
namespace {

using test::base64url;
using test::hs256;
using testing::HasSubstr;

constexpr broker::wall_ms now = 1'700'000'000'000;
constexpr std::string_view secret = "0123456789abcdef0123456789abcdef";
constexpr std::string_view header = R"({"alg":"HS256","typ":"JWT"})";
constexpr std::string_view good_claims = R"({"sub":"ann","exp":1700000060,"publish":["up/#"],"subscribe":["news/+"]})";

std::shared_ptr<jwt_key_set const> secret_keys()
{
    std::string problem;
    return jwt_key_set::from_secret(secret, problem);
}

char const* problem_of(std::string_view token, jwt_rules const& rules = {})
{
    auto const verdict = check_token(token, *secret_keys(), rules, now);
    return verdict.claims ? "" : verdict.problem;
}

std::string with_claims(std::string_view claims) { return hs256(secret, header, claims); }
std::string with_header(std::string_view other) { return hs256(secret, other, good_claims); }

TEST(jwt, a_good_token_says_who_and_what)
{
    auto const verdict = check_token(with_claims(good_claims), *secret_keys(), {}, now);
    ASSERT_TRUE(verdict.claims) << verdict.problem;
    EXPECT_EQ(verdict.claims->subject, "ann");
    EXPECT_EQ(verdict.claims->publish, (std::vector<std::string>{"up/#"}));
    EXPECT_EQ(verdict.claims->subscribe, (std::vector<std::string>{"news/+"}));
    EXPECT_EQ(verdict.claims->expires_at, 1'700'000'090'000U) << "with leeway";
    EXPECT_FALSE(verdict.claims->administrator);
    EXPECT_TRUE(
        check_token(with_claims(R"({"exp":1700000060,"admin":true})"), *secret_keys(), {}, now).claims->administrator);
}

TEST(jwt, the_algorithm_is_the_configured_one_and_no_other)  // E1, E3
{
    for (auto const* const text :
         {R"({"alg":"none"})", R"({"alg":"None"})", R"({"alg":"nOnE"})", R"({"alg":""})", R"({})", R"({"alg":"hs256"})",
          R"({"alg":"HS512"})", R"({"alg":"RS256"})", R"({"alg":["HS256"]})", R"({"alg":"HS256","alg":"none"})",
          R"({"alg":"none","alg":"HS256"})"})
        EXPECT_STRNE(problem_of(with_header(text)), "") << text;
    auto const unsigned_token = base64url(R"({"alg":"none"})") + "." + base64url(good_claims) + ".";
    EXPECT_STRNE(problem_of(unsigned_token), "");
    EXPECT_STRNE(problem_of(base64url(header) + "." + base64url(good_claims) + "."), "") << "no signature";
}

TEST(jwt, a_public_key_is_no_secret)  // E2
{
    for (auto const algorithm : {jwt_algorithm::rs256, jwt_algorithm::es256}) {
        test::key_pair const pair{algorithm};
        std::string problem;
        auto const keys = jwt_key_set::from_pem(algorithm, pair.pem(), problem);
        ASSERT_NE(keys, nullptr) << problem;
        jwt_rules rules;
        rules.algorithm = algorithm;
        for (auto const* const name : {"HS256", "RS256", "ES256"}) {
            auto const forged = hs256(pair.pem(), R"({"alg":")" + std::string{name} + "\"}", good_claims);
            EXPECT_FALSE(check_token(forged, *keys, rules, now).claims) << name;
        }
        EXPECT_EQ(jwt_key_set::from_secret(pair.pem(), problem), nullptr) << "a PEM file is not taken as a secret";
        EXPECT_THAT(problem, HasSubstr("public key"));
    }
}

TEST(jwt, weak_keys_are_refused_when_they_are_loaded)  // E4
{
    std::string problem;
    EXPECT_EQ(jwt_key_set::from_secret("", problem), nullptr);
    EXPECT_EQ(jwt_key_set::from_secret("0123456789abcdef0123456789abcde\n", problem), nullptr);
    EXPECT_NE(jwt_key_set::from_secret("0123456789abcdef0123456789abcdef\n", problem), nullptr);
    EXPECT_EQ(jwt_key_set::from_pem(jwt_algorithm::rs256, test::key_pair{jwt_algorithm::rs256, 1024}.pem(), problem),
              nullptr);
    EXPECT_EQ(jwt_key_set::from_pem(jwt_algorithm::rs256, test::key_pair{jwt_algorithm::es256}.pem(), problem),
              nullptr);
    EXPECT_EQ(jwt_key_set::from_pem(jwt_algorithm::rs256, "nothing", problem), nullptr);
    // The shortest way to an empty secret: a JWK of another kind (libjwt, CVE-2026-44699).
    problem.clear();
    EXPECT_EQ(jwt_key_set::from_jwks(jwt_algorithm::hs256,
                                     "{\"keys\":[" + test::key_pair{jwt_algorithm::rs256}.jwk("a") + "]}", problem),
              nullptr);
    EXPECT_EQ(jwt_key_set::from_jwks(jwt_algorithm::hs256, R"({"keys":[{"kty":"oct","k":""}]})", problem), nullptr);
}

TEST(jwt, every_algorithm_verifies_what_it_signed_and_nothing_else)
{
    for (auto const algorithm : {jwt_algorithm::rs256, jwt_algorithm::es256, jwt_algorithm::eddsa}) {
        test::key_pair const pair{algorithm};
        test::key_pair const other{algorithm};
        jwt_rules rules;
        rules.algorithm = algorithm;
        std::string problem;
        auto const head = R"({"alg":")" + std::string{to_string(algorithm)} + R"(","kid":"two"})";
        auto const token = pair.sign(head, good_claims);
        auto const from_pem = jwt_key_set::from_pem(algorithm, pair.pem(), problem);
        ASSERT_NE(from_pem, nullptr) << problem;
        EXPECT_TRUE(check_token(token, *from_pem, rules, now).claims) << head;
        auto const jwks =
            jwt_key_set::from_jwks(algorithm, "{\"keys\":[" + other.jwk("one") + "," + pair.jwk("two") + "]}", problem);
        ASSERT_NE(jwks, nullptr) << problem;
        EXPECT_EQ(jwks->size(), 2U);
        EXPECT_TRUE(check_token(token, *jwks, rules, now).claims) << head;
        EXPECT_FALSE(check_token(other.sign(head, good_claims), *jwks, rules, now).claims);
        auto changed = token;
        changed[changed.find('.') + 3] ^= 1;
        EXPECT_FALSE(check_token(changed, *from_pem, rules, now).claims);
    }
}

TEST(jwt, ecdsa_signatures_have_one_form)  // E8
{
    test::key_pair const pair{jwt_algorithm::es256};
    std::string problem;
    auto const keys = jwt_key_set::from_pem(jwt_algorithm::es256, pair.pem(), problem);
    jwt_rules rules;
    rules.algorithm = jwt_algorithm::es256;
    auto const text = base64url(R"({"alg":"ES256"})") + "." + base64url(good_claims);
    EXPECT_FALSE(check_token(text + "." + base64url(pair.signature_of(text)), *keys, rules, now).claims) << "DER";
    EXPECT_FALSE(check_token(text + "." + base64url(std::string(64, '\0')), *keys, rules, now).claims) << "zeros";
    EXPECT_FALSE(check_token(text + "." + base64url(std::string(63, '\1')), *keys, rules, now).claims);
    EXPECT_FALSE(check_token(text + "." + base64url(std::string(64, '\xff')), *keys, rules, now).claims);
}

TEST(jwt, key_ids_only_choose_among_the_keys_there_are)  // E5
{
    test::key_pair const pair{jwt_algorithm::eddsa};
    std::string problem;
    auto const keys = jwt_key_set::from_jwks(
        jwt_algorithm::eddsa,
        "{\"keys\":[" + pair.jwk("a") + "," + test::key_pair{jwt_algorithm::eddsa}.jwk("b") + "]}", problem);
    ASSERT_NE(keys, nullptr) << problem;
    jwt_rules rules;
    rules.algorithm = jwt_algorithm::eddsa;
    for (auto const* const id :
         {R"("../../etc/passwd")", R"("https://evil.example/key")", R"("a' OR '1'='1")", R"("")", "7", "null"})
        EXPECT_FALSE(
            check_token(pair.sign(R"({"alg":"EdDSA","kid":)" + std::string{id} + "}", good_claims), *keys, rules, now)
                .claims)
            << id;
    EXPECT_FALSE(check_token(pair.sign(R"({"alg":"EdDSA"})", good_claims), *keys, rules, now).claims)
        << "two keys, no id";
    EXPECT_FALSE(check_token(pair.sign(R"({"alg":"EdDSA","kid":"b"})", good_claims), *keys, rules, now).claims);
    EXPECT_TRUE(check_token(pair.sign(R"({"alg":"EdDSA","kid":"a","jku":"https://evil.example","x5u":"y","jwk":{}})",
                                      good_claims),
                            *keys, rules, now)
                    .claims)
        << "what points to other keys is not followed";
    EXPECT_EQ(jwt_key_set::from_jwks(jwt_algorithm::eddsa, "{\"keys\":[" + pair.jwk("a") + "," + pair.jwk("a") + "]}",
                                     problem),
              nullptr);
    for (auto const* const text : {"", "[]", "{}", R"({"keys":{}})", R"({"keys":[]})", R"({"keys":[1]})"})
        EXPECT_EQ(jwt_key_set::from_jwks(jwt_algorithm::eddsa, text, problem = ""), nullptr) << text;
}

TEST(jwt, extensions_that_must_be_understood_are_refused)
{
    for (auto const* const text :
         {R"({"alg":"HS256","crit":["exp"]})", R"({"alg":"HS256","b64":false})", R"({"alg":"HS256","enc":"A128GCM"})",
          R"({"alg":"HS256","zip":"DEF"})", R"({"alg":"HS256","typ":"other"})", R"({"alg":"HS256","typ":1})"})
        EXPECT_STRNE(problem_of(with_header(text)), "") << text;
    EXPECT_STREQ(problem_of(with_header(R"({"alg":"HS256","typ":"at+jwt"})")), "");
}

TEST(jwt, times_are_seconds_and_nothing_else)  // E6
{
    for (auto const* const text :
         {R"({})", R"({"exp":null})", R"({"exp":"1700000060"})", R"({"exp":-1})", R"({"exp":1e400})",
          R"({"exp":1700000060000})", R"({"exp":1699999969})", R"({"exp":true})", R"({"exp":[1700000060]})",
          R"({"exp":1700000060,"nbf":1700000031})", R"({"exp":1700000060,"nbf":"x"})",
          R"({"exp":1700000060,"iat":1700000031})", R"({"exp":1700000060,"iat":{}})",
          R"({"exp":1600000000,"exp":1700000060})", R"({"exp":1700000060,"exp":1600000000})"})
        EXPECT_STRNE(problem_of(with_claims(text)), "") << text;
    for (auto const* const text :
         {R"({"exp":1700000060.5})", R"({"exp":1699999971})", R"({"exp":1700000060,"nbf":1700000030})",
          R"({"exp":1700000060,"nbf":0,"iat":1600000000})"})
        EXPECT_STREQ(problem_of(with_claims(text)), "") << text;
}

TEST(jwt, issuer_and_audience_are_compared)  // E7
{
    jwt_rules rules;
    rules.issuer = "https://id.example";
    rules.audience = "fulmar";
    auto const problem = [&](std::string_view more) {
        return std::string{problem_of(with_claims(R"({"exp":1700000060)" + std::string{more} + "}"), rules)};
    };
    EXPECT_EQ(problem(R"(,"iss":"https://id.example","aud":"fulmar")"), "");
    EXPECT_EQ(problem(R"(,"iss":"https://id.example","aud":["x","fulmar"])"), "");
    for (auto const* const more :
         {"", R"(,"iss":"https://id.example")", R"(,"aud":"fulmar")", R"(,"iss":["https://id.example"],"aud":"fulmar")",
          R"(,"iss":"https://id.example/","aud":"fulmar")", R"(,"iss":"https://id.example","aud":"fulmarx")",
          R"(,"iss":"https://id.example","aud":[])", R"(,"iss":"https://id.example","aud":{"fulmar":1})"})
        EXPECT_NE(problem(more), "") << more;
    EXPECT_STRNE(problem_of(with_claims(R"({"exp":1700000060,"aud":"other"})")), "")
        << "for somebody else (RFC 7519 4.1.3)";
}

TEST(jwt, there_is_one_way_to_write_a_token)  // E8
{
    auto const token = with_claims(good_claims);
    EXPECT_STREQ(problem_of(token), "");
    auto const second = token.rfind('.');
    for (auto const& text :
         {token + ".", token + "=", token + "\n", " " + token, token + "A", token.substr(0, second), std::string{},
          std::string{".."}, "." + token, token.substr(0, second) + ".." + token.substr(second + 1),
          token.substr(0, second) + "=" + token.substr(second), token.substr(0, token.size() - 1)})
        EXPECT_STRNE(problem_of(text), "") << text;
    // The last letter of 32 bytes carries two bits that say nothing: only one of four spellings is right.
    auto other = token;
    auto const letters = std::string_view{"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"};
    other.back() = letters[letters.find(other.back()) ^ 1U];
    EXPECT_STRNE(problem_of(other), "");
    auto plus = with_header(R"({"alg":"HS256","x":"~~~???"})");
    for (auto& c : plus)
        c = c == '-' ? '+' : c == '_' ? '/' : c;
    EXPECT_STRNE(problem_of(plus), "");
}

TEST(jwt, a_huge_token_is_not_looked_at)  // E9
{
    EXPECT_STREQ(problem_of(std::string(1024 * 1024, 'A')), "the token is too large");
    std::string deep = R"({"exp":1700000060,"x":)";
    deep.append(200, '[').append(200, ']').append("}");
    EXPECT_STRNE(problem_of(with_claims(deep)), "");
}

TEST(jwt, grants_are_lists_of_filters)  // E10
{
    for (auto const* const text :
         {R"({"exp":1700000060,"publish":"#"})", R"({"exp":1700000060,"publish":[1]})",
          R"({"exp":1700000060,"publish":["a/#/b"]})", R"({"exp":1700000060,"subscribe":[""]})",
          R"({"exp":1700000060,"subscribe":["$share/g/a"]})", R"({"exp":1700000060,"admin":"true"})",
          R"({"exp":1700000060,"sub":1})", R"({"exp":1700000060,"sub":"a\nb"})", R"({"exp":1700000060,"app":{}})",
          R"({"exp":1700000060,"publish":["a"],"publish":["#"]})"})
        EXPECT_STRNE(problem_of(with_claims(text)), "") << text;
}

TEST(jwt, what_looks_like_a_token)
{
    EXPECT_TRUE(looks_like_token(with_claims(good_claims)));
    EXPECT_FALSE(looks_like_token("eyJ"));
    EXPECT_FALSE(looks_like_token("secret.with.dots"));
}

}  // namespace
}  // namespace fulmar::auth
