// Pusher connections without sockets, over the real core: what clients send goes in, what they are told piles up.
#pragma once

#include "broker/router.hpp"
#include "frontends/pusher/channel_auth.hpp"
#include "frontends/pusher/channel_shard.hpp"
#include "frontends/pusher/event.hpp"
#include "frontends/pusher/frontend.hpp"
#include "frontends/pusher/home_channels.hpp"
#include "frontends/pusher/home_users.hpp"
#include "frontends/pusher/protocol.hpp"
#include "tests/unit/frontends/pusher/pusher_broker.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace fulmar::pusher::test {

class pusher_client final : public net::message_wire, private broker::turn_end
{
public:
    struct how
    {
        std::size_t shard = 0;
        std::string key = "key0";
        std::string query = "protocol=7&client=js&version=8.6.0&flash=false";
        std::string origin;
        std::string rest;
        std::string session;
        std::string cookie;
    };
    explicit pusher_client(pusher_broker& broker) : pusher_client(broker, how{}) {}
    pusher_client(pusher_broker& broker, how const& as) : broker_{broker}, shard_{as.shard}
    {
        net::http_request request;
        request.query = as.query;
        request.captures = {{"key", as.key}};
        if (!as.rest.empty())
            request.captures.push_back({"rest", as.rest});
        if (!as.session.empty())
            request.captures.push_back({"session", as.session});
        if (!as.origin.empty())
            request.headers.push_back({"Origin", as.origin});
        if (!as.cookie.empty())
            request.headers.push_back({"Cookie", as.cookie});
        broker_.clients.push_back(this);
        protocol_ = make_protocol(*broker_.front, *this, request);
        broker_.settle();
        if (auto const at = received.empty() ? std::string::npos : received[0].find(R"(socket_id\":\")");
            at != std::string::npos)
            socket_id = received[0].substr(at + 14, received[0].find('\\', at + 14) - at - 14);
    }
    pusher_client(pusher_broker& broker, std::size_t on_shard) : pusher_client(broker, how{.shard = on_shard}) {}
    ~pusher_client()
    {
        lose();
        std::erase(broker_.clients, this);
    }

