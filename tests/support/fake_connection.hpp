// A connection without a socket: what the peer sends goes in by feed, what the broker sends piles up in `received`.
//
// Owner:    a test; registered with its mqtt_test_broker while it lives.
// Threads:  one.
#pragma once

#include "broker/shard.hpp"
#include "frontends/net/protocol.hpp"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace fulmar::test {

class mqtt_test_broker;

class fake_connection final : public net::wire, public broker::turn_end
{
public:
    explicit fake_connection(mqtt_test_broker& broker, std::size_t shard = 0);
    ~fake_connection();
    fake_connection(fake_connection const&) = delete;
    fake_connection& operator=(fake_connection const&) = delete;

    // --- the peer's side -------------------------------------------------------------------------
    void feed(std::string_view bytes);
    void lose();   // the peer disappears
    void block();  // the peer stops reading: everything sent counts as backlog
    void unblock();
    net::peer who{"192.0.2.1", 4711, false, "", broker::transport::tcp};
    std::string received;  // sent by the broker and not yet looked at

    [[nodiscard]] bool open() const noexcept { return protocol_ != nullptr; }
    [[nodiscard]] bool paused() const noexcept { return paused_ > 0; }
    [[nodiscard]] std::size_t kept_bytes() const noexcept { return tail_.size(); }
    [[nodiscard]] std::optional<broker::steady_time> deadline() const noexcept { return deadline_; }

    // --- the broker's clockwork ------------------------------------------------------------------
    // Offers what was not consumed while reading was paused; ends what was closed. True: something happened.
    bool work();
    void fire_deadline(broker::steady_time now);
    void kill();  // the process died: nobody is told
    void on_turn_end() override;

    // --- net::wire -------------------------------------------------------------------------------
    void send(std::string_view head, std::string_view tail, std::shared_ptr<void const> keep) override;
    void send_run(broker::frame_run const& run, std::uint32_t first_byte, std::uint32_t first_frame) override;
    [[nodiscard]] framing_kind framing() const noexcept override { return framing_kind::plain; }
    [[nodiscard]] std::size_t backlog_bytes() const noexcept override { return blocked_ ? backlog_ : 0; }
    void close(std::uint16_t code, std::string_view reason) override;
    void abort() override { closing_ = true; }
    void set_deadline(std::chrono::milliseconds after) override;
    void pause_reading() override { ++paused_; }
    void resume_reading() override
    {
        --paused_;
        offered_ = false;
    }
    void replace_protocol(std::unique_ptr<net::protocol>) override {}
    [[nodiscard]] net::peer const& remote() const noexcept override { return who; }
    [[nodiscard]] broker::shard& home() noexcept override;

private:
    struct piece
    {
        std::string bytes;
        broker::frame_run const* run = nullptr;
        std::uint32_t first_byte = 0;
    };

    void deliver_to_protocol();

    mqtt_test_broker& broker_;
    std::size_t shard_;
    std::unique_ptr<net::protocol> protocol_;
    std::string tail_;
    std::vector<piece> pieces_;
    std::optional<broker::steady_time> deadline_;
    std::size_t backlog_ = 0;
    int paused_ = 0;
    bool offered_ = true;  // the protocol has seen all of the tail
    bool blocked_ = false;
    bool closing_ = false;
};

}  // namespace fulmar::test
