// WebSocket frames with permessage-deflate, whole and in pieces: both ways must come to the same end, within limits.
//
// Input: one byte of options, one that seeds the splits, then either raw bytes of a client or a list of frames to build
// (opcode and flags, length, payload), so that the interesting states are not hidden behind masks and lengths.

#include "frontends/net/websocket_session.hpp"
#include "tests/unit/frontends/net/scripted_wire.hpp"

#include <algorithm>
#include <cstdint>

namespace {

using namespace fulmar::net;
using op = websocket_opcode;

constexpr std::size_t message_bytes_max = 64 * 1024;

struct seen
{
    std::string bytes;  // by a stream protocol, or all messages one after the other with their kinds
    std::string sent;
    bool closed = false;
    friend bool operator==(seen const&, seen const&) = default;
};

// Consumes packets of four bytes; sends some back.
class packets final : public protocol
{
public:
    packets(wire& connection, seen& to) : wire_(connection), seen_(to) {}
    std::size_t on_bytes(std::span<char const> in) override
    {
        std::size_t used = 0;
        for (; used + 4 <= in.size() && !closed_; used += 4) {
            seen_.bytes.append(in.data() + used, 4);
            closed_ = in[used] == 'C';
            if (closed_)
                wire_.close(1000);
            else if (in[used] == 'S')
                wire_.send("head", {in.data() + used, 4});
        }
        return used;
    }
    void on_deadline() override {}
    void on_closed(bool) override {}

private:
    wire& wire_;
    seen& seen_;
    bool closed_ = false;
};

class whole final : public message_protocol
{
public:
    whole(message_wire& connection, seen& to) : wire_(connection), seen_(to) {}
    void on_message(op kind, std::string_view payload) override
    {
        utf8_validator text;
        if (payload.size() > message_bytes_max || (kind == op::text && !(text.feed(payload) && text.complete())))
            __builtin_trap();
        seen_.bytes += static_cast<char>(kind);
        seen_.bytes += payload;
        wire_.send_message(kind, payload);
    }
    void on_deadline() override {}
    void on_closed(bool) override {}

private:
    message_wire& wire_;
    seen& seen_;
};

seen run(std::string_view input, unsigned options, std::uint32_t seed)
{
    static test::still_shard place;
    test::scripted_wire outer{place};
    websocket_settings settings;
    settings.message_bytes_max = message_bytes_max;
    settings.compress_above = 16;
    seen result;
    std::optional<deflate_parameters> deflate;
    if ((options & 1U) != 0)
        deflate = deflate_parameters{static_cast<std::uint8_t>(9 + (options >> 4U & 15U) % 7), false};
    std::unique_ptr<websocket_session> session;
    if ((options & 2U) != 0)
        session = std::make_unique<websocket_session>(
            outer, settings, deflate,
            websocket_session::message_factory{[&](message_wire& w) { return std::make_unique<whole>(w, result); }});
    else
        session = std::make_unique<websocket_session>(
            outer, settings, deflate,
            websocket_session::stream_factory{[&](wire& w) { return std::make_unique<packets>(w, result); }});
    test::feeder feed{*session};
    while (!input.empty()) {
        seed = seed * 1664525U + 1013904223U;
        auto const size =
            seed == 0 || options >= 256 ? input.size() : std::min<std::size_t>(1 + (seed >> 24U), input.size());
        feed(input.substr(0, size));
        input.remove_prefix(size);
        if (feed.kept() > 256 && !outer.closed)
            __builtin_trap();  // only a header or a control frame may wait outside
    }
    result.sent = outer.take();
    result.closed = outer.closed;
    session->on_closed(true);
    return result;
}

std::string built(std::string_view recipe)
{
    std::string wire;
    while (recipe.size() >= 2) {
        auto const first = static_cast<std::uint8_t>(recipe[0]);
        auto const size = std::min<std::size_t>(static_cast<std::uint8_t>(recipe[1]), recipe.size() - 2);
        auto payload = std::string{recipe.substr(2, size)};
        recipe.remove_prefix(2 + size);
        if ((first & 0x30U) == 0x10U) {  // stretched and really compressed
            std::string long_one;
            for (int i = 0; i < 200; ++i)
                long_one += payload;
            std::vector<char> packed;
            if (shard_deflater(15).deflate(long_one, {}, packed))
                payload.assign(packed.begin(), packed.end());
        }
        wire += test::client_frame(static_cast<op>(first & 0x0FU), payload,
                                   {.final = (first & 0x80U) == 0, .reserved = (first & 0x40U) != 0 ? 4U : 0U});
    }
    return wire;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* bytes, std::size_t size)
{
    if (size < 2)
        return 0;
    unsigned const options = bytes[0];
    std::string_view const rest{reinterpret_cast<char const*>(bytes) + 2, size - 2};
    auto const input = (options & 4U) != 0 ? built(rest) : std::string{rest};
    auto const at_once = run(input, options | 256U, 0);
    auto const in_pieces = run(input, options, bytes[1]);
    if (!(at_once == in_pieces) && (options & 2U) != 0)
        __builtin_trap();
    // Of a stream, pongs and answers may change places with the split; what arrived may not.
    if (at_once.bytes != in_pieces.bytes || at_once.closed != in_pieces.closed)
        __builtin_trap();
    return 0;
}
