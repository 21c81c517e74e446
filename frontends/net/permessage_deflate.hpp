// Compression of whole WebSocket messages, without memory between them.
//
// Both sides always agree on no context takeover: a compressed frame then depends on nothing before it, so one frame
// serves every receiver, and one pair of zlib streams serves every connection of a shard.
//
// Spec:     RFC 7692; §7.1 (parameters), §7.2.1 and §7.2.2 (the four bytes that are cut off and put back).
// Threads:  the negotiation is pure; shard_inflater and shard_deflater give each thread its own.
// Limits:   output is handed on in pieces of inflate_piece_bytes and ends at the caller's limit.
// Cost:     about 45 KiB per shard for inflating and 270 KiB per used window size for deflating, made at first use.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fulmar::net {

struct deflate_parameters
{
    std::uint8_t server_window_bits = 15;  // what we may use for compressing
    bool window_bits_asked = false;        // so the answer must repeat it
};

// Picks the first acceptable permessage-deflate offer of a Sec-WebSocket-Extensions value (several lines are joined
// with commas first). Offers with unknown, repeated or invalid parameters are passed over; nullopt: do not compress.
[[nodiscard]] std::optional<deflate_parameters> negotiate_deflate(std::string_view offers);

// The value of Sec-WebSocket-Extensions in the answer.
[[nodiscard]] std::string deflate_answer(deflate_parameters const& agreed);

inline constexpr std::size_t inflate_piece_bytes = 64 * 1024;

class message_inflater
{
public:
    message_inflater();
    ~message_inflater();
    message_inflater(message_inflater const&) = delete;
    message_inflater& operator=(message_inflater const&) = delete;

    enum class outcome : std::uint8_t { complete, stopped, too_big, corrupt };

    // Gives the content of one message to `out` piece by piece; `out` may return false to stop. Not to be called again
    // from inside `out`.
    [[nodiscard]] outcome inflate(std::string_view compressed, std::size_t bytes_max,
                                  std::function<bool(std::string_view)> const& out);

private:
    struct stream;
    std::unique_ptr<stream> stream_;
};

class message_deflater
{
public:
    explicit message_deflater(std::uint8_t window_bits);
    ~message_deflater();
    message_deflater(message_deflater const&) = delete;
    message_deflater& operator=(message_deflater const&) = delete;

    // Appends the compressed form of `head` followed by `tail` to `out`. False: it did not get smaller; `out` is as before.
    [[nodiscard]] bool deflate(std::string_view head, std::string_view tail, std::vector<char>& out);

private:
    struct stream;
    std::unique_ptr<stream> stream_;
};

// Those of the calling thread.
[[nodiscard]] message_inflater& shard_inflater();
[[nodiscard]] message_deflater& shard_deflater(std::uint8_t window_bits);

}  // namespace fulmar::net
