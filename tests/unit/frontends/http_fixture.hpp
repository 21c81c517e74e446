// SSE and REST over the real core without sockets: requests are bytes that go in, answers are bytes that come out.
#pragma once

#include "broker/app_registry.hpp"
#include "broker/granted_permissions.hpp"
#include "broker/history_rules.hpp"
#include "frontends/net/http_access.hpp"
#include "frontends/net/http_exchange.hpp"
#include "frontends/net/http_router.hpp"
#include "frontends/net/http_server.hpp"
#include "tests/support/core_broker.hpp"

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace fulmar::test {

// One connection; what was sent is in `received`.
class http_peer final : public net::wire, public broker::turn_end
{
public:
    http_peer(core_broker& broker, net::http_router const& routes, net::http_settings const& settings,
              std::size_t shard = 0)
        : broker_{broker}, shard_{shard}, protocol_{net::make_http_protocol(*this, routes, settings)}
    {
    }
    ~http_peer() override
    {
        lose();
        home().withdraw(*this);
    }
    http_peer(http_peer const&) = delete;
    http_peer& operator=(http_peer const&) = delete;

    // Sends bytes and lets everything happen that follows.
    http_peer& operator<<(std::string_view bytes)
    {
        in_.append(bytes);
        offer();
        for (int rounds = 0; rounds < 8; ++rounds) {
            broker_.settle();
            offer();
        }
        return *this;
    }
    [[nodiscard]] std::string take() { return std::exchange(received, {}); }
    void lose()
    {
        if (auto const ended = std::move(protocol_); ended != nullptr)
            ended->on_closed(false);
        replaced_.clear();
    }
    void fire_deadline()
    {
        protocol_->on_deadline();
        broker_.settle();
    }
    // The client begins to read again.
    void drain()
    {
        backlog = 0;
        protocol_->on_drained();
        broker_.settle();
    }
    void drop_frames() { protocol_->on_frames_dropped(); }

    std::string received;
    std::size_t backlog = 0;
    bool closed = false;
    bool acknowledges = true;  // its machine has what was sent so far
    std::chrono::milliseconds deadline{0};
    net::peer who{"127.0.0.1", 4711, true, "", broker::transport::tcp};

    // --- net::wire -------------------------------------------------------------------------------
    void send(std::string_view head, std::string_view tail, std::shared_ptr<void const>) override
    {
        if (closed)
            return;
        sent_ += head.size() + tail.size();
        pieces_.push_back({std::string{head}.append(tail), nullptr, 0});
        home().at_turn_end(*this);
    }
    void send_run(broker::frame_run const& run, std::uint32_t first_byte, std::uint32_t) override
    {
        ++runs;
        pieces_.push_back({{}, &run, first_byte});
        home().at_turn_end(*this);
    }
    void on_turn_end() override
    {
        for (auto const& piece : std::exchange(pieces_, {})) {
            received += piece.bytes;
            if (piece.run != nullptr)
                received.append(piece.run->bytes.begin() + piece.first_byte, piece.run->bytes.end());
        }
    }
    [[nodiscard]] framing_kind framing() const noexcept override { return framing_kind::plain; }
    [[nodiscard]] std::size_t backlog_bytes() const noexcept override { return backlog; }
    [[nodiscard]] net::delivery_receipt receipt() const noexcept override
    {
        if (closed)
            return {};
        if (acknowledges)
            acknowledged_ = sent_;
        return {backlog == 0 && pieces_.empty() ? std::optional{sent_} : std::nullopt, acknowledged_};
    }
    void close(std::uint16_t, std::string_view) override { closed = true; }
    void abort() override { closed = true; }
    void set_deadline(std::chrono::milliseconds after) override { deadline = after; }
    void pause_reading() override { ++paused_; }
    void resume_reading() override { --paused_; }
    void replace_protocol(std::unique_ptr<net::protocol> next) override
    {
        replaced_.push_back(std::exchange(protocol_, std::move(next)));
    }
    [[nodiscard]] net::peer const& remote() const noexcept override { return who; }
    [[nodiscard]] broker::shard& home() noexcept override { return broker_.shard(shard_); }

    std::size_t runs = 0;  // shared ones that were handed over

private:
    struct piece
    {
        std::string bytes;
        broker::frame_run const* run = nullptr;
        std::uint32_t first_byte = 0;
    };

    void offer()
    {
        while (!in_.empty() && !closed && paused_ == 0) {
            auto const used = protocol_->on_bytes({in_.data(), in_.size()});
            in_.erase(0, used);
            if (used == 0)
                return;
        }
    }

    core_broker& broker_;
    std::size_t shard_;
    std::unique_ptr<net::protocol> protocol_;
    std::vector<std::unique_ptr<net::protocol>> replaced_;
    std::string in_;
    std::vector<piece> pieces_;
    std::uint64_t sent_ = 0;  // private bytes
    mutable std::uint64_t acknowledged_ = 0;
    int paused_ = 0;
};

// Lets in whoever is on this machine with rights that a test sets, and one token.
class fixed_authenticator final : public broker::authenticator
{
public:
    void authenticate(broker::credentials const& who, boost::asio::io_context&, broker::authenticated done) override
    {
        if (who.token)
            return *who.token == "good" ? done(holder) : done(make_error_code(broker::errc::bad_credentials));
        if (who.password)
            return done(make_error_code(broker::errc::bad_credentials));
        if (!who.loopback)
            return done(make_error_code(broker::errc::not_authorized));
        done(anonymous);
    }
    [[nodiscard]] std::unique_ptr<broker::enhanced_exchange> begin(std::string_view, std::string_view) override
    {
        return nullptr;
    }
    [[nodiscard]] std::shared_ptr<broker::permissions const> current_permissions(std::string_view,
                                                                                 std::string_view) override
    {
        return nullptr;
    }

    broker::identity anonymous{broker::default_app, "", grant({"#"}, {"#"}), 0, false};
    broker::identity holder{broker::default_app, "jwt:ann", grant({"up/#"}, {"news/#"}), 0, false};

    [[nodiscard]] static std::shared_ptr<broker::permissions const> grant(std::vector<std::string> publish,
                                                                          std::vector<std::string> subscribe)
    {
        return std::make_shared<broker::granted_permissions const>(std::move(publish), std::move(subscribe));
    }
};

// What the composition root puts together, but the front-end itself.
struct http_bench
{
    explicit http_bench(std::size_t shards = 1, std::vector<broker::history_rule> rules = {},
                        broker::limits const& limits = {})
        : core{shards, limits}
    {
        auto const history = std::make_shared<broker::history_rules const>(std::move(rules));
        for (std::size_t i = 0; i < shards; ++i)
            core.shard(i).routes().keep_history(history);
    }

    [[nodiscard]] static broker::app_snapshot one_app()
    {
        broker::app made;
        made.name = "shop";
        made.keys = {{"key", "secret"}};
        std::vector<broker::app> apps;
        apps.push_back(std::move(made));
        return std::make_shared<broker::app_registry>(std::move(apps));
    }
    [[nodiscard]] std::unique_ptr<http_peer> connect(std::size_t shard = 0)
    {
        return std::make_unique<http_peer>(core, routes, settings, shard);
    }
    // The answer to one request on a connection of its own.
    [[nodiscard]] std::string ask(std::string_view request, std::size_t shard = 0)
    {
        auto const peer = connect(shard);
        *peer << request;
        return peer->take();
    }
    [[nodiscard]] static std::string get(std::string_view target, std::string_view fields = "")
    {
        return request("GET", target, fields, "");
    }
    [[nodiscard]] static std::string request(std::string_view method, std::string_view target, std::string_view fields,
                                             std::string_view body)
    {
        auto text = std::string{method}.append(" ").append(target).append(" HTTP/1.1\r\nHost: localhost\r\n");
        text.append(fields);
        if (!body.empty())
            text.append("Content-Length: ").append(std::to_string(body.size())).append("\r\n");
        return text.append("\r\n").append(body);
    }
    static constexpr std::string_view basic = "Authorization: Basic a2V5OnNlY3JldA==\r\n";  // key:secret

    core_broker core;
    fixed_authenticator users;
    broker::apps_in_force apps{one_app()};
    net::http_tickets tickets{std::chrono::seconds{30}};
    net::http_access access{users, apps, tickets, {}};
    net::http_router routes;
    net::http_settings settings;
};

}  // namespace fulmar::test
