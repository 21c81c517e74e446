#include "frontends/auth/jwt_signer.hpp"

#include "frontends/auth/jwt.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <memory>

namespace fulmar::auth {
namespace {

using testing::HasSubstr;

constexpr broker::wall_ms now = 1'700'000'000'000;
constexpr char const* claims = R"({"sub":"ann","exp":1700000060,"subscribe":["news/#"]})";

std::string private_pem(char const* kind, char const* detail, std::size_t bits)
{
    std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> const key{
        bits != 0           ? EVP_PKEY_Q_keygen(nullptr, nullptr, kind, bits)
        : detail != nullptr ? EVP_PKEY_Q_keygen(nullptr, nullptr, kind, detail)
                            : EVP_PKEY_Q_keygen(nullptr, nullptr, kind),
        EVP_PKEY_free};
    std::unique_ptr<BIO, decltype(&BIO_free)> const out{BIO_new(BIO_s_mem()), BIO_free};
    PEM_write_bio_PrivateKey(out.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    char* text = nullptr;
    auto const size = BIO_get_mem_data(out.get(), &text);
    return {text, static_cast<std::size_t>(size)};
}

std::string header(jwt_algorithm algorithm)
{
    return R"({"alg":")" + std::string{to_string(algorithm)} + R"(","typ":"JWT"})";
}

TEST(jwt_signer, what_it_signs_is_accepted_with_the_public_part_of_the_key)
{
    struct row
    {
        jwt_algorithm algorithm;
        std::string key;
    };
    for (auto const& [algorithm, key] : {row{jwt_algorithm::hs256, std::string(32, 'k') + "\n"},
                                         row{jwt_algorithm::rs256, private_pem("RSA", nullptr, 2048)},
                                         row{jwt_algorithm::es256, private_pem("EC", "P-256", 0)},
                                         row{jwt_algorithm::eddsa, private_pem("ED25519", nullptr, 0)}}) {
        std::string problem;
        auto const token = sign_token(algorithm, key, header(algorithm), claims, problem);
        ASSERT_TRUE(token) << to_string(algorithm) << ": " << problem;
        auto const keys = algorithm == jwt_algorithm::hs256
                              ? jwt_key_set::from_secret(key, problem)
                              : jwt_key_set::from_pem(algorithm, public_pem(key), problem);
        ASSERT_TRUE(keys) << problem;
        auto const verdict = check_token(*token, *keys, {.algorithm = algorithm}, now);
        EXPECT_TRUE(verdict.claims) << to_string(algorithm) << ": " << verdict.problem;
        auto changed = *token;
        changed[changed.size() / 2] = changed[changed.size() / 2] == 'A' ? 'B' : 'A';
        EXPECT_FALSE(check_token(changed, *keys, {.algorithm = algorithm}, now).claims);
    }
}

TEST(jwt_signer, keys_that_are_unfit_for_checking_are_unfit_for_signing)
{
    std::string problem;
    EXPECT_FALSE(sign_token(jwt_algorithm::hs256, "short", header(jwt_algorithm::hs256), claims, problem));
    EXPECT_THAT(problem, HasSubstr("32 bytes"));
    EXPECT_FALSE(sign_token(jwt_algorithm::rs256, private_pem("RSA", nullptr, 1024), header(jwt_algorithm::rs256),
                            claims, problem));
    EXPECT_THAT(problem, HasSubstr("2048"));
    EXPECT_FALSE(sign_token(jwt_algorithm::es256, private_pem("ED25519", nullptr, 0), header(jwt_algorithm::es256),
                            claims, problem));
    EXPECT_THAT(problem, HasSubstr("P-256"));
    EXPECT_FALSE(sign_token(jwt_algorithm::eddsa, "nothing", header(jwt_algorithm::eddsa), claims, problem));
    EXPECT_THAT(problem, HasSubstr("no private key"));
}

TEST(jwt_signer, a_public_key_stays_what_it_is)
{
    auto const pem = public_pem(private_pem("ED25519", nullptr, 0));
    EXPECT_THAT(pem, HasSubstr("BEGIN PUBLIC KEY"));
    EXPECT_EQ(public_pem(pem), pem);
    EXPECT_EQ(base64url_encoded("\xFF\xFE"), "__4");
}

}  // namespace
}  // namespace fulmar::auth
