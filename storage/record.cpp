#include "storage/record.hpp"

#include "storage/crc32c.hpp"

#include <cstring>

namespace fulmar::storage {

using namespace broker;

namespace {

// byte 0: version. bytes 1-4: CRC-32C, little endian, of byte 0 and of everything from byte 5.
constexpr std::size_t header_bytes = 5;

constexpr unsigned level_mask = 0x03;
constexpr unsigned retain_flag = 0x04;
constexpr unsigned has_publisher = 0x08;
constexpr unsigned has_expiry = 0x10;
constexpr unsigned has_event = 0x20;
constexpr unsigned has_properties = 0x40;

void put_varint(std::string& out, std::uint64_t value)
{
    while (value >= 0x80) {
        out.push_back(static_cast<char>(value | 0x80U));
        value >>= 7U;
    }
    out.push_back(static_cast<char>(value));
}

void put_text(std::string& out, std::string_view text)
{
    put_varint(out, text.size());
    out.append(text);
}

template <class Integer>
void put_fixed(std::string& out, Integer value)
{
    for (std::size_t i = 0; i < sizeof(Integer); ++i)
        out.push_back(static_cast<char>(value >> (8 * i) & 0xFFU));
}

void put_properties(std::string& out, message_properties const& p)
{
    auto const bits = (p.payload_format ? 1U : 0U) | (p.correlation_data ? 2U : 0U);
    out.push_back(static_cast<char>(bits));
    if (p.payload_format)
        out.push_back(static_cast<char>(*p.payload_format));
    if (p.correlation_data)
        put_text(out, *p.correlation_data);
    put_text(out, p.content_type);
    put_text(out, p.response_topic);
    put_varint(out, p.user.size());
    for (auto const& [name, value] : p.user) {
        put_text(out, name);
        put_text(out, value);
    }
}

std::uint32_t checksum(std::string_view record) noexcept
{
    return crc32c(record.substr(header_bytes), crc32c(record.substr(0, 1)));
}

// Takes fields off the front; after the first that does not fit everything reads as empty and ok() is false.
class field_reader
{
public:
    explicit field_reader(std::string_view bytes) : rest_{bytes} {}

    std::uint64_t varint() noexcept
    {
        std::uint64_t value = 0;
        for (unsigned shift = 0; shift < 64; shift += 7) {
            auto const next = byte();
            value |= std::uint64_t{next & 0x7FU} << shift;
            if ((next & 0x80U) == 0)
                return value;
        }
        ok_ = false;
        return 0;
    }
    std::uint8_t byte() noexcept
    {
        auto const taken = take(1);
        return taken.empty() ? 0 : static_cast<std::uint8_t>(taken[0]);
    }
    std::uint64_t fixed64() noexcept
    {
        std::uint64_t value = 0;
        auto const taken = take(8);
        for (std::size_t i = taken.size(); i-- > 0;)
            value = value << 8U | static_cast<unsigned char>(taken[i]);
        return value;
    }
    std::string_view take(std::uint64_t size) noexcept
    {
        if (!ok_ || size > rest_.size()) {
            ok_ = false;
            return {};
        }
        auto const taken = rest_.substr(0, size);
        rest_.remove_prefix(size);
        return taken;
    }
    std::string text() { return std::string{take(varint())}; }

    [[nodiscard]] bool ok() const noexcept { return ok_; }
    [[nodiscard]] bool at_end() const noexcept { return ok_ && rest_.empty(); }

private:
    std::string_view rest_;
    bool ok_ = true;
};

std::unique_ptr<message_properties const> take_properties(field_reader& in)
{
    auto out = std::make_unique<message_properties>();
    auto const bits = in.byte();
    if ((bits & 1U) != 0)
        out->payload_format = in.byte();
    if ((bits & 2U) != 0)
        out->correlation_data = in.text();
    out->content_type = in.text();
    out->response_topic = in.text();
    for (auto left = in.varint(); left > 0 && in.ok(); --left) {
        auto name = in.text();
        auto value = in.text();
        out->user.push_back({std::move(name), std::move(value)});
    }
    return out;
}

error_code bad_record() noexcept { return boost::system::errc::make_error_code(boost::system::errc::bad_message); }

}  // namespace

void encode_record(message const& m, std::string& out)
{
    auto flags = static_cast<unsigned>(m.level);
    flags |= m.retain ? retain_flag : 0U;
    flags |= m.publisher != 0 ? has_publisher : 0U;
    flags |= m.expires_at != 0 ? has_expiry : 0U;
    flags |= !m.event().empty() ? has_event : 0U;
    flags |= m.properties ? has_properties : 0U;

    out.clear();
    out.push_back(static_cast<char>(record_version));
    out.append(4, '\0');
    out.push_back(static_cast<char>(flags));
    put_varint(out, static_cast<std::uint32_t>(m.app));
    put_varint(out, m.published_at);
    if (m.publisher != 0)
        put_fixed(out, m.publisher);
    if (m.expires_at != 0)
        put_varint(out, m.expires_at);
    put_text(out, m.topic());
    put_text(out, m.payload());
    if (!m.event().empty())
        put_text(out, m.event());
    if (m.properties)
        put_properties(out, *m.properties);

    auto const crc = checksum(out);
    for (std::size_t i = 0; i < 4; ++i)
        out[1 + i] = static_cast<char>(crc >> (8 * i) & 0xFFU);
}

result<message_ptr> decode_record(std::span<char const> bytes)
{
    std::string_view const record{bytes.data(), bytes.size()};
    if (record.size() < header_bytes + 1 || static_cast<std::uint8_t>(record[0]) != record_version)
        return bad_record();
    std::uint32_t stored = 0;
    for (std::size_t i = 4; i-- > 0;)
        stored = stored << 8U | static_cast<unsigned char>(record[1 + i]);
    if (stored != checksum(record))
        return bad_record();

    field_reader in{record.substr(header_bytes)};
    auto const flags = in.byte();
    if ((flags & level_mask) > static_cast<unsigned>(qos::exactly_once))
        return bad_record();
    message_fields fields;
    fields.level = static_cast<qos>(flags & level_mask);
    fields.retain = (flags & retain_flag) != 0;
    auto const app = in.varint();
    fields.app = app_id{static_cast<std::uint32_t>(app)};
    fields.published_at = in.varint();
    if ((flags & has_publisher) != 0)
        fields.publisher = in.fixed64();
    if ((flags & has_expiry) != 0)
        fields.expires_at = in.varint();
    fields.topic = in.take(in.varint());
    fields.payload = in.take(in.varint());
    if ((flags & has_event) != 0)
        fields.event = in.take(in.varint());
    if ((flags & has_properties) != 0)
        fields.properties = take_properties(in);
    if (!in.at_end() || app > 0xFFFFFFFFU || fields.topic.empty())
        return bad_record();
    return message::make(std::move(fields));
}

}  // namespace fulmar::storage
