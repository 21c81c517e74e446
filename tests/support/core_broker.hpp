// The broker core alone: shards without threads over a memory_store, and clients that note what reaches them.
#pragma once

#include "broker/inflight_window.hpp"
#include "broker/retained_index.hpp"
#include "broker/router.hpp"
#include "broker/session_table.hpp"
#include "broker/shard.hpp"
#include "tests/support/fake_clock.hpp"
#include "tests/support/memory_store.hpp"

#include <memory>
#include <string>
#include <vector>

namespace fulmar::test {

class core_broker
{
public:
    explicit core_broker(std::size_t shards = 1, broker::limits const& with = {});
    ~core_broker();

    fake_clock clock;
    memory_store store{clock};

    void settle();  // until no shard has anything left to do
    void advance(std::chrono::milliseconds by);
    void kill_and_restart();
    [[nodiscard]] broker::shard& shard(std::size_t i) { return *core_->node.shards[i]; }
    [[nodiscard]] std::uint64_t dropped(broker::drop_reason why);

    [[nodiscard]] static broker::message_ptr make(std::string_view topic, std::string_view payload, int level = 0,
                                                  bool retain = false, std::uint64_t publisher = 0);
    // Publishes for nobody in particular on one shard, and settles.
    void publish(std::size_t shard, broker::message_ptr m);

private:
    struct core
    {
        core(core_broker& owner, std::size_t shards, broker::limits const& with);
        broker::retained_index retained;
        broker::node_context node;
    };
    void start();

    std::size_t const shards_;
    broker::limits const limits_;
    std::unique_ptr<core> core_;
};

// A client on one shard. Acknowledges what it receives unless told not to.
class core_client final : public broker::session_client
{
public:
    core_client(core_broker& broker, std::size_t shard, std::string id);
    ~core_client() override;

    struct connect_options
    {
        bool clean = true;
        std::uint32_t expiry_s = 0;
        std::uint16_t receive_maximum = 65'535;
        std::optional<broker::will_record> will;
        std::string user;
    };
    core_client& connect(connect_options options);
    core_client& connect() { return connect({}); }
    core_client& subscribe(std::string filter, int level);
    core_client& unsubscribe(std::string filter);
    core_client& publish(std::string_view topic, std::string_view payload, int level);
    void disconnect(bool publish_will = false);
    void acknowledge_everything();  // what was received and not acknowledged yet

    [[nodiscard]] bool online() const { return session_ != nullptr; }
    [[nodiscard]] broker::session& session() { return *session_; }

    bool acknowledges = true;
    std::size_t backlog = 0;
    bool present = false;
    broker::error_code refused;
    std::optional<broker::session_end> ended;
    std::vector<std::string> received;  // "topic=payload", retained copies with "!" in front, duplicates with "+"
    std::vector<broker::packet_id> ids;
    std::vector<std::string> answers;  // "puback 7", "pubrec 8 <error>", "pubcomp 8"
    std::vector<broker::subscribe_outcome> granted;

private:
    [[nodiscard]] broker::wire_variant const* shared_variant() const noexcept override { return nullptr; }
    void take_run(broker::frame_run const&, std::uint32_t, std::uint32_t) override {}
    [[nodiscard]] bool send_publish(broker::outgoing const& p) override;
    void send_pubrel(broker::packet_id id) override;
    [[nodiscard]] std::size_t backlog_bytes() const noexcept override { return backlog; }
    void on_published(broker::packet_id id, broker::qos level, broker::publish_outcome const& outcome) override;
    void on_released(broker::packet_id id, broker::error_code error) override;
    void on_subscribed(broker::packet_id id, std::span<broker::subscribe_outcome const> outcomes) override;
    void on_unsubscribed(broker::packet_id, std::span<bool const>) override {}
    void on_session_end(broker::session_end why) override;
    void acknowledge_received();
    void later(std::function<void()> work);

    core_broker& broker_;
    std::size_t const shard_;
    std::string const id_;
    broker::session* session_ = nullptr;
    broker::packet_id next_id_ = 0;
    std::vector<std::pair<broker::packet_id, broker::qos>> unacknowledged_;
    std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace fulmar::test
