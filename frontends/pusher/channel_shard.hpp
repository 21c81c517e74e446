// The Pusher side of one shard: its connections, the channels they are subscribed to, and the channels and users whose
// home this shard is.
//
// Owner:    channel_directory, one per shard.
// Threads:  shard-owned.
// Limits:   places_max connections; one local_channel per channel with connections here; runs_kept idle frame runs.
// Cost:     attach, detach and find are O(1).
#pragma once

#include "broker/app_registry.hpp"
#include "broker/frame_run.hpp"
#include "broker/shard.hpp"
#include "frontends/pusher/channel_client.hpp"
#include "frontends/pusher/channel_directory.hpp"
#include "frontends/pusher/channel_key.hpp"
#include "frontends/pusher/client_command.hpp"
#include "frontends/pusher/local_channel.hpp"
#include "frontends/pusher/pusher_metrics.hpp"

#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace fulmar::pusher {

class home_channels;
class home_sessions;
class home_users;

// A client wants to be subscribed; its permission has been checked.
struct subscribe_request
{
    connection_id client{};
    broker::app_id app = broker::default_app;
    std::string channel;
    std::uint32_t token = 0;                // the client's number for this wish
    std::optional<member_identity> member;  // of presence channels
    std::string session;                    // empty: the connection has none
};

class channel_shard final : private broker::turn_end
{
public:
    channel_shard(channel_directory& all, broker::shard& home, broker::apps_in_force const& apps);
    ~channel_shard();
    channel_shard(channel_shard const&) = delete;
    channel_shard& operator=(channel_shard const&) = delete;

    [[nodiscard]] broker::shard& home() noexcept { return home_; }
    [[nodiscard]] channel_directory& directory() noexcept { return directory_; }
    [[nodiscard]] broker::app_snapshot const& apps() { return apps_.now(); }
    [[nodiscard]] pusher_metrics& metrics() noexcept { return metrics_; }
    [[nodiscard]] pusher_metrics const& metrics() const noexcept { return metrics_; }  // any thread
    [[nodiscard]] home_channels& channels() noexcept { return *channels_; }            // whose home this is
    [[nodiscard]] home_users& users() noexcept { return *users_; }                     // whose home this is
    [[nodiscard]] home_sessions& sessions() noexcept { return *sessions_; }            // whose home this is

    // --- connections ---------------------------------------------------------------------------------------------
    // Gives a client its name; 0: there is no place left.
    [[nodiscard]] connection_id attach(channel_client& who);
    void detach(connection_id id) noexcept;
    // Null: not here, or gone.
    [[nodiscard]] channel_client* find(connection_id id) const noexcept;
    void for_each(std::function<void(channel_client&)> const& visit);

    // --- channels ------------------------------------------------------------------------------------------------
    // The client hears of the outcome through on_subscribed, possibly before this returns.
    void subscribe(subscribe_request wanted);
    // Ends a subscription. `member`: the user of a presence channel, else empty.
    void unsubscribe(local_channel& where, std::uint32_t place, std::string_view member, bool stays_connected);
    void unsubscribe(local_channel& where, follower& who, std::string_view member);
    [[nodiscard]] local_channel* find_channel(broker::app_id app, std::string_view name) noexcept;
    [[nodiscard]] std::size_t channel_count() const noexcept { return locals_.size(); }

    // Runs `task` in the next turn.
    void next_turn(std::function<void(channel_shard&)> task);

    // --- frame runs ----------------------------------------------------------------------------------------------
    // A run that lasts until the end of this turn.
    [[nodiscard]] broker::frame_run& open_run();
    [[nodiscard]] std::uint64_t turn() const noexcept { return turn_; }

    // What is due by now: throttled counts, cached events that have expired. Called by a timer while there is something;
    // tests call it themselves.
    void tick();
    void keep_ticking();

private:
    static constexpr std::size_t runs_kept = 64;
    static constexpr std::size_t idle_run_bytes_max = 32 * 1024;

    struct answer;
    void on_turn_end() override;
    void recycle(std::vector<std::unique_ptr<broker::frame_run>> spent);
    [[nodiscard]] local_channel& obtain(broker::app_id app, std::string_view name);
    void drop_if_unused(local_channel& channel);
    using request_ptr = std::shared_ptr<subscribe_request const>;
    void ask_session(request_ptr const& wanted, std::uint32_t serial);
    void ask_home(request_ptr const& wanted, std::uint32_t serial, std::shared_ptr<follower> const& follows);
    void finish(subscribe_request const& wanted, std::uint32_t serial, answer&& from_home);
    void let_go(local_channel& channel, std::shared_ptr<follower> const& follows);
    void tell_gone(local_channel const& channel, std::string_view member);
    void tell_count(local_channel const& channel);
    void tell_leave(broker::shard_id home, broker::app_id app, std::string const& channel, std::string_view user);

    channel_directory& directory_;
    broker::shard& home_;
    broker::app_view apps_;
    pusher_metrics metrics_;
    std::shared_ptr<channel_shard*> alive_;  // timers and deferred work may outlive this inside the io_context
    boost::asio::steady_timer timer_;
    std::vector<channel_client*> places_;
    std::vector<std::uint32_t> tags_;
    std::vector<std::uint32_t> free_places_;
    std::unordered_map<channel_key, std::unique_ptr<local_channel>, channel_key_hash> locals_;
    std::unique_ptr<home_channels> channels_;
    std::unique_ptr<home_users> users_;
    std::unique_ptr<home_sessions> sessions_;
    std::vector<std::unique_ptr<broker::frame_run>> open_runs_;
    std::vector<std::unique_ptr<broker::frame_run>> idle_runs_;
    std::uint64_t turn_ = 1;
    std::uint32_t serials_ = 0;
    bool ticking_ = false;
};

}  // namespace fulmar::pusher
