#include "frontends/auth/password_hash.hpp"

#include <gtest/gtest.h>

namespace fulmar::auth {
namespace {

constexpr std::uint32_t cheap = iterations_min;

TEST(password_hash, the_right_password_matches_and_any_other_does_not)
{
    auto const hash = make_password_hash("correct horse", cheap);
    ASSERT_TRUE(hash);
    EXPECT_TRUE(matches(*hash, "correct horse"));
    EXPECT_FALSE(matches(*hash, "correct horse "));
    EXPECT_FALSE(matches(*hash, "Correct horse"));
    EXPECT_FALSE(matches(*hash, ""));
}

TEST(password_hash, two_hashes_of_one_password_differ_by_their_salt)
{
    EXPECT_NE(make_password_hash("x", cheap)->text(), make_password_hash("x", cheap)->text());
}

TEST(password_hash, an_empty_password_and_one_with_nul_are_passwords_like_any_other)
{
    auto const empty = make_password_hash("", cheap);
    ASSERT_TRUE(empty);
    EXPECT_TRUE(matches(*empty, ""));
    EXPECT_FALSE(matches(*empty, "x"));
    std::string_view const nul{"a\0b", 3};
    auto const hash = make_password_hash(nul, cheap);
    ASSERT_TRUE(hash);
    EXPECT_TRUE(matches(*hash, nul));
    EXPECT_FALSE(matches(*hash, "a"));
}

TEST(password_hash, the_text_form_of_rfc_5803_is_written_and_read_back)
{
    // The salt, iterations and password of RFC 7677 §3.
    auto const salt = from_base64("W22ZaJ0SNY7soEsUEjb6gQ==");
    ASSERT_TRUE(salt);
    auto const hash = derive_password_hash("pencil", *salt, 4096);
    ASSERT_TRUE(hash);
    auto const text = hash->text();
    EXPECT_EQ(text,
              "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
              "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=");
    auto const read = parse_password_hash(text);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->text(), text);
    EXPECT_TRUE(matches(*read, "pencil"));
}

TEST(password_hash, malformed_text_is_refused)
{
    auto const good = derive_password_hash("x", "0123456789abcdef", cheap)->text();
    ASSERT_TRUE(parse_password_hash(good));
    for (std::size_t i = 0; i < good.size(); ++i)
        EXPECT_FALSE(parse_password_hash(good.substr(0, i))) << good.substr(0, i);
    for (auto const* bad :
         {"", "x", "plain", "$2b$12$abc", "SCRAM-SHA-256$", "SCRAM-SHA-256$4096:$:", "SCRAM-SHA-1$4096:AAAA$AAAA:AAAA"})
        EXPECT_FALSE(parse_password_hash(bad)) << bad;
    EXPECT_FALSE(parse_password_hash(good + " "));
    EXPECT_FALSE(parse_password_hash(" " + good));
}

TEST(password_hash, an_iteration_count_that_is_too_cheap_or_would_block_the_broker_is_refused)
{
    auto text = derive_password_hash("x", "0123456789abcdef", cheap)->text();
    auto const with = [&](std::string const& count) {
        auto const dollar = text.find('$');
        return text.substr(0, dollar + 1) + count + text.substr(text.find(':'));
    };
    EXPECT_TRUE(parse_password_hash(with("4096")));
    for (auto const* count : {"0", "1", "4095", "10000001", "99999999999", "-5000", "+5000", "4096x", ""})
        EXPECT_FALSE(parse_password_hash(with(count))) << count;
    EXPECT_FALSE(make_password_hash("x", 1));
}

TEST(password_hash, base64_has_one_spelling_only)
{
    EXPECT_EQ(to_base64("any carnal pleas"), "YW55IGNhcm5hbCBwbGVhcw==");
    EXPECT_EQ(*from_base64("YW55IGNhcm5hbCBwbGVhcw=="), "any carnal pleas");
    EXPECT_EQ(*from_base64(""), "");
    for (auto const* bad : {"YQ", "YQ=", "YR==", "Y===", "Y Q=", "YQ==YQ==", "YQ==\n", "!!!!"})
        EXPECT_FALSE(from_base64(bad)) << bad;
}

TEST(password_hash, texts_of_different_length_are_never_equal)
{
    EXPECT_TRUE(equal_in_constant_time("abc", "abc"));
    EXPECT_FALSE(equal_in_constant_time("abc", "abd"));
    EXPECT_FALSE(equal_in_constant_time("abc", "ab"));
    EXPECT_TRUE(equal_in_constant_time("", ""));
}

}  // namespace
}  // namespace fulmar::auth
