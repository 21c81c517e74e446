#include "frontends/pusher/local_channel.hpp"

#include "broker/shard.hpp"
#include "frontends/pusher/channel_client.hpp"
#include "frontends/pusher/channel_shard.hpp"
#include "frontends/pusher/event.hpp"

#include <utility>

namespace fulmar::pusher {

namespace {

// The receivers of one message, and of one run, are the same bytes.
void append_frame_of(broker::frame_run& run, broker::message const& m, broker::wall_ms now)
{
    static event_variant const frames;
    frames.encode(m, false, now, run.bytes);
    run.frame_ends.push_back(static_cast<std::uint32_t>(run.bytes.size()));
    run.payload_bytes += m.payload().size();
}

}  // namespace

local_channel::local_channel(channel_shard& owner, broker::app_id app, std::string_view name, std::uint32_t serial)
    : owner_(owner),
      name_(name),
      app_(app),
      serial_(serial),
      home_(owner.directory().home_of(app, name)),
      kind_(classify(name))
{
}

void local_channel::when_ready(std::function<void()> task)
{
    if (ready_)
        return task();
    if (!waiting_)
        waiting_ = std::make_unique<std::vector<std::function<void()>>>();
    waiting_->push_back(std::move(task));
}

bool local_channel::on_ready()
{
    ready_ = true;
    if (!waiting_)
        return false;
    auto const tasks = std::exchange(waiting_, nullptr);
    begin_pending();  // the last of them must not take the channel away under the others
    for (auto const& task : *tasks)
        task();
    end_pending();
    return true;
}

void local_channel::end_pending() noexcept
{
    if (--pending_ == 0)
        passed_by_.reset();
}

std::uint32_t local_channel::add(channel_client& who)
{
    clients_.push_back(&who);
    return static_cast<std::uint32_t>(clients_.size() - 1);
}

void local_channel::let_in(channel_client& who)
{
    if (run_ == nullptr || run_turn_ != owner_.turn() || run_excluded_ == &who)
        return;
    who.take_frames(*run_, static_cast<std::uint32_t>(run_->bytes.size()),
                    static_cast<std::uint32_t>(run_->frame_ends.size()), run_events_only_);
}

void local_channel::remove(std::uint32_t place, bool stays_connected)
{
    if (stays_connected)
        seal();
    auto* const last = clients_.back();
    clients_.pop_back();
    if (place == clients_.size())
        return;
    clients_[place] = last;
    last->on_moved(*this, place);
}

logged_channel& local_channel::logged()
{
    if (!logged_)
        logged_ = std::make_unique<logged_channel>(owner_, app_, name_);
    return *logged_;
}

void local_channel::add(std::shared_ptr<follower> const& who) { logged().add(who); }

void local_channel::remove(follower& who)
{
    logged_->remove(who);
    if (logged_->size() == 0)
        logged_.reset();
}

broker::frame_run& local_channel::run_for(channel_client const* excluded, bool events_only)
{
    auto const open = run_ != nullptr && run_turn_ == owner_.turn() && run_excluded_ == excluded &&
                      run_events_only_ == events_only && run_->bytes.size() < broker::run_bytes_max;
    if (open)
        return *run_;
    run_ = &owner_.open_run();
    run_turn_ = owner_.turn();
    run_excluded_ = excluded;
    run_events_only_ = events_only;
    for (auto* const to : clients_)
        if (to != excluded)
            to->take_frames(*run_, 0, 0, events_only);
    return *run_;
}

void local_channel::broadcast(std::string_view text)
{
    if (logged_)
        logged_->broadcast(text);
    if (clients_.empty())
        return;
    auto& run = run_for(nullptr, false);
    append_text_frame(run.bytes, text);
    run.frame_ends.push_back(static_cast<std::uint32_t>(run.bytes.size()));
}

void local_channel::deliver(broker::message_ptr const& m, broker::matched_subscription const&)
{
    auto const now = owner_.home().wall();
    if (m->expired(now))
        return;
    if (pending_ != 0 && kind_.cache && !client_event(m->event()))
        passed_by_ = m;
    if (clients_.empty())
        return;
    auto const* const sender = m->publisher == 0 ? nullptr : owner_.find(connection_id{m->publisher});
    append_frame_of(run_for(sender, true), *m, now);
}

}  // namespace fulmar::pusher
