// Stored records: any bytes are either refused or a message that encodes to a record of the same message; a record in
// which one bit was changed is always refused.
//
// Input: byte 0 even: the rest is a record's body, given a valid version and checksum so that it reaches the fields.
// Odd: the rest describes a message, which is encoded.
#include "storage/crc32c.hpp"
#include "storage/record.hpp"

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

namespace {

using namespace fulmar;

void require(bool holds)
{
    if (!holds)
        std::abort();
}

bool same(broker::message const& a, broker::message const& b)
{
    bool const properties = (a.properties == nullptr) == (b.properties == nullptr) &&
                            (a.properties == nullptr || *a.properties == *b.properties);
    return properties && a.topic() == b.topic() && a.payload() == b.payload() && a.event() == b.event() &&
           a.app == b.app && a.level == b.level && a.retain == b.retain && a.publisher == b.publisher &&
           a.published_at == b.published_at && a.expires_at == b.expires_at;
}

void round_trip(broker::message const& m, std::uint8_t where)
{
    std::string record;
    storage::encode_record(m, record);
    auto const again = storage::decode_record(record);
    require(again.has_value() && same(m, **again));
    auto const at = where % record.size();
    record[at] = static_cast<char>(record[at] ^ (1 << (where % 8)));
    require(!storage::decode_record(record).has_value());
    record.resize(at);
    require(!storage::decode_record(record).has_value());
}

void any_body(std::string_view body)
{
    std::string record{static_cast<char>(storage::record_version)};
    auto const crc = storage::crc32c(body, storage::crc32c(record));
    for (unsigned i = 0; i < 4; ++i)
        record.push_back(static_cast<char>(crc >> (8 * i) & 0xFFU));
    record.append(body);
    // Exactly as large as the record: the sanitizer sees every read behind it.
    auto const bytes = std::make_unique<char[]>(record.size());
    record.copy(bytes.get(), record.size());
    if (auto const m = storage::decode_record({bytes.get(), record.size()}); m.has_value())
        round_trip(**m, static_cast<std::uint8_t>(crc));
    (void)storage::decode_record({bytes.get() + 1, record.size() - 1});
}

// Takes pieces off the front of the input.
std::string_view piece(std::string_view& from)
{
    if (from.empty())
        return {};
    auto const size = static_cast<std::uint8_t>(from.front());
    auto const out = from.substr(1, size);
    from.remove_prefix(1 + out.size());
    return out;
}

void any_message(std::string_view input)
{
    auto const flags = piece(input);
    auto const flag = [&](std::size_t i) {
        return i < flags.size() ? static_cast<std::uint8_t>(flags[i]) : std::uint8_t{0};
    };
    broker::message_fields fields;
    fields.topic = piece(input);
    if (fields.topic.empty())
        return;
    fields.payload = piece(input);
    fields.event = piece(input);
    fields.level = static_cast<broker::qos>(flag(0) % 3);
    fields.retain = flag(1) % 2 == 1;
    fields.publisher = flag(2) * 0x0101010101010101ULL;
    fields.published_at = flag(3) * 0x0001000100010001ULL;
    fields.expires_at = flag(4) * 0x0100000001000001ULL;
    if (flag(5) % 2 == 1) {
        auto properties = std::make_unique<broker::message_properties>();
        if (flag(6) % 3 != 0)
            properties->payload_format = static_cast<std::uint8_t>(flag(6) % 3 - 1);
        properties->content_type = piece(input);
        properties->response_topic = piece(input);
        if (flag(7) % 2 == 1)
            properties->correlation_data = std::string{piece(input)};
        while (!input.empty()) {
            auto const name = piece(input);
            properties->user.push_back({std::string{name}, std::string{piece(input)}});
        }
        fields.properties = std::move(properties);
    }
    round_trip(*broker::message::make(std::move(fields)), flag(8));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* bytes, std::size_t size)
{
    if (size == 0)
        return 0;
    std::string_view const rest{reinterpret_cast<char const*>(bytes) + 1, size - 1};
    if (bytes[0] % 2 == 0)
        any_body(rest);
    else
        any_message(rest);
    return 0;
}
