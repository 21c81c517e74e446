// One channel on one shard, as the connections with sessions follow it: after the commit, in the order of the log.
//
// For the router it is one durable subscriber. Followers that have caught up share frame runs, like the subscribers of
// local_channel; the others note what is new or read it from the log.
//
// Owner:    local_channel, while a connection with a session is or wants to be subscribed.
// Threads:  shard-owned.
// Limits:   as many followers as the shard has connections.
// Cost:     16 bytes for each follower; an event that is not the first of its turn is only appended to the run.
#pragma once

#include "broker/session_store.hpp"
#include "broker/subscriber.hpp"
#include "frontends/pusher/follower.hpp"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace fulmar::pusher {

class local_channel;

class logged_channel final : public broker::subscriber
{
public:
    logged_channel(channel_shard& owner, broker::app_id app, std::string const& name);
    ~logged_channel() override;
    logged_channel(logged_channel const&) = delete;
    logged_channel& operator=(logged_channel const&) = delete;

    [[nodiscard]] broker::app_id app() const noexcept { return app_; }
    [[nodiscard]] std::string const& name() const noexcept { return name_; }
    [[nodiscard]] std::size_t size() const noexcept { return followers_.size(); }
    [[nodiscard]] std::size_t entered() const noexcept { return entered_; }

    void add(std::shared_ptr<follower> who);
    void remove(follower& who);
    // What becomes of a follower.
    void on_entered() noexcept { ++entered_; }
    void on_behind() noexcept { ++waiting_; }
    void on_live() noexcept
    {
        --waiting_;
        seal();
    }
    // Something that the broker itself says to all of them.
    void broadcast(std::string_view text);

private:
    [[nodiscard]] broker::wire_variant const* shared_variant() const noexcept override { return nullptr; }
    void take_run(broker::frame_run const&, std::uint32_t, std::uint32_t) override {}
    void deliver(broker::message_ptr const& m, broker::matched_subscription const& match) override;
    void deliver_logged(broker::logged_message const& item, broker::matched_subscription const& match) override;
    [[nodiscard]] bool may_receive(std::string_view) const override { return true; }
    [[nodiscard]] std::uint64_t publisher_hash() const noexcept override { return 0; }

    void seal() noexcept { run_ = nullptr; }
    [[nodiscard]] broker::frame_run& run_for(std::uint64_t publisher, broker::log_sequence sequence);

    channel_shard& owner_;
    broker::app_id const app_;
    std::string const name_;
    std::vector<std::shared_ptr<follower>> followers_;
    std::size_t entered_ = 0;           // have been told that they are subscribed
    std::size_t waiting_ = 0;           // have not caught up
    broker::frame_run* run_ = nullptr;  // open in turn run_turn_
    std::uint64_t run_turn_ = 0;
    std::uint64_t run_publisher_ = 0;
};

}  // namespace fulmar::pusher
