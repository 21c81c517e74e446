// One channel on one shard: the connections of this shard that are subscribed to it.
//
// For the router the channel is one subscriber, however many connections it has. Its first event in a turn visits each
// connection once and gives it a cursor into a frame run; later events of the turn are only appended to the run. Who comes
// meanwhile gets a cursor to where the run is by then, so that many who come or go at once do not each begin a new one.
//
// Owner:    channel_shard, as long as anybody is or wants to be subscribed.
// Threads:  shard-owned.
// Limits:   as many connections as the shard has.
// Cost:     8 bytes per subscribed connection. A message from a connection that must not receive it itself begins a run
//           of its own, which messages from the same connection go on with.
#pragma once

#include "broker/subscriber.hpp"
#include "frontends/pusher/channel_name.hpp"
#include "frontends/pusher/logged_channel.hpp"
#include "frontends/pusher/socket_id.hpp"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace fulmar::pusher {

class channel_client;
class channel_shard;

class local_channel final : public broker::subscriber
{
public:
    local_channel(channel_shard& owner, broker::app_id app, std::string_view name, std::uint32_t serial);

    [[nodiscard]] broker::app_id app() const noexcept { return app_; }
    [[nodiscard]] std::string const& name() const noexcept { return name_; }
    [[nodiscard]] channel_kind kind() const noexcept { return kind_; }
    [[nodiscard]] broker::shard_id home() const noexcept { return home_; }
    [[nodiscard]] std::uint32_t serial() const noexcept { return serial_; }
    [[nodiscard]] std::size_t size() const noexcept { return clients_.size() + (logged_ ? logged_->entered() : 0); }
    [[nodiscard]] bool unused() const noexcept { return clients_.empty() && !logged_ && pending_ == 0; }

    // Runs `task` when no message that is published afterwards can miss this shard.
    void when_ready(std::function<void()> task);
    bool on_ready();  // true: somebody had waited

    // Somebody is about to subscribe: the channel stays, and a cache channel notes what passes by.
    void begin_pending() noexcept { ++pending_; }
    void end_pending() noexcept;
    [[nodiscard]] broker::message_ptr const& passed_by() const noexcept { return passed_by_; }

    [[nodiscard]] std::uint32_t add(channel_client& who);
    // What is said from now on in this turn is for it, too: to be called when it has been told that it is subscribed.
    void let_in(channel_client& who);
    // One whose connection ends with this may as well get what is said in the rest of this turn.
    void remove(std::uint32_t place, bool stays_connected);

    // A connection with a session takes part as a follower.
    void add(std::shared_ptr<follower> const& who);
    void remove(follower& who);
    [[nodiscard]] logged_channel& logged();

    // Something that the broker itself says to all of them: `text` is one whole event.
    void broadcast(std::string_view text);

private:
    [[nodiscard]] broker::wire_variant const* shared_variant() const noexcept override { return nullptr; }
    void take_run(broker::frame_run const&, std::uint32_t, std::uint32_t) override {}
    void deliver(broker::message_ptr const& m, broker::matched_subscription const& match) override;
    [[nodiscard]] bool may_receive(std::string_view) const override { return true; }
    [[nodiscard]] std::uint64_t publisher_hash() const noexcept override { return 0; }

    [[nodiscard]] broker::frame_run& run_for(channel_client const* excluded, bool events_only);
    void seal() noexcept { run_ = nullptr; }

    channel_shard& owner_;
    std::vector<channel_client*> clients_;
    broker::frame_run* run_ = nullptr;  // open in turn run_turn_
    channel_client const* run_excluded_ = nullptr;
    std::uint64_t run_turn_ = 0;
    std::unique_ptr<std::vector<std::function<void()>>> waiting_;
    std::unique_ptr<logged_channel> logged_;  // null: nobody here has a session
    broker::message_ptr passed_by_;
    std::string name_;
    broker::app_id app_;
    std::uint32_t serial_;
    std::uint32_t pending_ = 0;
    broker::shard_id home_;
    channel_kind kind_;
    bool ready_ = false;
    bool run_events_only_ = true;
};

}  // namespace fulmar::pusher
