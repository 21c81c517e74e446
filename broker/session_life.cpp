// A session's life: connections come and go, wills fire, it moves to another shard, it ends.
#include "broker/router.hpp"
#include "broker/session_history.hpp"
#include "broker/session_table.hpp"
#include "broker/shard.hpp"
#include "broker/topic.hpp"

#include <algorithm>

namespace fulmar::broker {

// Makes `to` the session's shard. Its subscriptions are nobody's yet: go_online or go_offline follows.
void session::impl::attach(shard& to)
{
    home = &to;
    address = to.attach(*this);
}

void session::impl::go_online(session_client& with, client_settings const& settings)
{
    client = &with;
    ++connection;
    doomed = false;
    receive_maximum = settings.receive_maximum;
    if (lasting) {
        lasting->disconnected_at = lasting->will_due = 0;
        lasting->expiry_s = settings.expiry_s;
    }
    allowed = settings.allowed;
    will = settings.will ? std::make_unique<will_record>(*settings.will) : nullptr;
    used = 0;
    for (auto& entry : window)
        entry.sent = entry.storing = false;
    for (auto const& own : subscriptions) {
        if (parse_shared(own.filter))
            home->routes().join_group(app, *this, own.filter, own.options, durable(), {});
        else
            home->routes().subscribe(app, *this, own.filter, own.options, durable(), {});
    }
    store_record();
}

// CONNACK is written: what an earlier connection left unfinished goes out first [MQTT-4.4.0-1].
void session::impl::begin()
{
    std::vector<packet_id> releases;
    auto resumed = window.empty() ? nullptr : std::make_unique<resumption>();
    for (auto& entry : window) {
        if (entry.group.number == 0) {
            resumed->upto = std::max(resumed->upto, entry.sequence);
            if (entry.acknowledged || entry.state == inflight_state::released)
                resumed->settled.push_back(entry.sequence);
        }
        if (entry.acknowledged || entry.state != inflight_state::released)
            continue;
        entry.sent = true;
        ++used;
        releases.push_back(entry.id);
    }
    if (resumed)
        std::sort(resumed->settled.begin(), resumed->settled.end());
    for (auto const packet : releases)
        client->send_pubrel(packet);
    if (lasting) {
        lasting->resumed = std::move(resumed);
        lasting->queue.start(*home, cursor());
    }
    pump();
}

// Off the connection, still subscribed: from now on the log alone keeps what arrives.
void session::impl::go_offline()
{
    client = nullptr;
    forget_history();
    lasting->disconnected_at = home->wall();
    auto& routes = home->routes();
    for (auto const& own : subscriptions) {
        if (parse_shared(own.filter)) {
            routes.leave_group(app, *this, own.filter, false);
            continue;
        }
        if (own.options.level != qos::at_most_once)
            routes.add_durable_interest(app, own.filter, {});
        routes.unsubscribe(app, *this, own.filter);
    }
    lasting->queue.stop();
    pending.clear();
    pending_bytes = 0;
    replays.clear();
    // The group gives QoS 1 deliveries to other members; QoS 2 ones that began stay here [MQTT-4.8.2-4].
    window.remove_if(
        [](inflight_entry const& entry) { return entry.group.number != 0 && entry.level == qos::at_least_once; });
    for (auto& entry : window) {
        entry.sent = false;
        if (entry.sequence != 0 && entry.group.number == 0)
            entry.message.reset();  // the log has it
    }
    store_cursor();
}

// The session ends: no interest, no record, nothing waits for it.
void session::impl::give_up(std::function<void(store_result const&)> erased)
{
    auto& routes = home->routes();
    auto const was_online = client != nullptr;
    for (auto const& entry : window) {
        // A QoS 2 delivery that began ends with its session: nobody else may get that message [MQTT-4.8.2-5].
        if (entry.group.number != 0 && entry.level == qos::exactly_once && !entry.acknowledged) {
            routes.acknowledge_group(entry.group);
            drop(drop_reason::session_ended);
        }
    }
    for (auto const& own : subscriptions) {
        if (parse_shared(own.filter))
            routes.leave_group(app, *this, own.filter, true);
        else if (was_online)
            routes.unsubscribe(app, *this, own.filter);
        else if (own.options.level != qos::at_most_once)
            routes.remove_durable_interest(app, own.filter);
    }
    subscriptions.clear();
    forget_history();
    client = nullptr;
    if (lasting) {
        lasting->queue.stop();
        home->store({erase_session_op{lasting->id}}, std::move(erased));
    }
    auto const lost = pending.size();
    if (lost != 0)
        drop(drop_reason::session_ended, lost);
}

void session::impl::store_record()
{
    if (!durable())
        return;
    session_record record;
    record.id = lasting->id;
    record.app = app;
    record.client_id = client_id();
    record.user = user();
    record.expiry_s = lasting->expiry_s;
    record.disconnected_at = lasting->disconnected_at;
    if (will)
        record.will = *will;
    record.will_due = lasting->will_due;
    home->store({put_session_op{std::move(record)}});
}

void session::impl::publish_will()
{
    if (lasting)
        lasting->will_due = 0;
    auto const last = std::exchange(will, nullptr);
    if (!last)
        return;
    if (allowed && !allowed->may_publish(last->topic)) {
        drop(drop_reason::not_authorized);
        return;
    }
    message_fields fields;
    fields.app = app;
    fields.topic = last->topic;
    fields.payload = last->payload;
    fields.level = last->level;
    fields.retain = last->retain;
    fields.publisher = client_hash;
    fields.published_at = home->wall();
    if (last->expiry_s)
        fields.expires_at = fields.published_at + std::uint64_t{*last->expiry_s} * 1000;
    if (last->properties != message_properties{})
        fields.properties = std::make_unique<message_properties const>(last->properties);
    home->routes().publish({message::make(std::move(fields)), {}, 0, {}, 0});
}

// The connection ended without DISCONNECT: the will is due after its delay, or when the session ends if that is earlier.
void session::impl::arm_will(wall_ms now)
{
    if (!will)
        return;
    auto const delay = lasting ? std::min(will->delay_s, lasting->expiry_s) : 0;
    if (delay == 0)
        return publish_will();
    lasting->will_due = now + std::uint64_t{delay} * 1000;
}

void session::disconnect(bool publish_will, std::optional<std::uint32_t> expiry_s)
{
    auto& state = self();
    if (expiry_s && state.durable())
        state.lasting->expiry_s = *expiry_s;
    if (!publish_will)
        state.will.reset();
    state.home->sessions().disconnected(*this);
}

}  // namespace fulmar::broker
