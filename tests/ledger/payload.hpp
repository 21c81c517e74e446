// What every ledger message carries: who sent it, where, which one it is, and a checksum over all of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace fulmar::ledger {

// One ordered sequence of messages: a publisher's messages to one of its topics.
struct stream_id
{
    std::uint32_t publisher = 0;
    std::uint32_t topic = 0;
    friend auto operator<=>(stream_id const&, stream_id const&) = default;
};

struct message_id
{
    std::uint32_t run = 0;
    stream_id stream;
    std::uint64_t sequence = 0;  // from 1
    friend bool operator==(message_id const&, message_id const&) = default;
};

[[nodiscard]] std::uint32_t crc32(std::string_view bytes) noexcept;

// Text of at least `size_min` bytes.
[[nodiscard]] std::string make_payload(message_id const& id, std::size_t size_min);

// nullopt: not a ledger payload, or one that was changed on its way.
[[nodiscard]] std::optional<message_id> read_payload(std::string_view payload);

[[nodiscard]] std::string topic_name(std::uint32_t run, stream_id stream);

}  // namespace fulmar::ledger
