#include "frontends/pusher/logged_channel.hpp"

#include "broker/router.hpp"
#include "broker/shard.hpp"
#include "frontends/pusher/channel_client.hpp"
#include "frontends/pusher/channel_shard.hpp"
#include "frontends/pusher/event.hpp"

#include <utility>

namespace fulmar::pusher {

logged_channel::logged_channel(channel_shard& owner, broker::app_id app, std::string const& name)
    : owner_(owner), app_(app), name_(name)
{
    broker::subscription_options options;
    options.level = broker::qos::at_least_once;
    // Nobody has to wait for this: every shard is told of every commit, the session's home sees to it that messages are
    // logged, and local_channel that those which no log keeps come here.
    owner_.home().routes().subscribe(app_, *this, name_, options, true, {});
}

logged_channel::~logged_channel() { owner_.home().routes().unsubscribe(app_, *this, name_); }

void logged_channel::add(std::shared_ptr<follower> who)
{
    seal();
    ++waiting_;
    who->place = static_cast<std::uint32_t>(followers_.size());
    followers_.push_back(std::move(who));
}

void logged_channel::remove(follower& who)
{
    seal();
    auto const place = who.place;
    entered_ -= who.entered() ? 1U : 0U;
    waiting_ -= who.live() ? 0U : 1U;
    who.end();
    auto const gone = std::move(followers_[place]);
    if (place + 1 != followers_.size()) {
        followers_[place] = std::move(followers_.back());
        followers_[place]->place = place;
    }
    followers_.pop_back();
}

void logged_channel::broadcast(std::string_view text)
{
    seal();
    for (auto const& one : followers_) {
        if (!one->entered())
            continue;
        if (auto* const client = owner_.find(one->client()))
            client->take_text(text);
    }
}

// What no log keeps: at once to those who have caught up.
void logged_channel::deliver(broker::message_ptr const& m, broker::matched_subscription const&)
{
    seal();
    if (m->expired(owner_.home().wall()))
        return;
    std::string text;
    append_event(text, *m);
    for (auto const& one : followers_) {
        if (one->excluded_by(m->publisher) || one->ended())
            continue;
        auto* const client = owner_.find(one->client());
        if (client == nullptr)
            continue;
        if (!one->live())
            one->hold(m);
        else if (client->crowded())
            owner_.home().metrics().dropped[static_cast<std::size_t>(broker::drop_reason::outbox_full)].add();
        else
            client->take_text(text);
    }
}

broker::frame_run& logged_channel::run_for(std::uint64_t publisher, broker::log_sequence sequence)
{
    auto const open = run_ != nullptr && run_turn_ == owner_.turn() && run_publisher_ == publisher &&
                      run_->bytes.size() < broker::run_bytes_max;
    if (open)
        return *run_;
    auto& run = owner_.open_run();
    run_turn_ = owner_.turn();
    run_publisher_ = publisher;
    auto everybody = true;
    for (auto const& one : followers_) {
        if (!one->live() || one->excluded_by(publisher))
            continue;
        if (!one->wants(sequence)) {
            everybody = false;
            continue;
        }
        auto* const client = owner_.find(one->client());
        if (client == nullptr)
            continue;
        if (client->crowded())
            one->fall_behind(sequence);
        else
            client->take_logged(run);
    }
    // One that has read further than the stream has come joins the next run.
    run_ = everybody ? &run : nullptr;
    return run;
}

void logged_channel::deliver_logged(broker::logged_message const& item, broker::matched_subscription const&)
{
    auto const now = owner_.home().turn_wall();
    if (waiting_ != 0)
        for (auto const& one : followers_)
            if (!one->live())
                one->note(item);
    if (item.message->expired(now))
        return;
    static event_variant const frames;
    auto& run = run_for(item.message->publisher, item.sequence);
    frames.encode(*item.message, false, now, run.bytes);
    run.frame_ends.push_back(static_cast<std::uint32_t>(run.bytes.size()));
    run.payload_bytes += item.message->payload().size();
}

}  // namespace fulmar::pusher
