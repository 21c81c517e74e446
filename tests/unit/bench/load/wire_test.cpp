#include "bench/load/mqtt_wire.hpp"
#include "bench/load/ws_wire.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace fulmar::load {
namespace {

TEST(mqtt_wire, connect_is_what_the_specification_shows)  // MQTT 3.1.1 §3.1, MQTT 5.0 §3.1
{
    connect_settings settings;
    settings.client_id = "c";
    std::string v4;
    write_connect(v4, settings, false);
    EXPECT_EQ(v4, std::string("\x10\x0D\x00\x04MQTT\x04\x02\x00\x00\x00\x01"
                              "c",
                              15));
    settings.clean = false;
    settings.durable = true;
    settings.user = "u";
    settings.password = "p";
    std::string v5;
    write_connect(v5, settings, true);
    EXPECT_EQ(v5, std::string("\x10\x19\x00\x04MQTT\x05\xC0\x00\x00\x05\x11\x00\x01\x51\x80\x00\x01"
                              "c\x00\x01u\x00\x01p",
                              27));
}

TEST(mqtt_wire, a_written_publish_is_read_back_from_any_prefix_and_suffix)
{
    for (auto const v5 : {false, true}) {
        for (std::uint8_t qos = 0; qos < 3; ++qos) {
            std::string bytes;
            write_publish(bytes, "a/b", std::string(300, 'x'), qos, 77, v5);
            write_publish(bytes, "a/c", "y", qos, 78, v5);
            std::vector<std::string> seen;
            auto const see = [&](std::uint8_t first, std::string_view body) {
                publish_view view;
                EXPECT_TRUE(read_publish(first & 0x0F, body, v5, view));
                EXPECT_EQ(view.qos, qos);
                EXPECT_EQ(view.packet_id, qos == 0 ? 0 : 77 + seen.size());
                seen.push_back(std::string{view.topic} + ":" + std::to_string(view.payload.size()));
                return true;
            };
            for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
                seen.clear();
                auto const used = for_each_packet(std::string_view{bytes}.substr(0, cut), see);
                ASSERT_LE(used, cut);
                EXPECT_EQ(used + for_each_packet(std::string_view{bytes}.substr(used), see), bytes.size());
                EXPECT_EQ(seen, (std::vector<std::string>{"a/b:300", "a/c:1"}));
            }
        }
    }
}

TEST(mqtt_wire, a_length_of_five_bytes_is_malformed)
{
    EXPECT_EQ(for_each_packet("\x30\xFF\xFF\xFF\xFF\x01", [](auto, auto) { return true; }), malformed);
}

TEST(mqtt_wire, connack_gives_the_receive_maximum_among_other_properties)
{
    connack_view view;
    EXPECT_TRUE(read_connack(std::string_view("\x01\x00\x0A\x27\x00\x00\x10\x00\x21\x00\x14\x24\x01", 13), true, view));
    EXPECT_TRUE(view.session_present);
    EXPECT_EQ(view.receive_maximum, 20);
    EXPECT_FALSE(read_connack(std::string_view("\x00\x00\x03\x21\x00", 5), true, view));
}

TEST(ws_wire, a_frame_is_masked_and_its_length_is_right)
{
    for (std::size_t const size : {0U, 1U, 125U, 126U, 65'535U, 65'536U}) {
        std::string const payload(size, 'p');
        std::string out;
        write_ws_frame(out, payload, 2, 0x04030201);
        auto const header = out.size() - size;
        EXPECT_EQ(header, size < 126 ? 6U : size < 65'536 ? 8U : 14U);
        EXPECT_EQ(out[0], '\x82');
        EXPECT_NE(out[1] & 0x80, 0);
        for (std::size_t i = 0; i < size; ++i)
            out[header + i] = static_cast<char>(out[header + i] ^ out[header - 4 + i % 4]);
        EXPECT_EQ(out.substr(header), payload);
    }
}

TEST(ws_wire, frames_of_a_server_are_read_when_they_are_complete)
{
    for (std::size_t const size : {0U, 125U, 126U, 65'536U}) {
        std::string bytes{"\x82"};
        if (size < 126)
            bytes += static_cast<char>(size);
        else if (size < 65'536)
            bytes += std::string{"\x7E", 1} + static_cast<char>(size >> 8) + static_cast<char>(size & 0xFF);
        else
            bytes += std::string("\x7F\x00\x00\x00\x00\x00\x01\x00\x00", 9);
        bytes += std::string(size, 'z');
        EXPECT_EQ(read_ws_frame(std::string_view{bytes}.substr(0, bytes.size() - 1)).bytes, 0U);
        auto const frame = read_ws_frame(bytes + "next");
        EXPECT_EQ(frame.bytes, bytes.size());
        EXPECT_EQ(frame.payload.size(), size);
        EXPECT_EQ(frame.opcode, 2);
    }
}

TEST(ws_wire, only_a_switch_of_protocols_is_a_handshake)
{
    EXPECT_EQ(ws_response("HTTP/1.1 101 Switching Protocols\r\nA: b\r\n"), 0U);
    EXPECT_EQ(ws_response("HTTP/1.1 101 Switching Protocols\r\n\r\n\x82"), 36U);
    EXPECT_EQ(ws_response("HTTP/1.1 404 Not Found\r\n\r\n"), malformed);
}

}  // namespace
}  // namespace fulmar::load
