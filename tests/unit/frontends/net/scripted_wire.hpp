// A connection without a socket: remembers what the protocol asked for.
#pragma once

#include "broker/retained_index.hpp"
#include "broker/router.hpp"
#include "broker/session_table.hpp"
#include "broker/shard.hpp"
#include "frontends/net/protocol.hpp"
#include "frontends/net/websocket_codec.hpp"
#include "tests/support/memory_store.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fulmar::net::test {

// A shard that does not run: something to count in.
struct still_shard
{
    fulmar::test::memory_store store;
    broker::system_clock clock;
    broker::retained_index retained;
    broker::node_context node{{}, clock, store, retained};
    broker::shard shard{0, node};
};

class scripted_wire final : public wire
{
public:
    scripted_wire() : own_(std::make_unique<still_shard>()), place(*own_) {}
    explicit scripted_wire(still_shard& at) : place(at) {}

    void send(std::string_view head, std::string_view tail, std::shared_ptr<void const>) override
    {
        sent.append(head).append(tail);
    }
    void send_run(broker::frame_run const& run, std::uint32_t first_byte, std::uint32_t) override
    {
        sent.append(run.bytes.begin() + first_byte, run.bytes.end());
    }
    [[nodiscard]] framing_kind framing() const noexcept override { return framing_kind::plain; }
    [[nodiscard]] std::size_t backlog_bytes() const noexcept override { return backlog; }
    void close(std::uint16_t, std::string_view) override { closed = true; }
    void abort() override { aborted = true; }
    void set_deadline(std::chrono::milliseconds after) override { deadline = after; }
    void pause_reading() override { ++pauses; }
    void resume_reading() override { --pauses; }
    void replace_protocol(std::unique_ptr<protocol> next) override { replaced = std::move(next); }
    [[nodiscard]] peer const& remote() const noexcept override { return from; }
    [[nodiscard]] broker::shard& home() noexcept override { return place.shard; }

    [[nodiscard]] std::string take() { return std::exchange(sent, {}); }

private:
    std::unique_ptr<still_shard> own_;

public:
    still_shard& place;
    std::string sent;
    std::size_t backlog = 0;
    std::chrono::milliseconds deadline{-1};
    int pauses = 0;
    bool closed = false;
    bool aborted = false;
    std::unique_ptr<protocol> replaced;
    peer from{"192.0.2.7", 4711, false, {}, broker::transport::websocket};
};

// Feeds bytes as a connection does: what is not consumed is offered again with what follows.
class feeder
{
public:
    feeder() = default;
    explicit feeder(protocol& to) : to_(&to) {}
    void operator()(std::string_view bytes)
    {
        kept_.append(bytes);
        auto const used = to_->on_bytes({kept_.data(), kept_.size()});
        kept_.erase(0, used);
    }
    void one_by_one(std::string_view bytes)
    {
        for (auto const& byte : bytes)
            (*this)({&byte, 1});
    }
    [[nodiscard]] std::size_t kept() const noexcept { return kept_.size(); }
    void goes_on_with(protocol& to) { to_ = &to; }

private:
    protocol* to_ = nullptr;
    std::string kept_;
};

struct frame_options
{
    bool final = true;
    unsigned reserved = 0;  // RSV1 is 4, RSV2 is 2, RSV3 is 1
    bool masked = true;
};

// A frame as a client sends it.
[[nodiscard]] inline std::string client_frame(websocket_opcode opcode, std::string_view payload,
                                              frame_options options = {})
{
    std::string frame;
    frame.push_back(
        static_cast<char>((options.final ? 0x80U : 0U) | (options.reserved << 4U) | static_cast<unsigned>(opcode)));
    auto const mask_bit = options.masked ? 0x80U : 0U;
    auto const put = [&frame](std::uint64_t value, int bytes) {
        for (int i = bytes - 1; i >= 0; --i)
            frame.push_back(static_cast<char>(value >> (8 * i)));
    };
    if (payload.size() <= 125) {
        put(mask_bit | payload.size(), 1);
    } else if (payload.size() <= 0xFFFF) {
        put(mask_bit | 126U, 1);
        put(payload.size(), 2);
    } else {
        put(mask_bit | 127U, 1);
        put(payload.size(), 8);
    }
    if (!options.masked)
        return frame.append(payload);
    std::array<char, 4> const mask{'\x37', '\xfa', '\x21', '\x3d'};
    frame.append(mask.data(), mask.size());
    for (std::size_t i = 0; i < payload.size(); ++i)
        frame.push_back(static_cast<char>(payload[i] ^ mask[i & 3]));
    return frame;
}

[[nodiscard]] inline std::string close_payload(unsigned code, std::string_view reason = {})
{
    std::string payload{static_cast<char>(code >> 8U), static_cast<char>(code)};
    return payload.append(reason);
}

[[nodiscard]] inline std::string server_frame(websocket_opcode opcode, std::string_view payload,
                                              bool compressed = false)
{
    std::vector<char> frame;
    append_frame(frame, opcode, payload, compressed);
    return {frame.begin(), frame.end()};
}

[[nodiscard]] inline std::string server_close(std::uint16_t code)
{
    return server_frame(websocket_opcode::close, close_payload(code));
}

}  // namespace fulmar::net::test