    // --- the peer's side
    void says(std::string_view text)
    {
        if (protocol_ && !closed)
            protocol_->on_message(net::websocket_opcode::text, text);
        broker_.settle();
    }
    // Its WebSocket library answers pings by itself.
    void answers_websocket_pings()
    {
        for (auto const& payload : std::exchange(websocket_pings, {}))
            protocol_->on_websocket_pong(payload);
        broker_.settle();
    }
    void says_binary()
    {
        protocol_->on_message(net::websocket_opcode::binary, "x");
        broker_.settle();
    }
    void subscribes(std::string const& channel, std::optional<std::string> const& channel_data = {},
                    bool with_auth = true)
    {
        auto const text = subscription_text(
            socket_id, channel, channel_data ? std::optional<std::string_view>{*channel_data} : std::nullopt);
        std::string out{R"({"event":"pusher:subscribe","data":{"auth":)"};
        append_json_string(out, with_auth ? "key0:" + sign("secret0", text) : "");
        if (channel_data) {
            out += R"(,"channel_data":)";
            append_json_string(out, *channel_data);
        }
        out += R"(,"channel":)";
        append_json_string(out, channel);
        says(out + "}}");
    }
    void unsubscribes(std::string const& channel)
    {
        says(R"({"event":"pusher:unsubscribe","data":{"channel":")" + channel + "\"}}");
    }
    void signs_in(std::string const& user_data)
    {
        std::string out{R"({"event":"pusher:signin","data":{"auth":)"};
        append_json_string(out, "key0:" + sign("secret0", signin_text(socket_id, user_data)));
        out += R"(,"user_data":)";
        append_json_string(out, user_data);
        says(out + "}}");
    }
    void lose()
    {
        if (protocol_)
            protocol_->on_closed(false);
        home().withdraw(*this);
        protocol_.reset();
        broker_.settle();
    }
    // What came since the last look.
    [[nodiscard]] std::vector<std::string> takes() { return std::exchange(received, {}); }

    std::vector<std::string> received;
    std::vector<std::shared_ptr<void const>> shared;  // with others
    std::vector<std::string> websocket_pings;
    std::string socket_id;
    std::optional<std::uint16_t> closed;
    std::size_t backlog = 0;
    std::size_t shared_backlog = 0;

    // --- the broker's clockwork
    void fire(broker::steady_time now)
    {
        if (protocol_ && !closed && deadline_ && *deadline_ <= now) {
            deadline_.reset();
            protocol_->on_deadline();
        }
    }
    void drained()
    {
        backlog = 0;
        protocol_->on_drained();
        broker_.settle();
    }

    // --- net::message_wire
    void send(std::string_view, std::string_view, std::shared_ptr<void const>) override { FAIL() << "a binary frame"; }
    void send_message(net::websocket_opcode, std::string_view text) override
    {
        pieces_.push_back({std::string{text}, nullptr, 0});
        home().at_turn_end(*this);
    }
    void send_ping(std::string_view payload) override { websocket_pings.emplace_back(payload); }
    void send_shared(std::string_view head, std::string_view tail, std::shared_ptr<void const> keep) override
    {
        shared.push_back(std::move(keep));
        send_message(net::websocket_opcode::text, std::string{head}.append(tail));
    }
    void send_run(broker::frame_run const& run, std::uint32_t first_byte, std::uint32_t) override
    {
        pieces_.push_back({{}, &run, first_byte});
        home().at_turn_end(*this);
    }
    [[nodiscard]] framing_kind framing() const noexcept override { return framing_kind::websocket_text; }
    [[nodiscard]] std::size_t backlog_bytes() const noexcept override { return backlog; }
    [[nodiscard]] std::size_t shared_backlog_bytes() const noexcept override { return shared_backlog; }
    void close(std::uint16_t code, std::string_view) override { closed = closed.value_or(code); }
    void abort() override { closed = closed.value_or(1006); }
    void set_deadline(std::chrono::milliseconds after) override { deadline_ = broker_.core.clock.now() + after; }
    void pause_reading() override {}
    void resume_reading() override {}
    void replace_protocol(std::unique_ptr<net::protocol>) override {}
    [[nodiscard]] net::peer const& remote() const noexcept override { return peer_; }
    [[nodiscard]] broker::shard& home() noexcept override { return broker_.core.shard(shard_); }

private:
    struct piece
    {
        std::string text;
        broker::frame_run const* run;
        std::uint32_t first_byte;
    };
    void on_turn_end() override
    {
        for (auto const& one : std::exchange(pieces_, {})) {
            if (one.run == nullptr)
                received.push_back(one.text);
            else
                read_frames({one.run->bytes.data() + one.first_byte, one.run->bytes.size() - one.first_byte});
        }
    }
    void read_frames(std::span<char const> in)
    {
        while (!in.empty()) {  // the decoder of a server wants masked frames: these are read by hand
            ASSERT_EQ(static_cast<unsigned char>(in[0]), 0x81U);
            std::size_t size = static_cast<unsigned char>(in[1]);
            std::size_t head = 2;
            if (size == 126) {
                size = static_cast<std::size_t>(static_cast<unsigned char>(in[2])) * 256 +
                       static_cast<unsigned char>(in[3]);
                head = 4;
            }
            received.emplace_back(in.data() + head, size);
            in = in.subspan(head + size);
        }
    }

    pusher_broker& broker_;
    std::size_t shard_;
    std::unique_ptr<net::message_protocol> protocol_;
    std::vector<piece> pieces_;
    std::optional<broker::steady_time> deadline_;
    net::peer peer_;
};

inline void pusher_broker::settle()
{
    if (!one_turn)
        core.settle();
}

inline void pusher_broker::advance(std::chrono::milliseconds by)
{
    core.advance(by);
    for (auto* const client : clients)
        client->fire(core.clock.now());
    for (std::size_t i = 0; i < front->channels().shard_count(); ++i)
        front->channels().at(core.shard(i)).tick();
    settle();
}

}  // namespace fulmar::pusher::test
