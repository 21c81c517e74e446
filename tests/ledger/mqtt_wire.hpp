// A second, independent MQTT 3.1.1 and 5.0 client codec, so that a fault in the broker's codec cannot hide itself.
//
// Spec:     MQTT 3.1.1 and 5.0, chapters 2 and 3; only what the ledger's clients send and receive.
// Threads:  one.
// Limits:   packets of at most packet_bytes_max are accepted; anything larger is reported as broken.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fulmar::ledger {

inline constexpr std::size_t packet_bytes_max = 4 * 1024 * 1024;

enum class version : std::uint8_t { v3_1_1 = 4, v5 = 5 };

enum class packet_type : std::uint8_t {
    connect = 1,
    connack,
    publish,
    puback,
    pubrec,
    pubrel,
    pubcomp,
    subscribe,
    suback,
    unsubscribe,
    unsuback,
    pingreq,
    pingresp,
    disconnect,
    auth
};

// One received packet; the views are valid until the reader is fed again.
struct packet
{
    packet_type type = packet_type::pingresp;
    bool dup = false;
    bool retain = false;
    std::uint8_t qos = 0;
    std::uint16_t id = 0;
    std::uint8_t reason = 0;  // CONNACK, acknowledgements, DISCONNECT; SUBACK: the first code
    bool session_present = false;
    std::uint16_t receive_maximum = 65'535;  // CONNACK, MQTT 5
    std::string_view topic;
    std::string_view payload;
};

// Cuts a byte stream into packets.
class packet_reader
{
public:
    explicit packet_reader(version v) : version_(v) {}

    void feed(std::string_view bytes);

    // The next whole packet, if there is one. After broken() there are no more.
    [[nodiscard]] std::optional<packet> next();
    [[nodiscard]] bool broken() const noexcept { return broken_; }

private:
    version version_;
    std::string buffer_;
    std::size_t begin_ = 0;
    bool broken_ = false;
};

struct connect_fields
{
    version speaks = version::v3_1_1;
    std::string client_id;
    bool clean = false;
    std::uint32_t expiry_s = 3'600;     // MQTT 5 only
    std::uint16_t receive_maximum = 0;  // MQTT 5 only; 0 = not sent
};

struct publish_fields
{
    version speaks = version::v3_1_1;
    std::string_view topic;
    std::string_view payload;
    std::uint8_t qos = 1;
    std::uint16_t id = 0;
    bool dup = false;
};

[[nodiscard]] std::string encode_connect(connect_fields const& fields);
[[nodiscard]] std::string encode_publish(publish_fields const& fields);
[[nodiscard]] std::string encode_subscribe(version v, std::uint16_t id, std::vector<std::string> const& filters,
                                           std::uint8_t qos);
// PUBACK, PUBREC, PUBREL or PUBCOMP with reason "success".
[[nodiscard]] std::string encode_ack(packet_type type, std::uint16_t id);
[[nodiscard]] std::string encode_disconnect();

}  // namespace fulmar::ledger
