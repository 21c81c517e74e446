// A dialogue with the broker as a list of sentences: what the client sends, and what it must see.
//
//     packet_script client{broker};
//     client.sends(connect("c1")).expects(connack(success));
//     client.sends(publish("a/b", "x").qos1(7)).expects(puback(7));
//
// Every expectation first lets the broker finish all its work. Properties are compared for PUBLISH in full; for other
// packets those that the expectation names must be there.
#pragma once

#include "tests/support/mqtt_test_broker.hpp"
#include "tests/support/scripted_packet.hpp"

#include <string>
#include <vector>

namespace fulmar::test {

class packet_script
{
public:
    // Where a sentence stands in the test (std::source_location needs a newer Clang).
    struct location
    {
        char const* file = "";
        int line = 0;
        static constexpr location current(char const* at_file = __builtin_FILE(), int at_line = __builtin_LINE())
        {
            return {at_file, at_line};
        }
    };

    explicit packet_script(mqtt_test_broker& broker, protocol_version version = mqtt_v5, std::size_t shard = 0);

    packet_script& sends(scripted_packet const& what);
    packet_script& sends_bytes(std::string_view bytes);
    packet_script& expects(scripted_packet const& what, location at = location::current());
    packet_script& expects_nothing(location at = location::current());  // and the connection stays open
    packet_script& expects_closed(location at = location::current());   // without anything more
    packet_script& loses_connection();

    // The next packet, to be looked at; a packet of type 0 if there is none.
    [[nodiscard]] scripted_packet next(location at = location::current());
    // Everything sent so far, as text.
    std::vector<std::string> everything();

    // CONNECT as given, and CONNACK with success.
    packet_script& connects(scripted_packet const& what, location at = location::current());
    // SUBSCRIBE to one filter, granted.
    packet_script& subscribes(std::string filter, std::uint8_t options, location at = location::current());

    [[nodiscard]] fake_connection& connection() noexcept { return connection_; }
    [[nodiscard]] protocol_version version() const noexcept { return version_; }

private:
    mqtt_test_broker& broker_;
    protocol_version version_;
    fake_connection connection_;
    std::uint16_t last_request_ = 60'000;
};

}  // namespace fulmar::test
