// Authentication, enhanced authentication, permissions that change. Item numbers are those of the checklist in
// docs/protocols/mqtt.md.
#include "tests/support/packet_script.hpp"

#include <gtest/gtest.h>

namespace fulmar::test {
namespace {

using namespace std::chrono_literals;

constexpr auto go_on = reason_code::continue_authentication;
constexpr auto again = reason_code::re_authenticate;

scripted_packet connect_with_method(std::string method, std::string data)
{
    return connect("c")
        .with(property_id::authentication_method, std::move(method))
        .with(property_id::authentication_data, std::move(data));
}

struct auth_protocol : testing::Test
{
    mqtt_test_broker broker;
    packet_script client{broker};

    void authenticates(packet_script& one)
    {
        one.sends(connect_with_method("steps", "one")).expects(auth(go_on, "steps", "challenge"));
        one.sends(auth(go_on, "steps", "two"));
        one.expects(connack(success)
                        .with(property_id::authentication_method, "steps")
                        .with(property_id::authentication_data, "welcome"));
    }
};

TEST_F(auth_protocol, refusals_have_the_code_of_their_cause)
{
    broker.authenticator.passwords = {{"user", "right"}};
    client.sends(connect("c").login("user", "wrong"))
        .expects(connack(reason_code::bad_user_name_or_password))
        .expects_closed();
    auto const v3_code = [&](auto&& packet) {
        packet_script old{broker, mqtt_v311};
        auto const code = old.sends(packet).next().reason;
        old.expects_closed();
        return code;
    };
    EXPECT_EQ(v3_code(connect("o").login("user", "wrong")), 4);
    broker.authenticator.unavailable = broker::errc::not_authorized;
    EXPECT_EQ(v3_code(connect("o")), 5);
    broker.authenticator.unavailable = broker::errc::authentication_unavailable;
    EXPECT_EQ(v3_code(connect("o")), 3);
    EXPECT_EQ(broker.metrics().connect_failures.get(), 4U);
}

TEST_F(auth_protocol, an_answer_for_a_connection_that_is_gone_is_ignored)
{
    broker.authenticator.held = true;
    client.sends(connect("c").will("w", "x")).loses_connection();
    broker.authenticator.answer_all();
    broker.settle();
    EXPECT_EQ(broker.shard().sessions().size(), 0U);
}

TEST_F(auth_protocol, a_connection_that_goes_while_it_claims_its_session_leaves_nothing)
{
    client.connection().feed(connect("c").bytes(mqtt_v5));
    client.loses_connection();
    EXPECT_EQ(broker.shard().sessions().size(), 0U);
    packet_script next{broker};
    next.connects(connect("c"));
}

TEST_F(auth_protocol, item_119_enhanced_authentication_goes_by_auth_packets)  // [MQTT-4.12.0-1, -5..-7]
{
    authenticates(client);
    client.sends(pingreq()).expects(pingresp());
}

TEST_F(auth_protocol, item_119_unknown_methods_are_refused)
{
    client.sends(connect_with_method("other", "x"))
        .expects(connack(reason_code::bad_authentication_method))
        .expects_closed();
}

TEST_F(auth_protocol, item_119_data_without_a_method_is_a_protocol_error)
{
    client.sends(connect("c").with(property_id::authentication_data, "x"))
        .expects(connack(reason_code::protocol_error))
        .expects_closed();
}

TEST_F(auth_protocol, item_119_auth_without_a_method_in_connect_is_a_protocol_error)
{
    client.connects(connect("c"))
        .sends(auth(again, "steps", "one"))
        .expects(disconnect(reason_code::protocol_error))
        .expects_closed();
}

TEST_F(auth_protocol, item_119_the_method_never_changes)  // [MQTT-4.12.0-5]
{
    client.sends(connect_with_method("steps", "one")).expects(auth(go_on, "steps", "challenge"));
    client.sends(auth(go_on, "other", "two")).expects(connack(reason_code::protocol_error)).expects_closed();
}

TEST_F(auth_protocol, item_119_nothing_but_auth_and_disconnect_before_connack)  // [MQTT-3.1.2-30]
{
    client.sends(connect_with_method("steps", "one")).expects(auth(go_on, "steps", "challenge"));
    client.sends(publish("a", "x")).expects(connack(reason_code::protocol_error)).expects_closed();
    packet_script leaving{broker};
    leaving.sends(connect_with_method("steps", "one")).expects(auth(go_on, "steps", "challenge"));
    leaving.sends(disconnect()).expects_closed();
    packet_script slow{broker};
    slow.sends(connect_with_method("steps", "one")).expects(auth(go_on, "steps", "challenge"));
    broker.advance(10'100ms);
    slow.expects(connack(reason_code::not_authorized)).expects_closed();
}

TEST_F(auth_protocol, wrong_proofs_are_refused)
{
    client.sends(connect_with_method("steps", "wrong"))
        .expects(connack(reason_code::bad_user_name_or_password))
        .expects_closed();
}

TEST_F(auth_protocol, item_120_reauthentication_goes_on_beside_traffic)  // [MQTT-4.12.1-1, -2]
{
    authenticates(client);
    client.subscribes("a", 1);
    broker.authenticator.rules.no_publish = {"a"};
    client.sends(auth(again, "steps", "one")).expects(auth(go_on, "steps", "challenge"));
    client.sends(publish("a", "x").qos1(1)).expects(publish("a", "x").qos1(1)).expects(puback(1)).sends(puback(1));
    client.sends(auth(go_on, "steps", "two")).expects(auth(success, "steps", "welcome"));
    client.sends(publish("a", "x").qos1(2)).expects(puback(2, reason_code::not_authorized));  // the new permissions
    client.sends(auth(again, "steps", "wrong")).expects(disconnect(reason_code::not_authorized)).expects_closed();
}

TEST_F(auth_protocol, item_120_reauthentication_cannot_change_who_the_client_is)
{
    authenticates(client);
    client.sends(auth(again, "steps", "other user")).expects(disconnect(reason_code::not_authorized)).expects_closed();
}

TEST_F(auth_protocol, item_120_reauthentication_keeps_to_its_order)
{
    authenticates(client);
    client.sends(auth(go_on, "steps", "two")).expects(disconnect(reason_code::protocol_error)).expects_closed();
    packet_script twice{broker};
    authenticates(twice);
    twice.sends(auth(again, "steps", "one")).expects(auth(go_on, "steps", "challenge"));
    twice.sends(auth(again, "steps", "one")).expects(disconnect(reason_code::protocol_error)).expects_closed();
}

TEST_F(auth_protocol, item_122_reloaded_rules_hold_from_the_next_packet_on)
{
    packet_script old{broker, mqtt_v311};
    client.connects(connect("c")).subscribes("#", 0);
    old.connects(connect("o"));
    broker.authenticator.rules.no_publish = {"a"};
    broker.authenticator.rules.no_receive = {"b"};
    broker.reload_rules();
    client.sends(publish("a", "x").qos1(1)).expects(puback(1, reason_code::not_authorized));
    old.sends(publish("b", "x")).sends(publish("c", "x"));
    client.expects(publish("c", "x")).expects_nothing();
    broker.authenticator.revoked = true;
    broker.reload_rules();
    client.sends(pingreq()).expects(disconnect(reason_code::not_authorized)).expects_closed();
    old.sends(pingreq()).expects_closed();
}

}  // namespace
}  // namespace fulmar::test
