// A WebSocket session over a scripted connection, with inner protocols that remember what they were given.
#pragma once

#include "frontends/net/websocket_session.hpp"
#include "tests/unit/frontends/net/scripted_wire.hpp"

#include <gtest/gtest.h>

namespace fulmar::net::test {

using op = websocket_opcode;

// What happened to the inner protocol, readable after the session has gone.
struct record
{
    std::vector<std::string> pongs;
    std::string bytes;  // consumed
    std::vector<std::pair<op, std::string>> messages;
    int calls = 0;
    int deadlines = 0;
    int drains = 0;
    std::vector<bool> ends;
};

// Consumes records of `unit` bytes each, as a protocol with packets does.
class stream_end final : public protocol
{
public:
    stream_end(wire& connection, record& seen) : wire_(connection), seen_(seen) {}
    std::size_t on_bytes(std::span<char const> in) override
    {
        ++seen_.calls;
        std::size_t used = 0;
        while (in.size() - used >= unit) {
            seen_.bytes.append(in.data() + used, unit);
            used += unit;
            if (pause_after != 0 && --pause_after == 0) {
                wire_.pause_reading();
                break;
            }
            if (close_after != 0 && --close_after == 0) {
                wire_.close(1000);
                break;
            }
        }
        return used;
    }
    void on_deadline() override { ++seen_.deadlines; }
    void on_drained() override { ++seen_.drains; }
    void on_closed(bool clean) override { seen_.ends.push_back(clean); }

    wire& wire_;
    record& seen_;
    std::size_t unit = 1;
    int pause_after = 0;
    int close_after = 0;
};

class message_end final : public message_protocol
{
public:
    message_end(message_wire& connection, record& seen) : wire_(connection), seen_(seen) {}
    void on_message(op kind, std::string_view payload) override
    {
        seen_.messages.emplace_back(kind, payload);
        wire_.send_message(kind, payload);
    }
    void on_websocket_pong(std::string_view payload) override
    {
        seen_.pongs.emplace_back(payload);
        wire_.send_ping("again");
    }
    void on_deadline() override {}
    void on_closed(bool clean) override { seen_.ends.push_back(clean); }

    message_wire& wire_;
    record& seen_;
};

class websocket_session_fixture : public testing::Test
{
protected:
    websocket_session_fixture()
    {
        settings.later = [this](wire&, std::function<void()> task) { tasks.push_back(std::move(task)); };
        settings.on_failure = [this](wire&, std::uint16_t code) { failure = code; };
    }
    void open_stream(std::optional<deflate_parameters> deflate = {})
    {
        session = std::make_unique<websocket_session>(outer, settings, deflate,
                                                      websocket_session::stream_factory{[this](wire& w) {
                                                          auto made = std::make_unique<stream_end>(w, seen);
                                                          inner = made.get();
                                                          inner_wire = &w;
                                                          return made;
                                                      }});
        feed.goes_on_with(*session);
    }
    void open_messages(std::optional<deflate_parameters> deflate = {})
    {
        session = std::make_unique<websocket_session>(outer, settings, deflate,
                                                      websocket_session::message_factory{[this](message_wire& w) {
                                                          inner_wire = &w;
                                                          return std::make_unique<message_end>(w, seen);
                                                      }});
        feed.goes_on_with(*session);
    }
    void run_tasks()
    {
        auto due = std::exchange(tasks, {});
        for (auto& task : due)
            task();
    }
    [[nodiscard]] static std::string squeezed(std::string_view text)
    {
        std::vector<char> out;
        EXPECT_TRUE(shard_deflater(15).deflate(text, {}, out));
        return {out.begin(), out.end()};
    }

    scripted_wire outer;
    websocket_settings settings;
    record seen;
    std::vector<std::function<void()>> tasks;
    std::uint16_t failure = 0;
    std::unique_ptr<websocket_session> session;
    stream_end* inner = nullptr;
    wire* inner_wire = nullptr;
    feeder feed;
};

}  // namespace fulmar::net::test
