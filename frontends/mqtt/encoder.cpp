#include "frontends/mqtt/encoder.hpp"

#include "frontends/mqtt/byte_writer.hpp"

namespace fulmar::mqtt {
namespace {

// A property block under construction, without its length.
class property_block
{
public:
    void boolean(property_id id, std::optional<bool> const& value)
    {
        if (value)
            byte(id, *value ? 1 : 0);
    }

    void byte(property_id id, unsigned value)
    {
        auto out = grow(2);
        out.id(id);
        out.u8(value);
    }

    void u16(property_id id, std::optional<std::uint16_t> const& value)
    {
        if (!value)
            return;
        auto out = grow(3);
        out.id(id);
        out.u16(*value);
    }

    void u32(property_id id, std::optional<std::uint32_t> const& value)
    {
        if (!value)
            return;
        auto out = grow(5);
        out.id(id);
        out.u32(*value);
    }

    void binary(property_id id, std::optional<std::string_view> const& value)
    {
        if (!value)
            return;
        auto out = grow(3 + value->size());
        out.id(id);
        out.binary(*value);
    }

    void text(property_id id, std::string_view value)
    {
        if (!value.empty())
            binary(id, value);
    }

    void user(user_property_span properties)
    {
        for (auto const& p : properties) {
            auto out = grow(5 + p.name.size() + p.value.size());
            out.id(property_id::user_property);
            out.binary(p.name);
            out.binary(p.value);
        }
    }

    void truncate(std::size_t size) { bytes_.resize(size); }
    [[nodiscard]] std::string_view bytes() const noexcept { return bytes_; }
    [[nodiscard]] std::size_t size() const noexcept { return bytes_.size(); }

private:
    [[nodiscard]] byte_writer grow(std::size_t more)
    {
        auto const before = bytes_.size();
        bytes_.resize(before + more);
        return byte_writer{bytes_.data() + before};
    }

    std::string bytes_;
};

// One packet: its type, what stands before the properties, the properties (none: not even their length), the rest.
struct frame
{
    packet_type type{};
    std::string_view before{};
    property_block const* properties = nullptr;
    std::string_view after{};

    [[nodiscard]] std::size_t remaining() const noexcept
    {
        auto const block = properties == nullptr ? 0 : variable_size(properties->size()) + properties->size();
        return before.size() + block + after.size();
    }

