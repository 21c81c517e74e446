#include "frontends/cli/target.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

namespace fulmar::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

// A directory of its own, without and with a development app.
struct target_bench : testing::Test
{
    target_bench()
    {
        std::string pattern = (std::filesystem::temp_directory_path() / "fulmar-target-XXXXXX").string();
        directory = mkdtemp(pattern.data());
        arguments.data_dir = directory;
    }
    ~target_bench() override { std::filesystem::remove_all(directory); }
    void write_app() const
    {
        std::ofstream{directory + "/development-app.toml"}
            << "[[apps]]\nid = \"development\"\nkey = \"k\"\nsecret = \"s3cret\"\n";
    }
    [[nodiscard]] attempt<target> find()
    {
        return find_target(arguments, [this](char const* name) {
            auto const found = variables.find(name);
            return found == variables.end() ? std::string{} : found->second;
        });
    }
    std::string directory;
    client_arguments arguments;
    std::map<std::string, std::string> variables;
};

TEST_F(target_bench, without_anything_it_is_the_broker_of_this_machine_without_credentials)
{
    auto const found = find();
    ASSERT_TRUE(found);
    EXPECT_EQ(found->address.host, "127.0.0.1");
    EXPECT_EQ(found->address.port, 8080);
    EXPECT_EQ(found->base, "");
    EXPECT_EQ(found->authorization, "");
    EXPECT_TRUE(std::filesystem::is_empty(directory)) << "no app is made by looking";
}

TEST_F(target_bench, the_development_app_is_used_on_this_machine_only)
{
    write_app();
    auto const here = find();
    ASSERT_TRUE(here);
    EXPECT_EQ(here->authorization, "Basic azpzM2NyZXQ=");
    EXPECT_THAT(here->identity, HasSubstr("development-app.toml"));
    EXPECT_THAT(here->identity, Not(HasSubstr("s3cret")));
    arguments.url = "http://broker.example:8080";
    EXPECT_EQ(find()->authorization, "");
}

TEST_F(target_bench, flags_come_before_the_environment_and_do_not_mix_with_it)
{
    write_app();
    variables = {{"FULMAR_URL", "https://a.example/broker/"}, {"FULMAR_KEY", "ek"}, {"FULMAR_SECRET", "es"}};
    auto const from_environment = find();
    ASSERT_TRUE(from_environment);
    EXPECT_TRUE(from_environment->address.tls);
    EXPECT_EQ(from_environment->address.port, 443);
    EXPECT_EQ(from_environment->base, "/broker");
    EXPECT_EQ(from_environment->authorization, "Basic ZWs6ZXM=");
    EXPECT_EQ(from_environment->identity, "key 'ek' in FULMAR_KEY");
    arguments.token = "t.o.k";
    EXPECT_EQ(find()->authorization, "Bearer t.o.k");
    variables["FULMAR_TOKEN"] = "e.n.v";
    arguments.token.clear();
    arguments.key = "fk";
    EXPECT_EQ(find()->authorization, "Basic Zms6ZXM=") << "its secret may be in the environment";
    arguments.url = "localhost:1234";
    EXPECT_EQ(find()->url, "http://localhost:1234");
}

TEST_F(target_bench, what_makes_no_sense_is_an_error_of_the_command_line)
{
    auto const refused = [&](client_arguments with) {
        arguments = std::move(with);
        arguments.data_dir = directory;
        auto const found = find();
        return found ? std::string{"found"} : found.error().code == exit_code::usage ? found.error().what : "other";
    };
    EXPECT_THAT(refused({.key = "k"}), HasSubstr("secret"));
    EXPECT_THAT(refused({.secret = "hush"}), HasSubstr("--key"));
    EXPECT_THAT(refused({.key = "k", .secret = "s", .token = "t"}), HasSubstr("two identities"));
    EXPECT_THAT(refused({.token = "a b"}), HasSubstr("white space"));
    for (auto const* const url : {"ftp://x", "http://", "http://a:0", "http://a b", "http://a?x=1"})
        EXPECT_THAT(refused({.url = url}), HasSubstr("no address")) << url;
}

TEST(target, topics_are_percent_encoded)
{
    EXPECT_EQ(encoded_path("a/b c/\xC3\xBC?#%"), "a/b%20c/%C3%BC%3F%23%25");
    EXPECT_EQ(encoded_value("a/b+c&d=e"), "a%2Fb%2Bc%26d%3De");
}

}  // namespace
}  // namespace fulmar::cli
