#include "frontends/mqtt/property.hpp"

#include "tests/unit/frontends/mqtt/packet_bytes.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace fulmar::mqtt {
namespace {

using namespace test;

// A value of the right type for a property, encoded.
std::string value_of(property_type type)
{
    switch (type) {
    case property_type::boolean: return u8(1);
    case property_type::two_byte: return u16(1);
    case property_type::four_byte: return u32(1);
    case property_type::variable: return varint(200);
    case property_type::binary:
    case property_type::utf8: return text("t");
    case property_type::utf8_pair: return text("n") + text("v");
    }
    return {};
}

// Reads the whole block and says what was wrong, if anything.
fault read_all(std::string const& block, property_places place)
{
    property_reader reader{block, place};
    property_id id{};
    property_value value;
    while (reader.next(id, value)) {
    }
    return reader.error();
}

property_places const everything = 0xFFFF;

TEST(mqtt_property, the_table_has_the_27_properties_of_the_specification)
{
    EXPECT_EQ(all_rules().size(), 27U);
    for (auto const& rule : all_rules()) {
        EXPECT_EQ(find_rule(static_cast<std::uint32_t>(rule.id)), &rule);
        EXPECT_FALSE(rule.name.empty());
        EXPECT_NE(rule.places, 0);
    }
    for (std::uint32_t const id : {0U, 4U, 7U, 10U, 20U, 27U, 43U, 64U, 200U, 0xFFFFFFFFU})
        EXPECT_EQ(find_rule(id), nullptr) << id;
}

TEST(mqtt_property, item_012_every_property_is_accepted_in_its_packets_and_nowhere_else)
{
    for (auto const& rule : all_rules()) {
        auto const block = u8(static_cast<unsigned>(rule.id)) + value_of(rule.type);
        for (unsigned place = 0; place < 16; ++place) {
            auto const bit = static_cast<property_places>(1U << place);
            auto const wrong = read_all(block, bit);
            bool const allowed = (rule.places & bit) != 0;
            EXPECT_EQ(wrong.reason, allowed ? reason_code::success : reason_code::malformed_packet) << rule.name;
        }
    }
}

TEST(mqtt_property, item_013_every_property_but_the_user_property_is_refused_twice)
{
    for (auto const& rule : all_rules()) {
        auto const once = u8(static_cast<unsigned>(rule.id)) + value_of(rule.type);
        for (unsigned place = 0; place < 16; ++place) {
            auto const bit = static_cast<property_places>(1U << place);
            if ((rule.places & bit) == 0)
                continue;
            bool const may = rule.id == property_id::user_property ||
                             (rule.id == property_id::subscription_identifier && bit == in(packet_type::publish));
            EXPECT_EQ(read_all(once + once, bit).reason, may ? reason_code::success : reason_code::protocol_error)
                << rule.name;
        }
    }
}

TEST(mqtt_property, item_014_every_boolean_property_is_0_or_1)
{
    int checked = 0;
    for (auto const& rule : all_rules()) {
        if (rule.type != property_type::boolean)
            continue;
        auto const id = static_cast<unsigned>(rule.id);
        EXPECT_FALSE(read_all(raw({id, 0}), rule.places));
        EXPECT_EQ(read_all(raw({id, 2}), rule.places).reason, reason_code::protocol_error) << rule.name;
        EXPECT_EQ(read_all(raw({id, 255}), rule.places).reason, reason_code::protocol_error) << rule.name;
        ++checked;
    }
    EXPECT_EQ(checked, 8);
}

TEST(mqtt_property, item_006_every_property_cut_short_is_malformed)
{
    for (auto const& rule : all_rules()) {
        auto const value = value_of(rule.type);
        for (std::size_t size = 0; size < value.size(); ++size) {
            auto const block = u8(static_cast<unsigned>(rule.id)) + value.substr(0, size);
            EXPECT_EQ(read_all(block, everything).reason, reason_code::malformed_packet) << rule.name << " at " << size;
        }
    }
}

TEST(mqtt_property, values_are_read_by_their_type)
{
    std::string const block =
        u8(0x02) + u32(0xDEADBEEF) + u8(0x23) + u16(0xABCD) + raw({0x0B, 0xFF, 0x7F}) + user("name", "value");
    property_reader reader{block, in(packet_type::publish)};
    property_id id{};
    property_value value;
    ASSERT_TRUE(reader.next(id, value));
    EXPECT_EQ(value.number, 0xDEADBEEF);
    ASSERT_TRUE(reader.next(id, value));
    EXPECT_EQ(value.number, 0xABCDU);
    ASSERT_TRUE(reader.next(id, value));
    EXPECT_EQ(value.number, 16'383U);
    ASSERT_TRUE(reader.next(id, value));
    EXPECT_EQ(value.text, "name");
    EXPECT_EQ(value.second, "value");
    EXPECT_FALSE(reader.next(id, value));
    EXPECT_FALSE(reader.error());
}

TEST(mqtt_property, item_064_user_properties_are_given_in_order_with_duplicates)
{
    auto const block = user("b", "1") + u8(0x02) + u32(0) + user("a", "2") + u8(0x03) + text("t") + user("b", "1");
    user_properties const properties{block, 3};
    std::vector<user_property_view> const got{properties.begin(), properties.end()};
    EXPECT_EQ(got, (std::vector<user_property_view>{{"b", "1"}, {"a", "2"}, {"b", "1"}}));
    user_properties const none;
    EXPECT_TRUE(none.begin() == none.end());
}

}  // namespace
}  // namespace fulmar::mqtt
