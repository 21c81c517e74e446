// One MQTT control packet as tests write it: what a client sends, or what it expects from the broker.
//
// Encoded and parsed here, independently of the codec under test (only the property table is shared with it).
// `connect("c1").resuming().expiry(60)`, `publish("a/b", "x").qos1(7)`, `suback(1, {0, 0x80})`.
//
// Threads:  values.
#pragma once

#include "frontends/mqtt/packet_type.hpp"
#include "frontends/mqtt/property.hpp"
#include "frontends/mqtt/reason_code.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fulmar::test {

using mqtt::packet_type;
using mqtt::property_id;
using mqtt::protocol_version;
using mqtt::reason_code;

inline constexpr auto mqtt_v31 = protocol_version::v3_1;
inline constexpr auto mqtt_v311 = protocol_version::v3_1_1;
inline constexpr auto mqtt_v5 = protocol_version::v5;
inline constexpr auto success = reason_code::success;

struct scripted_property
{
    property_id id{};
    std::uint32_t number = 0;
    std::string text;
    std::string second;
    friend bool operator==(scripted_property const&, scripted_property const&) = default;
};
using scripted_properties = std::vector<scripted_property>;

struct scripted_will
{
    std::string topic;
    std::string payload;
    std::uint8_t level = 0;
    bool retain = false;
    scripted_properties properties;
};

// Options of a subscription as their byte is composed.
inline constexpr std::uint8_t no_local = 0x04;
inline constexpr std::uint8_t as_published = 0x08;
inline constexpr std::uint8_t retained_if_new = 0x10;
inline constexpr std::uint8_t retained_never = 0x20;

struct scripted_packet
{
    packet_type type{};
    std::uint16_t id = 0;
    std::uint8_t level = 0;
    bool duplicate = false;
    bool retain = false;
    bool session_present = false;
    std::uint8_t reason = 0;
    std::string topic;  // CONNECT: the client id
    std::string payload;
    std::vector<std::uint8_t> codes;
    std::vector<std::pair<std::string, std::uint8_t>> filters;
    scripted_properties properties;
    // CONNECT only
    bool clean = true;
    std::uint16_t keep_alive_s = 0;
    std::optional<std::string> user, password;
    std::optional<scripted_will> last_will;

    // --- any packet
    scripted_packet& with(property_id property, std::uint32_t number);
    scripted_packet& with(property_id property, std::string text);
    scripted_packet& with_user(std::string name, std::string value);
    // --- CONNECT
    scripted_packet& resuming() { return clean = false, *this; }
    scripted_packet& keep_alive(std::uint16_t seconds) { return keep_alive_s = seconds, *this; }
    scripted_packet& expiry(std::uint32_t seconds) { return with(property_id::session_expiry_interval, seconds); }
    scripted_packet& login(std::string name, std::string secret) { return user = name, password = secret, *this; }
    scripted_packet& will(std::string will_topic, std::string text, std::uint8_t qos = 0, bool retained = false);
    scripted_packet& will_with(property_id property, std::uint32_t number);
    scripted_packet& will_delay(std::uint32_t seconds) { return will_with(property_id::will_delay_interval, seconds); }
    // --- PUBLISH
    scripted_packet& qos1(std::uint16_t packet) { return level = 1, id = packet, *this; }
    scripted_packet& qos2(std::uint16_t packet) { return level = 2, id = packet, *this; }
    scripted_packet& retained() { return retain = true, *this; }
    scripted_packet& dup() { return duplicate = true, *this; }
    // --- CONNACK
    scripted_packet& present() { return session_present = true, *this; }

    [[nodiscard]] scripted_property const* find(property_id property) const;
    [[nodiscard]] std::string bytes(protocol_version version) const;  // as the client sends it
    // One line for failure messages and comparisons: everything, or without properties and without what `version`
    // does not have.
    [[nodiscard]] std::string text(protocol_version version, bool with_properties = true) const;
};

[[nodiscard]] scripted_packet connect(std::string client_id);
[[nodiscard]] scripted_packet connack(reason_code reason);
[[nodiscard]] scripted_packet publish(std::string topic, std::string payload);
[[nodiscard]] scripted_packet puback(std::uint16_t id, reason_code reason = success);
[[nodiscard]] scripted_packet pubrec(std::uint16_t id, reason_code reason = success);
[[nodiscard]] scripted_packet pubrel(std::uint16_t id, reason_code reason = success);
[[nodiscard]] scripted_packet pubcomp(std::uint16_t id, reason_code reason = success);
[[nodiscard]] scripted_packet subscribe(std::uint16_t id, std::vector<std::pair<std::string, std::uint8_t>> filters);
[[nodiscard]] scripted_packet suback(std::uint16_t id, std::vector<std::uint8_t> codes);
[[nodiscard]] scripted_packet unsubscribe(std::uint16_t id, std::vector<std::string> filters);
[[nodiscard]] scripted_packet unsuback(std::uint16_t id, std::vector<std::uint8_t> codes);
[[nodiscard]] scripted_packet pingreq();
[[nodiscard]] scripted_packet pingresp();
[[nodiscard]] scripted_packet disconnect(reason_code reason = success);
[[nodiscard]] scripted_packet auth(reason_code reason, std::string method, std::string data);

// A fixed header and `body`.
[[nodiscard]] std::string raw_packet(std::uint8_t first_byte, std::string_view body);

// Takes the first whole packet that a broker sent off `in`; nullopt: there is none. Adds a failure-like packet of
// type 0 if the bytes are no packet that a broker may send.
[[nodiscard]] std::optional<scripted_packet> take_packet(std::string& in, protocol_version version);

}  // namespace fulmar::test
