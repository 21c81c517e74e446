#include "frontends/net/permessage_deflate.hpp"

#include "broker/errors.hpp"

#include <strings.h>
#include <zlib.h>
#include <algorithm>
#include <array>
#include <utility>

namespace fulmar::net {

namespace {

constexpr int deflate_level = 1;  // a broker's messages are short-lived: speed before size
constexpr int deflate_memory_level = 8;
constexpr std::string_view flush_marker{"\x00\x00\xff\xff", 4};

[[nodiscard]] std::string_view trimmed(std::string_view text) noexcept
{
    auto const first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos)
        return {};
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// Cuts the front of `text` up to `separator`, which does not count inside quotes.
[[nodiscard]] std::string_view cut(std::string_view& text, char separator) noexcept
{
    bool quoted = false;
    std::size_t i = 0;
    for (; i < text.size(); ++i) {
        if (text[i] == '"')
            quoted = !quoted;
        else if (quoted && text[i] == '\\')
            ++i;
        else if (!quoted && text[i] == separator)
            break;
    }
    auto const end = std::min(i, text.size());
    auto const front = text.substr(0, end);
    text.remove_prefix(end < text.size() ? end + 1 : end);
    return trimmed(front);
}

[[nodiscard]] bool same_word(std::string_view a, std::string_view b) noexcept
{
    return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0;
}

// "8".."15" without leading zeros, maybe quoted; 0: anything else.
[[nodiscard]] std::uint8_t window_bits(std::string_view value) noexcept
{
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"')
        value = value.substr(1, value.size() - 2);
    if (value.size() == 1 && (value[0] == '8' || value[0] == '9'))
        return static_cast<std::uint8_t>(value[0] - '0');
    if (value.size() == 2 && value[0] == '1' && value[1] >= '0' && value[1] <= '5')
        return static_cast<std::uint8_t>(10 + value[1] - '0');
    return 0;
}

// The parameters of one offer, each of which may be given once.
struct offer
{
    bool server_no_takeover = false;
    bool client_no_takeover = false;
    bool client_bits = false;
    deflate_parameters agreed;

    [[nodiscard]] bool take(std::string_view name, std::optional<std::string_view> value) noexcept
    {
        auto const once = [](bool& seen) { return !std::exchange(seen, true); };
        if (same_word(name, "server_no_context_takeover"))
            return !value && once(server_no_takeover);
        if (same_word(name, "client_no_context_takeover"))
            return !value && once(client_no_takeover);
        if (same_word(name, "client_max_window_bits"))
            return (!value || window_bits(*value) != 0) && once(client_bits);
        if (!same_word(name, "server_max_window_bits") || !value || !once(agreed.window_bits_asked))
            return false;
        agreed.server_window_bits = window_bits(*value);
        return agreed.server_window_bits >= 9;  // zlib has no raw deflate with a window of 8 bits
    }
};

[[nodiscard]] std::optional<deflate_parameters> read_offer(std::string_view text)
{
    if (!same_word(cut(text, ';'), "permessage-deflate"))
        return std::nullopt;
    offer wanted;
    while (!text.empty()) {
        auto parameter = cut(text, ';');
        auto const equals = parameter.find('=');
        std::optional<std::string_view> value;
        if (equals != std::string_view::npos)
            value = trimmed(parameter.substr(equals + 1));
        if (!wanted.take(trimmed(parameter.substr(0, equals)), value))
            return std::nullopt;
    }
    return wanted.agreed;
}

}  // namespace

std::optional<deflate_parameters> negotiate_deflate(std::string_view offers)
{
    while (!offers.empty()) {
        if (auto const agreed = read_offer(cut(offers, ',')))
            return agreed;
    }
    return std::nullopt;
}

std::string deflate_answer(deflate_parameters const& agreed)
{
    std::string answer = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    if (agreed.window_bits_asked)
        answer += "; server_max_window_bits=" + std::to_string(agreed.server_window_bits);
    return answer;
}

struct message_inflater::stream
{
    z_stream z{};
    std::array<char, inflate_piece_bytes> piece;
};

message_inflater::message_inflater() : stream_(std::make_unique<stream>())
{
    FULMAR_ASSERT(::inflateInit2(&stream_->z, -15) == Z_OK);
}

message_inflater::~message_inflater() { ::inflateEnd(&stream_->z); }

message_inflater::outcome message_inflater::inflate(std::string_view compressed, std::size_t bytes_max,
                                                    std::function<bool(std::string_view)> const& out)
{
    auto& z = stream_->z;
    ::inflateReset(&z);
    std::size_t total = 0;
    for (auto input : {compressed, flush_marker}) {
        z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(input.data()));
        z.avail_in = static_cast<uInt>(input.size());
        for (;;) {
            z.next_out = reinterpret_cast<Bytef*>(stream_->piece.data());
            z.avail_out = static_cast<uInt>(stream_->piece.size());
            auto const code = ::inflate(&z, Z_SYNC_FLUSH);
            if (code != Z_OK && code != Z_BUF_ERROR && code != Z_STREAM_END)
                return outcome::corrupt;
            auto const produced = stream_->piece.size() - z.avail_out;
            total += produced;
            if (total > bytes_max)
                return outcome::too_big;
            if (produced > 0 && !out({stream_->piece.data(), produced}))
                return outcome::stopped;
            // A final block may be followed by others (RFC 7692 §7.2.3.4).
            if (code == Z_STREAM_END)
                ::inflateReset(&z);
            if (z.avail_in == 0 && z.avail_out != 0)
                break;
            if (code == Z_BUF_ERROR)
                return outcome::corrupt;
        }
    }
    return outcome::complete;
}

