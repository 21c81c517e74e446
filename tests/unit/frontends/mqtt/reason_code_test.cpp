#include "frontends/mqtt/reason_code.hpp"

#include <gtest/gtest.h>

#include <array>

namespace fulmar::mqtt {
namespace {

TEST(mqtt_reason_code, all_43_codes_have_the_name_of_the_specification)
{
    int known = 0;
    for (unsigned code = 0; code < 256; ++code)
        known += to_string(static_cast<reason_code>(code)) == "unknown reason code" ? 0 : 1;
    EXPECT_EQ(known, 43);
    EXPECT_EQ(to_string(reason_code::receive_maximum_exceeded), "Receive Maximum exceeded");
}

TEST(mqtt_reason_code, every_named_code_may_be_sent_by_somebody_in_some_packet)  // [MQTT-3.2.2-8, 3.9.3-2, 3.11.3-2]
{
    for (unsigned code = 0; code < 256; ++code) {
        bool anywhere = false;
        for (unsigned type = 0; type < 16; ++type) {
            for (auto const from : {sender::client, sender::server})
                anywhere = anywhere || allowed(static_cast<reason_code>(code), static_cast<packet_type>(type), from);
        }
        EXPECT_EQ(anywhere, to_string(static_cast<reason_code>(code)) != "unknown reason code") << code;
    }
}

TEST(mqtt_reason_code, mqtt_3_connack_has_the_return_code_that_says_the_same_or_none)  // v3 [MQTT-3.2.2-6]
{
    using enum connect_return_code;
    EXPECT_EQ(to_return_code(reason_code::success), accepted);
    EXPECT_EQ(to_return_code(reason_code::unsupported_protocol_version), unacceptable_protocol_version);
    EXPECT_EQ(to_return_code(reason_code::client_identifier_not_valid), identifier_rejected);
    EXPECT_EQ(to_return_code(reason_code::bad_user_name_or_password), bad_user_name_or_password);
    EXPECT_EQ(to_return_code(reason_code::not_authorized), not_authorized);
    EXPECT_EQ(to_return_code(reason_code::server_busy), server_unavailable);
    EXPECT_EQ(to_return_code(reason_code::malformed_packet), std::nullopt);
    EXPECT_EQ(to_return_code(reason_code::qos_not_supported), std::nullopt);
}

TEST(mqtt_reason_code, mqtt_3_suback_has_one_failure_code)  // v3 [MQTT-3.9.3-2]
{
    EXPECT_EQ(to_v3_suback(reason_code::granted_qos_2), 2);
    EXPECT_EQ(to_v3_suback(reason_code::not_authorized), 0x80);
    EXPECT_EQ(to_v3_suback(reason_code::wildcard_subscriptions_not_supported), 0x80);
}

TEST(mqtt_reason_code, errors_of_the_broker_become_reason_codes)
{
    using broker::errc;
    std::array const expected{
        std::pair{errc::not_authorized, reason_code::not_authorized},
        std::pair{errc::topic_filter_invalid, reason_code::topic_filter_invalid},
        std::pair{errc::unknown_packet_id, reason_code::packet_identifier_not_found},
        std::pair{errc::store_full, reason_code::quota_exceeded},
        std::pair{errc::store_failed, reason_code::implementation_specific_error},
        std::pair{errc::shutting_down, reason_code::server_shutting_down},
    };
    for (auto const& [error, code] : expected)
        EXPECT_EQ(to_reason_code(error), code);
    EXPECT_EQ(to_reason_code({}), reason_code::success);
    auto const foreign = boost::system::errc::make_error_code(boost::system::errc::io_error);
    EXPECT_EQ(to_reason_code(foreign), reason_code::unspecified_error);
}

}  // namespace
}  // namespace fulmar::mqtt
