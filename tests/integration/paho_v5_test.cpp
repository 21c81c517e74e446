// What only MQTT 5 has, and who may come in, with Eclipse Paho MQTT C++ against the real program.

#include "tests/integration/paho_client.hpp"

#include <gtest/gtest.h>
#include <fstream>
#include <set>

namespace fulmar::test {
namespace {

using namespace std::chrono_literals;

paho_settings v5(std::string const& id)
{
    paho_settings s;
    s.client_id = id;
    return s;
}

TEST(paho_v5, properties_of_a_message_arrive_unaltered)
{
    broker_process broker;
    paho_client reader{broker, v5("reader")};
    paho_client writer{broker, v5("writer")};
    reader.connect();
    writer.connect();
    mqtt::properties identifier{{mqtt::property::SUBSCRIPTION_IDENTIFIER, 77}};
    reader.subscribe("t", 1, {}, identifier);
    mqtt::properties properties{{mqtt::property::PAYLOAD_FORMAT_INDICATOR, 1},
                                {mqtt::property::MESSAGE_EXPIRY_INTERVAL, 500},
                                {mqtt::property::CONTENT_TYPE, "text/plain"},
                                {mqtt::property::RESPONSE_TOPIC, "answers"},
                                {mqtt::property::CORRELATION_DATA, mqtt::binary_ref(std::string{"\x00\x01\x02", 3})},
                                {mqtt::property::USER_PROPERTY, "a", "1"},
                                {mqtt::property::USER_PROPERTY, "a", "2"}};
    writer.publish(mqtt::message::create("t", "x", 1, false, properties));
    auto const message = reader.take();
    ASSERT_TRUE(message);
    auto const& got = message->get_properties();
    EXPECT_EQ(mqtt::get<std::uint8_t>(got, mqtt::property::PAYLOAD_FORMAT_INDICATOR), 1);
    EXPECT_LE(mqtt::get<std::uint32_t>(got, mqtt::property::MESSAGE_EXPIRY_INTERVAL), 500U);
    EXPECT_GT(mqtt::get<std::uint32_t>(got, mqtt::property::MESSAGE_EXPIRY_INTERVAL), 400U);
    EXPECT_EQ(mqtt::get<std::string>(got, mqtt::property::CONTENT_TYPE), "text/plain");
    EXPECT_EQ(mqtt::get<std::string>(got, mqtt::property::RESPONSE_TOPIC), "answers");
    EXPECT_EQ(mqtt::get<std::string>(got, mqtt::property::CORRELATION_DATA), (std::string{"\x00\x01\x02", 3}));
    EXPECT_EQ(mqtt::get<std::uint32_t>(got, mqtt::property::SUBSCRIPTION_IDENTIFIER), 77U);
    ASSERT_EQ(got.count(mqtt::property::USER_PROPERTY), 2U);
    using pair = std::tuple<std::string, std::string>;
    EXPECT_EQ((mqtt::get<pair>(got, mqtt::property::USER_PROPERTY, 0)), (pair{"a", "1"}));
    EXPECT_EQ((mqtt::get<pair>(got, mqtt::property::USER_PROPERTY, 1)), (pair{"a", "2"}));
}

TEST(paho_v5, a_request_is_answered_on_its_response_topic)
{
    broker_process broker;
    paho_client service{broker, v5("service")};
    paho_client caller{broker, v5("caller")};
    service.connect();
    caller.connect();
    service.subscribe("requests/add", 1);
    caller.subscribe("answers/caller", 1);
    mqtt::properties ask{{mqtt::property::RESPONSE_TOPIC, "answers/caller"},
                         {mqtt::property::CORRELATION_DATA, mqtt::binary_ref("call-1")}};
    caller.publish(mqtt::message::create("requests/add", "2+3", 1, false, ask));
    auto const request = service.take();
    ASSERT_TRUE(request);
    auto const to = mqtt::get<std::string>(request->get_properties(), mqtt::property::RESPONSE_TOPIC);
    auto const which = mqtt::get<std::string>(request->get_properties(), mqtt::property::CORRELATION_DATA);
    mqtt::properties tell{{mqtt::property::CORRELATION_DATA, mqtt::binary_ref(which)}};
    service.publish(mqtt::message::create(to, "5", 1, false, tell));
    auto const answer = caller.take();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->to_string(), "5");
    EXPECT_EQ(mqtt::get<std::string>(answer->get_properties(), mqtt::property::CORRELATION_DATA), "call-1");
}

TEST(paho_v5, a_shared_subscription_spreads_messages_over_its_members_each_once)
{
    broker_process broker;
    paho_client first{broker, v5("first")};
    paho_client second{broker, v5("second")};
    paho_client writer{broker, v5("writer")};
    for (auto* const c : {&first, &second, &writer})
        c->connect();
    first.subscribe("$share/group/job/#", 1);
    second.subscribe("$share/group/job/#", 1);
    constexpr int jobs = 200;
    for (int n = 0; n < jobs; ++n)
        writer.publish("job/" + std::to_string(n % 7), std::to_string(n), 1);
    std::multiset<std::string> got;
    int by_first = 0;
    ASSERT_TRUE(wait_until([&] {
        if (auto const m = first.take(20ms)) {
            ++by_first;
            got.insert(m->to_string());
        }
        if (auto const m = second.take(20ms))
            got.insert(m->to_string());
        return got.size() >= jobs;
    }));
    EXPECT_EQ(std::set<std::string>(got.begin(), got.end()).size(), static_cast<std::size_t>(jobs));
    EXPECT_GT(by_first, 0);
    EXPECT_LT(by_first, jobs);
}

TEST(paho_v5, no_local_keeps_own_messages_away)
{
    broker_process broker;
    paho_client self{broker, v5("self")};
    paho_client other{broker, v5("other")};
    self.connect();
    other.connect();
    self.subscribe("chat", 1, mqtt::subscribe_options(true));
    self.publish("chat", "own", 1);
    other.publish("chat", "theirs", 1);
    EXPECT_EQ(self.take_payload(), "theirs");
}

TEST(paho_v5, a_wrong_password_is_refused_with_its_reason_and_the_right_one_is_let_in)
{
    scratch_directory files;
    auto const passwords = (files.path() / "passwords").string();
    {
        std::ofstream{passwords};
    }
    char const* const named = std::getenv("FULMAR_BIN");
    std::string const binary = named != nullptr ? named : FULMAR_DEFAULT_BIN;
    run_program({"sh", "-c", "printf 'right horse\\n' | '" + binary + "' user add -f '" + passwords + "' ann"});
    broker_process broker{{{"access.password_file", passwords}}};
    auto settings = v5("c");
    settings.user = "ann";
    settings.password = "wrong";
    paho_client wrong{broker, settings};
    try {
        wrong.connect();
        FAIL() << "a wrong password was accepted";
    } catch (mqtt::exception const& refused) {
        // Paho reports the reason code of CONNACK as its own return code.
        EXPECT_EQ(refused.get_return_code(), 0x86) << refused.what();
    }
    settings.password = "right horse";
    paho_client right{broker, settings};
    right.connect();
    right.subscribe("t", 1);
    right.publish("t", "in", 1);
    EXPECT_EQ(right.take_payload(), "in");
}

TEST(paho_v5, a_client_certificate_identifies_its_owner_and_without_one_nobody_enters)
{
    scratch_directory files;
    test_certificates certificates{files.path()};
    broker_process broker{{{"listeners.mqtts.enabled", "true"},
                           {"listeners.mqtts.port", "0"},
                           {"tls.cert", certificates.server_cert},
                           {"tls.key", certificates.server_key},
                           {"tls.client_ca", certificates.ca},
                           {"tls.client_certificates", "required"}}};
    auto settings = v5("c");
    settings.over = paho_transport::tls;
    settings.ca = certificates.ca;
    {
        // Gone before the next one comes: all clients of a process share the library's sockets, and one that the broker
        // closed may still be looked at under a number that belongs to another by then.
        paho_client nobody{broker, settings};
        EXPECT_THROW(nobody.connect(), std::exception);
    }
    settings.certificate = certificates.client_cert;
    settings.key = certificates.client_key;
    paho_client owner{broker, settings};
    owner.connect();
    owner.subscribe("t", 1);
    owner.publish("t", "in", 1);
    EXPECT_EQ(owner.take_payload(), "in");
}

}  // namespace
}  // namespace fulmar::test