    [[nodiscard]] std::size_t size() const noexcept { return 1 + variable_size(remaining()) + remaining(); }
};

bool write(frame const& f, peer_limits const& peer, std::string& out)
{
    if (!fits(f.size(), peer))
        return false;
    auto const begin = out.size();
    out.resize(begin + f.size());
    byte_writer to{out.data() + begin};
    to.u8((static_cast<unsigned>(f.type) << 4U) | (f.type == packet_type::pubrel ? 0x02U : 0U));
    to.variable(f.remaining());
    to.bytes(f.before);
    if (f.properties != nullptr) {
        to.variable(f.properties->size());
        to.bytes(f.properties->bytes());
    }
    to.bytes(f.after);
    return true;
}

// Adds the reason string and the user properties to `block`, which is part of `f`, as far as the client wants them and
// they fit.
void explain(explanation const& why, frame const& f, peer_limits const& peer, property_block& block)
{
    // [MQTT-3.1.2-29]: only these two may explain themselves to a client that does not want it.
    bool const wanted = peer.problem_information || f.type == packet_type::connack || f.type == packet_type::disconnect;
    if (!wanted)
        return;
    auto const keep_if_it_fits = [&](std::size_t before) {
        if (!fits(f.size(), peer))
            block.truncate(before);
    };
    auto const without = block.size();
    if (why.reason_string.size() <= 0xFFFF)
        block.text(property_id::reason_string, why.reason_string);
    keep_if_it_fits(without);
    auto const before_user = block.size();
    block.user(why.user);
    keep_if_it_fits(before_user);
}

[[nodiscard]] std::string_view view_of(std::span<char const> bytes) noexcept { return {bytes.data(), bytes.size()}; }

// Writes a packet that begins with an identifier and ends with a list of codes: SUBACK and UNSUBACK.
bool write_codes(packet_type type, packet_id id, std::string_view codes, peer_limits const& peer, std::string& out,
                 explanation const& why)
{
    char head[2];
    byte_writer{head}.u16(id);
    property_block block;
    bool const v5 = peer.version == protocol_version::v5;
    frame const f{type, view_of(head), v5 ? &block : nullptr, codes};
    if (v5)
        explain(why, f, peer, block);
    return write(f, peer, out);
}

[[nodiscard]] property_block connack_properties(connack_fields const& fields)
{
    using id = property_id;
    property_block block;
    block.u32(id::session_expiry_interval, fields.session_expiry_interval_s);
    block.u16(id::receive_maximum, fields.receive_maximum);
    if (fields.maximum_qos)
        block.byte(id::maximum_qos, *fields.maximum_qos);
    block.boolean(id::retain_available, fields.retain_available);
    block.u32(id::maximum_packet_size, fields.maximum_packet_size);
    block.text(id::assigned_client_identifier, fields.assigned_client_id);
    block.u16(id::topic_alias_maximum, fields.topic_alias_maximum);
    block.boolean(id::wildcard_subscription_available, fields.wildcard_subscription_available);
    block.boolean(id::subscription_identifier_available, fields.subscription_identifier_available);
    block.boolean(id::shared_subscription_available, fields.shared_subscription_available);
    block.u16(id::server_keep_alive, fields.server_keep_alive_s);
    block.text(id::response_information, fields.response_information);
    block.text(id::server_reference, fields.server_reference);
    block.text(id::authentication_method, fields.authentication_method);
    block.binary(id::authentication_data, fields.authentication_data);
    return block;
}

}  // namespace

bool encode_connack(connack_fields const& fields, peer_limits const& peer, std::string& out)
{
    // Session Present is 0 with every error [MQTT-3.2.2-6]; MQTT 3.1 has no such flag.
    bool const present = fields.session_present && !is_error(fields.reason) && peer.version != protocol_version::v3_1;
    bool const v5 = peer.version == protocol_version::v5;
    auto const return_code = to_return_code(fields.reason);
    if (!v5 && !return_code)
        return false;
    char head[2];
    byte_writer to{head};
    to.u8(present ? 1 : 0);
    to.u8(v5 ? static_cast<unsigned>(fields.reason) : static_cast<unsigned>(*return_code));
    if (!v5)
        return write(frame{packet_type::connack, view_of(head)}, peer, out);
    auto block = connack_properties(fields);
    frame const f{packet_type::connack, view_of(head), &block};
    explain(fields.why, f, peer, block);
    return write(f, peer, out);
}

bool encode_ack(packet_type type, packet_id id, reason_code reason, peer_limits const& peer, std::string& out,
                explanation const& why)
{
    char head[3];
    byte_writer to{head};
    to.u16(id);
    to.u8(static_cast<unsigned>(reason));
    auto const with_reason = view_of(head);
    auto const id_only = with_reason.substr(0, 2);
    if (peer.version != protocol_version::v5)
        return write(frame{type, id_only}, peer, out);
    property_block block;
    explain(why, frame{type, with_reason, &block}, peer, block);
    if (block.size() != 0)
        return write(frame{type, with_reason, &block}, peer, out);
    return write(frame{type, reason == reason_code::success ? id_only : with_reason}, peer, out);
}

bool encode_suback(packet_id id, std::span<reason_code const> codes, peer_limits const& peer, std::string& out,
                   explanation const& why)
{
    std::string bytes;
    bytes.reserve(codes.size());
    for (auto const code : codes)
        bytes += static_cast<char>(peer.version == protocol_version::v5 ? static_cast<std::uint8_t>(code)
                                                                        : to_v3_suback(code));
    return write_codes(packet_type::suback, id, bytes, peer, out, why);
}

bool encode_unsuback(packet_id id, std::span<reason_code const> codes, peer_limits const& peer, std::string& out,
                     explanation const& why)
{
    std::string bytes;
    if (peer.version == protocol_version::v5) {
        bytes.reserve(codes.size());
        for (auto const code : codes)
            bytes += static_cast<char>(code);
    }
    return write_codes(packet_type::unsuback, id, bytes, peer, out, why);
}

void encode_pingresp(std::string& out) { out.append("\xD0\x00", 2); }

bool encode_disconnect(reason_code reason, peer_limits const& peer, std::string& out, explanation const& why,
                       std::string_view server_reference)
{
    if (peer.version != protocol_version::v5)
        return false;
    char const head[]{static_cast<char>(reason)};
    property_block block;
    block.text(property_id::server_reference, server_reference);
    frame const f{packet_type::disconnect, view_of(head), &block};
    explain(why, f, peer, block);
    if (block.size() != 0 && fits(f.size(), peer))
        return write(f, peer, out);
    if (reason == reason_code::success)
        return write(frame{packet_type::disconnect}, peer, out);
    return write(frame{packet_type::disconnect, view_of(head)}, peer, out);
}

bool encode_auth(auth_fields const& fields, peer_limits const& peer, std::string& out)
{
    if (peer.version != protocol_version::v5)
        return false;
    char const head[]{static_cast<char>(fields.reason)};
    property_block block;
    block.text(property_id::authentication_method, fields.authentication_method);
    block.binary(property_id::authentication_data, fields.authentication_data);
    frame const f{packet_type::auth, view_of(head), &block};
    explain(fields.why, f, peer, block);
    if (block.size() == 0 && fields.reason == reason_code::success)
        return write(frame{packet_type::auth}, peer, out);
    return write(f, peer, out);
}

}  // namespace fulmar::mqtt
