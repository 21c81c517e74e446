#include "frontends/auth/scram.hpp"

#include <memory>

#include <gtest/gtest.h>

namespace fulmar::auth {
namespace {

using broker::errc;

constexpr char const* server_nonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";

password_hash hash_of(std::string_view password, std::uint32_t iterations = iterations_min)
{
    return *derive_password_hash(password, *from_base64("W22ZaJ0SNY7soEsUEjb6gQ=="), iterations);
}

// Knows "user" with the password "pencil", and "a,b=c".
scram_exchange server(bool admits = true)
{
    scram_directory directory;
    directory.find = [](std::string_view user) {
        return user == "user" || user == "a,b=c" ? std::optional{hash_of("pencil")} : std::nullopt;
    };
    directory.imaginary = [](std::string_view) { return hash_of("nothing that anybody knows"); };
    directory.admit = [admits](std::string_view user) -> broker::result<broker::identity> {
        if (!admits)
            return make_error_code(errc::not_authorized);
        return broker::identity{broker::default_app, std::string{user}, nullptr};
    };
    return {std::move(directory), server_nonce};
}

// What a client answers to the server's first message.
std::string client_final(std::string const& first_bare, std::string const& server_first, std::string_view password,
                         std::string const& header = "n,,")
{
    auto const salt_at = server_first.find(",s=");
    auto const count_at = server_first.find(",i=");
    auto const salt = from_base64(server_first.substr(salt_at + 3, count_at - salt_at - 3));
    auto const iterations = static_cast<std::uint32_t>(std::stoul(server_first.substr(count_at + 3)));
    auto const without_proof = "c=" + to_base64(header) + "," + server_first.substr(0, salt_at);
    // ClientKey is not kept in a password_hash: find it as its definition says, by PBKDF2 with one block.
    auto const hash = derive_password_hash(password, *salt, iterations);
    std::string block = *salt + std::string{"\0\0\0\1", 4};
    auto u = hmac_sha256(password, block);
    auto salted = u;
    for (std::uint32_t i = 1; i < iterations; ++i) {
        u = hmac_sha256(password, as_text(u));
        for (std::size_t j = 0; j < u.size(); ++j)
            salted[j] ^= u[j];
    }
    auto proof = hmac_sha256(as_text(salted), "Client Key");
    EXPECT_EQ(sha256(as_text(proof)), hash->stored_key);
    auto const signature =
        hmac_sha256(as_text(hash->stored_key), first_bare + "," + server_first + "," + without_proof);
    for (std::size_t i = 0; i < proof.size(); ++i)
        proof[i] ^= signature[i];
    return without_proof + ",p=" + to_base64(as_text(proof));
}

TEST(scram, the_conversation_of_rfc_7677_section_3_succeeds_to_the_byte)
{
    auto exchange = server();
    auto const first = exchange.next("n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
    EXPECT_FALSE(first.error);
    EXPECT_EQ(first.data, "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
    EXPECT_FALSE(first.done);
    auto const final = exchange.next(
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
        "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
    EXPECT_FALSE(final.error);
    EXPECT_EQ(final.data, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    ASSERT_TRUE(final.done);
    EXPECT_EQ(final.done->user, "user");
}

TEST(scram, a_wrong_password_fails)
{
    auto exchange = server();
    auto const first = exchange.next("n,,n=user,r=abc");
    auto const final = exchange.next(client_final("n=user,r=abc", first.data, "pencils"));
    EXPECT_EQ(final.error, errc::bad_credentials);
    EXPECT_EQ(final.data, "e=invalid-proof");
    EXPECT_FALSE(final.done);
}

TEST(scram, the_right_password_succeeds_with_encoded_names_and_a_client_that_could_bind)
{
    auto exchange = server();
    auto const first = exchange.next("y,a=a=2Cb=3Dc,n=a=2Cb=3Dc,r=abc");
    ASSERT_FALSE(first.error) << first.data;
    auto const final = exchange.next(client_final("n=a=2Cb=3Dc,r=abc", first.data, "pencil", "y,a=a=2Cb=3Dc,"));
    ASSERT_TRUE(final.done) << final.data;
    EXPECT_EQ(final.done->user, "a,b=c");
}

TEST(scram, an_unknown_user_is_answered_like_a_known_one_and_fails_at_the_proof)
{
    auto exchange = server();
    auto const first = exchange.next("n,,n=nobody,r=abc");
    EXPECT_FALSE(first.error);
    EXPECT_TRUE(first.data.starts_with("r=abc"));
    auto const final = exchange.next(client_final("n=nobody,r=abc", first.data, "pencil"));
    EXPECT_EQ(final.error, errc::bad_credentials);
    EXPECT_EQ(final.data, "e=invalid-proof");
}

TEST(scram, an_unknown_user_fails_even_with_the_password_of_the_imaginary_one)
{
    auto exchange = server();
    auto const first = exchange.next("n,,n=nobody,r=abc");
    EXPECT_FALSE(exchange.next(client_final("n=nobody,r=abc", first.data, "nothing that anybody knows")).done);
}

TEST(scram, a_user_whom_the_access_rules_refuse_is_not_admitted)
{
    auto exchange = server(false);
    auto const first = exchange.next("n,,n=user,r=abc");
    auto const final = exchange.next(client_final("n=user,r=abc", first.data, "pencil"));
    EXPECT_EQ(final.error, errc::not_authorized);
    EXPECT_FALSE(final.done);
}

TEST(scram, malformed_first_messages_are_refused)
{
    for (auto const* bad :
         {"", "n", "n,", "n,,", "n,,n=user", "n,,r=abc", "n,,n=,r=abc", "n,,n=user,r=", "x,,n=user,r=abc",
          "p=tls-unique,,n=user,r=abc", "n,,m=ext,n=user,r=abc", "n,,n=us=er,r=abc", "n,,n=us=2c,r=abc",
          "n,,n=user,r=a b", "n,a=other,n=user,r=abc", "n,b,n=user,r=abc"}) {
        auto exchange = server();
        auto const step = exchange.next(bad);
        EXPECT_EQ(step.error, errc::bad_credentials) << bad;
        EXPECT_TRUE(step.data.starts_with("e=")) << bad;
    }
}

TEST(scram, malformed_final_messages_are_refused)
{
    std::string const nonce = std::string{"abc"} + server_nonce;
    auto const zeros = to_base64(std::string(32, '\0'));
    for (auto const& bad :
         {std::string{}, std::string{"c=biws"}, "c=biws,r=" + nonce, "c=biws,r=abc,p=" + zeros,
          "c=eSws,r=" + nonce + ",p=" + zeros, "r=" + nonce + ",c=biws,p=" + zeros, "c=biws,r=" + nonce + ",p=AAAA",
          "c=biws,r=" + nonce + ",p=!", "c=biws,r=" + nonce + ",p=" + zeros}) {
        auto exchange = server();
        ASSERT_FALSE(exchange.next("n,,n=user,r=abc").error);
        EXPECT_EQ(exchange.next(bad).error, errc::bad_credentials) << bad;
    }
}

TEST(scram, a_conversation_ends_with_its_first_failure_and_with_its_success)
{
    auto failed = server();
    EXPECT_TRUE(failed.next("nonsense").error);
    EXPECT_TRUE(failed.next("n,,n=user,r=abc").error);
    auto succeeded = server();
    auto const first = succeeded.next("n,,n=user,r=abc");
    auto const message = client_final("n=user,r=abc", first.data, "pencil");
    EXPECT_TRUE(succeeded.next(message).done);
    EXPECT_FALSE(succeeded.next(message).done);
}

TEST(scram, an_oversized_message_is_refused)
{
    auto exchange = server();
    EXPECT_TRUE(exchange.next("n,,n=user,r=" + std::string(scram_message_bytes_max, 'a')).error);
}

}  // namespace
}  // namespace fulmar::auth
