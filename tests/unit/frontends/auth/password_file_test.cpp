#include "frontends/auth/password_file.hpp"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

namespace fulmar::auth {
namespace {

using testing::HasSubstr;

std::string hash_text() { return make_password_hash("x", iterations_min)->text(); }

std::string problem_of(std::string const& text)
{
    password_file users;
    std::string problem;
    EXPECT_FALSE(users.parse(text, "users", problem));
    EXPECT_TRUE(users.users().empty());
    return problem;
}

TEST(password_file, users_are_found_by_their_exact_name)
{
    password_file users;
    std::string problem;
    ASSERT_TRUE(users.parse("# comment\n\nalice:" + hash_text() + "\r\nbob b:" + hash_text(), "users", problem))
        << problem;
    EXPECT_NE(users.find("alice"), nullptr);
    EXPECT_NE(users.find("bob b"), nullptr);
    EXPECT_EQ(users.find("Alice"), nullptr);
    EXPECT_EQ(users.find(""), nullptr);
}

TEST(password_file, a_malformed_line_is_an_error_of_the_whole_file_that_names_the_line)
{
    auto const good = "alice:" + hash_text() + "\n";
    EXPECT_THAT(problem_of(good + "bob\n"), HasSubstr("users:2: expected user:hash"));
    EXPECT_THAT(problem_of(good + "bob:\n"), HasSubstr("users:2: the password hash"));
    EXPECT_THAT(problem_of(good + "bob:secret\n"), HasSubstr("users:2: the password hash"));
    EXPECT_THAT(problem_of(good + ":" + hash_text() + "\n"), HasSubstr("users:2: the user name"));
    EXPECT_THAT(problem_of(good + "\n" + good), HasSubstr("users:3: this user is already named"));
    EXPECT_THAT(problem_of(good + " \n"), HasSubstr("users:2:"));
}

TEST(password_file, a_mistake_never_shows_what_the_line_holds)
{
    EXPECT_THAT(problem_of("bob:my-secret\n"), testing::Not(HasSubstr("my-secret")));
    EXPECT_THAT(problem_of("my-secret\n"), testing::Not(HasSubstr("my-secret")));
}

TEST(password_file, a_failing_load_keeps_what_was_there)
{
    password_file users;
    std::string problem;
    ASSERT_TRUE(users.parse("alice:" + hash_text(), "users", problem));
    EXPECT_FALSE(users.parse("nonsense", "users", problem));
    EXPECT_NE(users.find("alice"), nullptr);
}

TEST(password_file, a_file_that_does_not_exist_or_is_a_directory_does_not_load)
{
    password_file users;
    std::string problem;
    EXPECT_FALSE(users.load("/nonexistent/users", problem));
    EXPECT_THAT(problem, HasSubstr("/nonexistent/users: cannot be read"));
    EXPECT_FALSE(users.load(std::filesystem::temp_directory_path().string(), problem));
}

TEST(password_file, is_saved_for_its_owner_only_and_read_back)
{
    auto pattern = (std::filesystem::temp_directory_path() / "fulmar-users-XXXXXX").string();
    std::string const directory = mkdtemp(pattern.data());
    auto const path = directory + "/users";
    std::ofstream{path} << "old";
    std::filesystem::permissions(path, std::filesystem::perms::all);
    EXPECT_TRUE(readable_by_others(path));

    password_file users;
    ASSERT_FALSE(users.set("alice", *make_password_hash("secret", iterations_min)));
    ASSERT_FALSE(users.set("bob", *make_password_hash("secret", iterations_min)));
    EXPECT_TRUE(users.erase("bob"));
    EXPECT_FALSE(users.erase("bob"));
    ASSERT_FALSE(users.save(path));
    EXPECT_FALSE(readable_by_others(path));

    password_file again;
    std::string problem;
    ASSERT_TRUE(again.load(path, problem)) << problem;
    ASSERT_EQ(again.users().size(), 1U);
    EXPECT_TRUE(matches(*again.find("alice"), "secret"));
    std::filesystem::remove_all(directory);
}

TEST(password_file, names_that_would_break_the_format_are_refused)
{
    password_file users;
    for (auto const* name : {"", "a:b", "a\nb", "a\x7f", "#a", "a\xFF"})
        EXPECT_TRUE(users.set(name, password_hash{})) << name;
    EXPECT_TRUE(users.set(std::string(256, 'a'), password_hash{}));
    EXPECT_FALSE(users.set("J\xC3\xBCrgen M.", password_hash{}));
}

}  // namespace
}  // namespace fulmar::auth
