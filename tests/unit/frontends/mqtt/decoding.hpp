// What tests of the decoder ask of it.
#pragma once

#include "frontends/mqtt/decoder.hpp"
#include "tests/unit/frontends/mqtt/packet_bytes.hpp"

#include <gtest/gtest.h>

namespace fulmar::mqtt::test {

inline constexpr auto v31 = protocol_version::v3_1;
inline constexpr auto v4 = protocol_version::v3_1_1;
inline constexpr auto v5 = protocol_version::v5;
using rc = reason_code;

inline decoded decode_with(protocol_version version, std::string const& bytes)
{
    return decode(span_of(bytes), version, {});
}

// The packet of type T that `bytes` are, all of them; a default one (and a failed test) if they are not.
template <class T>
T expect_packet(std::string const& bytes, protocol_version version = v5)
{
    auto const d = decode_with(version, bytes);
    EXPECT_EQ(d.status, decode_status::complete) << d.error.text();
    EXPECT_EQ(d.consumed, bytes.size());
    auto const* const p = std::get_if<T>(&d.content);
    EXPECT_NE(p, nullptr);
    return p == nullptr ? T{} : *p;
}

inline void expect_fault(std::string const& bytes, rc reason, protocol_version version = v5)
{
    auto const d = decode_with(version, bytes);
    EXPECT_EQ(d.status, decode_status::malformed);
    EXPECT_EQ(to_string(d.error.reason), to_string(reason)) << d.error.text();
}

inline connect_packet expect_connect(std::string const& bytes)
{
    auto const d = decode_connect(span_of(bytes), {});
    EXPECT_EQ(d.status, decode_status::complete) << d.error.text();
    auto const* const p = std::get_if<connect_packet>(&d.content);
    EXPECT_NE(p, nullptr);
    return p == nullptr ? connect_packet{} : *p;
}

inline decode_error expect_refused_connect(std::string const& bytes, rc reason)
{
    auto const d = decode_connect(span_of(bytes), {});
    EXPECT_EQ(d.status, decode_status::malformed);
    EXPECT_EQ(to_string(d.error.reason), to_string(reason)) << d.error.text();
    return d.error;
}

inline std::string publish0(std::string const& topic, std::string const& properties = {},
                            std::string const& payload = "x")
{
    return packet_of(0x30, text(topic) + props(properties) + payload);
}

inline std::string subscribe_one(std::string const& filter, unsigned options, std::string const& properties = {})
{
    return packet_of(0x82, u16(1) + props(properties) + text(filter) + u8(options));
}

}  // namespace fulmar::mqtt::test
