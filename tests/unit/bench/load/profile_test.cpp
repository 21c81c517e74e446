#include "bench/load/profile.hpp"

#include "bench/load/stamp.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

namespace fulmar::load {
namespace {

std::string problem_of(std::string const& text)
{
    try {
        (void)parse_profile(text, "p.toml");
    } catch (std::runtime_error const& error) {
        return error.what();
    }
    return {};
}

TEST(profile, every_built_in_profile_is_sound)
{
    for (auto const* const name : {"chat", "telemetry", "dashboard"}) {
        auto const what = load_profile(name);
        EXPECT_EQ(what.name, name);
        EXPECT_GE(what.flows.size(), 2U);
        std::size_t clients = 0;
        for (auto const& flow : what.flows)
            clients += flow.clients();
        EXPECT_GT(clients, 1'000U) << name;
        EXPECT_LT(clients, 5'000U) << name;
    }
    EXPECT_EQ(profile_names(), "chat, telemetry, dashboard");
}

TEST(profile, numbers_are_read_and_defaults_filled_in)
{
    auto const what = parse_profile(R"(
name = "n"
description = "d"
[[flow]]
name = "f-1"
watchers = 3
rate = 2.5
payload = 100
)",
                                    "p.toml");
    ASSERT_EQ(what.flows.size(), 1U);
    auto const& flow = what.flows.front();
    EXPECT_EQ(flow.topics, 1U);
    EXPECT_EQ(flow.watchers, 3U);
    EXPECT_DOUBLE_EQ(flow.rate, 2.5);
    EXPECT_EQ(flow.payload_bytes, 100U);
    EXPECT_EQ(flow.clients(), 4U);
}

TEST(profile, a_mistake_is_named_with_its_line)
{
    std::string const head = "name = \"n\"\ndescription = \"d\"\n[[flow]]\nname = \"f\"\nwatchers = 1\n";
    EXPECT_EQ(problem_of(head), "");
    EXPECT_NE(problem_of(head + "rat = 1\n").find("p.toml:6: 'rat' is nothing"), std::string::npos);
    EXPECT_NE(problem_of(head + "rate = 0\n").find("p.toml:6: rate must be"), std::string::npos);
    EXPECT_NE(problem_of(head + "qos = 3\n").find("qos must be"), std::string::npos);
    EXPECT_NE(problem_of(head + "payload = 10\n").find("payload must be"), std::string::npos);
    EXPECT_NE(problem_of("name = \"n\"\ndescription = \"d\"\n[[flow]]\nname = \"f\"\n").find("subscribers or watchers"),
              std::string::npos);
    EXPECT_NE(problem_of("name = \"n\"\ndescription = \"d\"\n").find("[[flow]]"), std::string::npos);
    EXPECT_NE(problem_of("name = \n").find("p.toml:1"), std::string::npos);
    EXPECT_THROW((void)load_profile("no-such-profile"), std::runtime_error);
}

TEST(profile, more_clients_than_can_be_meant_are_refused)
{
    EXPECT_NE(problem_of("name = \"n\"\ndescription = \"d\"\n[[flow]]\nname = \"f\"\ntopics = 100000\nsubscribers = "
                         "100\n")
                  .find("clients"),
              std::string::npos);
}

TEST(text_stamp, is_read_back_and_notices_any_changed_byte)
{
    payload_shape const shape{100, true};
    auto payload = blank_payload(shape.size(), 3);
    shape.write(payload, {7, 1ULL << 40, -5});
    stamp s;
    ASSERT_TRUE(shape.read(payload, s));
    EXPECT_EQ(s.publisher, 7U);
    EXPECT_EQ(s.sequence, 1ULL << 40);
    EXPECT_EQ(s.sent_at_ns, -5);
    EXPECT_EQ(payload.find_first_not_of("0123456789abcdefghijklmnopqrstuvwxyz"), payload.npos);
    for (std::size_t i = 0; i < payload.size(); ++i) {
        auto changed = payload;
        changed[i] = changed[i] == '1' ? '2' : '1';
        EXPECT_FALSE(shape.read(changed, s)) << i;
    }
    EXPECT_FALSE(shape.read(payload.substr(1), s));
}

}  // namespace
}  // namespace fulmar::load
