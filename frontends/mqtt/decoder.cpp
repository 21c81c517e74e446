#include "frontends/mqtt/decoder.hpp"

#include "frontends/mqtt/decode_body.hpp"

namespace fulmar::mqtt {
namespace {

constexpr unsigned flag_retain = 0x01;
constexpr unsigned flag_duplicate = 0x08;

struct fixed_header
{
    packet_type type{};
    unsigned flags = 0;
    std::size_t size = 0;  // of the fixed header itself
    std::uint32_t remaining = 0;
};

[[nodiscard]] constexpr qos qos_of(unsigned flags) noexcept { return static_cast<qos>((flags >> 1U) & 0x03U); }

void fail(decoded& out, packet_type type, fault const& wrong) noexcept
{
    out.status = decode_status::malformed;
    out.error.reason = wrong.reason;
    out.error.type = type;
    out.error.what = wrong.what;
}

[[nodiscard]] fault judge_publish_flags(unsigned flags, protocol_version version) noexcept
{
    if (((flags >> 1U) & 0x03U) == 3)
        return malformed("both QoS bits are set");
    // MQTT 3.1 does not speak about DUP at QoS 0.
    if (version != protocol_version::v3_1 && qos_of(flags) == qos::at_most_once && (flags & flag_duplicate) != 0)
        return malformed("DUP is set at QoS 0");
    return no_fault;
}

// May a client send a packet that begins with this byte?
[[nodiscard]] fault judge_first_byte(packet_type type, unsigned flags, protocol_version version) noexcept
{
    switch (type) {
    case packet_type::publish: return judge_publish_flags(flags, version);
    case packet_type::pubrel:
    case packet_type::subscribe:
    case packet_type::unsubscribe:
        // In MQTT 3.1 these are sent at QoS 1 and may be repeated with DUP.
        if (flags == 0x02U || (version == protocol_version::v3_1 && (flags & 0x07U) == 0x02U))
            return no_fault;
        return malformed("the reserved flags are not 0010");
    case packet_type::connect:
    case packet_type::puback:
    case packet_type::pubrec:
    case packet_type::pubcomp:
    case packet_type::pingreq:
    case packet_type::disconnect: break;
    case packet_type::auth:
        if (version != protocol_version::v5)
            return malformed("packet type 15 is reserved");
        break;
    case packet_type::connack:
    case packet_type::suback:
    case packet_type::unsuback:
    case packet_type::pingresp: return broken_rule("only a server may send this packet");
    default: return malformed("packet type 0 is reserved");
    }
    return flags == 0 || version == protocol_version::v3_1 ? no_fault : malformed("the reserved flags are not 0000");
}

// A Remaining Length that cannot be right, judged before the body has arrived.
[[nodiscard]] fault judge_remaining(packet_type type, std::uint32_t remaining, protocol_version version) noexcept
{
    bool const v5 = version == protocol_version::v5;
    switch (type) {
    case packet_type::pingreq: return remaining == 0 ? no_fault : trailing_bytes();
    case packet_type::disconnect: return v5 || remaining == 0 ? no_fault : trailing_bytes();
    case packet_type::puback:
    case packet_type::pubrec:
    case packet_type::pubrel:
    case packet_type::pubcomp:
        if (remaining < 2)
            return truncated();
        return v5 || remaining == 2 ? no_fault : trailing_bytes();
    default: return no_fault;
    }
}

// Reads the Remaining Length. False: more bytes are needed, or `out` says what is wrong.
[[nodiscard]] bool read_remaining(std::span<char const> in, fixed_header& header, decoded& out) noexcept
{
    for (unsigned i = 0; i < 4; ++i) {
        if (i + 1 >= in.size())
            return false;
        auto const byte = static_cast<unsigned char>(in[i + 1]);
        header.remaining |= (byte & 0x7FU) << (7U * i);
        if (byte >= 0x80U)
            continue;
        header.size = i + 2U;
        if (byte != 0 || i == 0)
            return true;
        fail(out, header.type, malformed("the Remaining Length takes more bytes than it needs"));
        return false;
    }
    fail(out, header.type, malformed("the Remaining Length has more than four bytes"));
    return false;
}

// Reads and judges the fixed header. True: the whole packet is there. False: `out` is the answer.
[[nodiscard]] bool open_packet(std::span<char const> in, protocol_version version, decode_limits const& limits,
                               fixed_header& header, decoded& out) noexcept
{
    if (in.empty())
        return false;
    auto const first = static_cast<unsigned char>(in.front());
    header.type = static_cast<packet_type>(first >> 4U);
    header.flags = first & 0x0FU;
    if (auto const wrong = judge_first_byte(header.type, header.flags, version)) {
        fail(out, header.type, wrong);
        return false;
    }
    if (!read_remaining(in, header, out))
        return false;
    auto const size = header.size + header.remaining;
    auto wrong = judge_remaining(header.type, header.remaining, version);
    if (size > limits.maximum_packet_size)
        wrong = {reason_code::packet_too_large, "the packet is larger than the server accepts"};
    if (wrong) {
        fail(out, header.type, wrong);
        return false;
    }
    out.wanted = size;
    return in.size() >= size;
}

[[nodiscard]] byte_reader body_of(std::span<char const> in, fixed_header const& header) noexcept
{
    return byte_reader{std::string_view{in.data() + header.size, header.remaining}};
}

void finish(decoded& out, fixed_header const& header, fault const& wrong, byte_reader const& reader) noexcept
{
    if (wrong)
        return fail(out, header.type, wrong);
    if (!reader.empty())
        return fail(out, header.type, trailing_bytes());
    out.status = decode_status::complete;
    out.consumed = header.size + header.remaining;
}

[[nodiscard]] publish_packet& begin_publish(decoded& out, unsigned flags)
{
    auto& p = out.content.emplace<publish_packet>();
    p.level = qos_of(flags);
    p.duplicate = (flags & flag_duplicate) != 0;
    p.retain = (flags & flag_retain) != 0;
    return p;
}

[[nodiscard]] fault decode_body(byte_reader& reader, fixed_header const& header, protocol_version version, decoded& out)
{
    auto& content = out.content;
    switch (header.type) {
    case packet_type::publish: return decode_publish_body(reader, version, begin_publish(out, header.flags));
    case packet_type::puback:
    case packet_type::pubrec:
    case packet_type::pubrel:
    case packet_type::pubcomp: {
        auto& p = content.emplace<ack_packet>();
        p.type = header.type;
        return decode_ack_body(reader, version, p);
    }
    case packet_type::subscribe: return decode_subscribe_body(reader, version, content.emplace<subscribe_packet>());
    case packet_type::unsubscribe:
        return decode_unsubscribe_body(reader, version, content.emplace<unsubscribe_packet>());
    case packet_type::pingreq: content.emplace<pingreq_packet>(); return no_fault;
    case packet_type::disconnect: return decode_disconnect_body(reader, version, content.emplace<disconnect_packet>());
    case packet_type::auth: return decode_auth_body(reader, content.emplace<auth_packet>());
    default: return broken_rule("this packet is not expected here");
    }
}

}  // namespace

std::string decode_error::text() const
{
    std::string out{to_string(type)};
    return out.append(": ").append(what);
}

decoded decode_connect(std::span<char const> in, decode_limits const& limits)
{
    decoded out;
    if (!in.empty() && static_cast<unsigned char>(in.front()) >> 4U != static_cast<unsigned>(packet_type::connect)) {
        auto const type = static_cast<packet_type>(static_cast<unsigned char>(in.front()) >> 4U);
        fail(out, type, broken_rule("the first packet is not CONNECT"));
        return out;
    }
    fixed_header header;
    if (!open_packet(in, protocol_version::v5, limits, header, out))
        return out;
    auto reader = body_of(in, header);
    auto& p = out.content.emplace<connect_packet>();
    auto const wrong = decode_connect_body(reader, p, out.error.answer_as);
    finish(out, header, wrong, reader);
    return out;
}

decoded decode(std::span<char const> in, protocol_version version, decode_limits const& limits)
{
    decoded out;
    if (!in.empty() && static_cast<unsigned char>(in.front()) >> 4U == static_cast<unsigned>(packet_type::connect)) {
        fail(out, packet_type::connect, broken_rule("a second CONNECT"));
        return out;
    }
    fixed_header header;
    if (!open_packet(in, version, limits, header, out))
        return out;
    auto reader = body_of(in, header);
    auto const wrong = decode_body(reader, header, version, out);
    finish(out, header, wrong, reader);
    return out;
}

}  // namespace fulmar::mqtt