struct message_deflater::stream
{
    z_stream z{};
};

message_deflater::message_deflater(std::uint8_t window_bits) : stream_(std::make_unique<stream>())
{
    FULMAR_ASSERT(::deflateInit2(&stream_->z, deflate_level, Z_DEFLATED, -static_cast<int>(window_bits),
                                 deflate_memory_level, Z_DEFAULT_STRATEGY) == Z_OK);
}

message_deflater::~message_deflater() { ::deflateEnd(&stream_->z); }

bool message_deflater::deflate(std::string_view head, std::string_view tail, std::vector<char>& out)
{
    auto& z = stream_->z;
    ::deflateReset(&z);
    auto const before = out.size();
    auto const plain = head.size() + tail.size();
    // Room for the plain size and the marker: whoever needs more did not get smaller.
    out.resize(before + plain + flush_marker.size());
    z.next_out = reinterpret_cast<Bytef*>(out.data() + before);
    z.avail_out = static_cast<uInt>(plain + flush_marker.size());
    auto const run = [&z](std::string_view input, int flush) {
        z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(input.data()));
        z.avail_in = static_cast<uInt>(input.size());
        auto const code = ::deflate(&z, flush);
        return (code == Z_OK || code == Z_BUF_ERROR) && z.avail_in == 0 && z.avail_out > 0;
    };
    auto const fits = run(head, Z_NO_FLUSH) && run(tail, Z_SYNC_FLUSH);
    auto const size = plain + flush_marker.size() - z.avail_out;
    if (!fits || size < flush_marker.size() || size - flush_marker.size() >= plain) {
        out.resize(before);
        return false;
    }
    out.resize(before + size - flush_marker.size());
    return true;
}

message_inflater& shard_inflater()
{
    thread_local message_inflater mine;
    return mine;
}

message_deflater& shard_deflater(std::uint8_t window_bits)
{
    FULMAR_ASSERT(window_bits >= 9 && window_bits <= 15);
    thread_local std::array<std::unique_ptr<message_deflater>, 7> mine;
    auto& chosen = mine[window_bits - 9U];
    if (!chosen)
        chosen = std::make_unique<message_deflater>(window_bits);
    return *chosen;
}

}  // namespace fulmar::net
