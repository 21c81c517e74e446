#include "broker/session.hpp"

#include "broker/router.hpp"
#include "broker/session_history.hpp"
#include "broker/session_table.hpp"
#include "broker/shard.hpp"
#include "broker/topic.hpp"

#include <algorithm>

namespace fulmar::broker {

namespace {
constexpr std::uint16_t acknowledgements_per_cursor = 64;
}

session::impl::impl(app_id owner_app, std::string_view key_text, std::string_view user_name)
    : app{owner_app},
      key_size{static_cast<std::uint32_t>(key_text.size())},
      user_size{static_cast<std::uint32_t>(user_name.size())},
      client_hash{stable_hash(client_id_in(key_text), static_cast<std::uint32_t>(owner_app) + 1U)}
{
    auto* const room_for_texts = reinterpret_cast<char*>(this + 1);
    std::copy(key_text.begin(), key_text.end(), room_for_texts);
    std::copy(user_name.begin(), user_name.end(), room_for_texts + key_size);
}

std::unique_ptr<session> session::impl::make(app_id app, std::string_view client_id, std::string_view user)
{
    auto const key = make_key(app, client_id);
    return std::unique_ptr<session>{new (extra_bytes{key.size() + user.size()}) impl{app, key, user}};
}

std::string_view session::client_id() const noexcept { return self().client_id(); }
std::string_view session::user() const noexcept { return self().user(); }
bool session::connected() const noexcept { return self().client != nullptr; }
app_id session::app() const noexcept { return self().app; }
permissions const* session::allowed() const noexcept { return self().allowed.get(); }

session_facts session::facts() const
{
    auto const& own = self();
    session_facts out;
    out.durable = own.durable();
    out.subscriptions = own.subscriptions.size();
    out.in_flight = own.window.size();
    if (own.durable()) {
        out.expiry_s = own.lasting->expiry_s;
        out.away_since = own.lasting->disconnected_at;
        out.position = own.cursor();
    }
    return out;
}

void session::for_each_subscription(std::function<bool(subscription const&)> const& visit) const
{
    for (auto const& one : self().subscriptions) {
        if (!visit(one))
            return;
    }
}

endpoint_id session::address() const noexcept { return self().address; }
std::uint16_t session::receive_maximum() const noexcept { return self().receive_maximum; }
std::uint64_t session::publisher_hash() const noexcept { return self().client_hash; }

wire_variant const* session::shared_variant() const noexcept
{
    return self().client == nullptr ? nullptr : self().client->shared_variant();
}

bool session::may_receive(std::string_view topic) const
{
    auto const& allowed = self().allowed;
    return !allowed || allowed->receives_everything() || allowed->may_receive(topic);
}

void session::set_permissions(std::shared_ptr<permissions const> allowed)
{
    self().allowed = std::move(allowed);
    self().home->routes().changed();
}

void session::impl::drop(drop_reason why, std::uint64_t count) const
{
    home->metrics().dropped[static_cast<std::size_t>(why)].add(count);
}

// --- delivery --------------------------------------------------------------------------------------

void session::take_run(frame_run const& run, std::uint32_t first_byte, std::uint32_t first_frame)
{
    if (self().online())
        self().client->take_run(run, first_byte, first_frame);
}

void session::deliver(message_ptr const& m, matched_subscription const& match)
{
    if (!self().online())
        return;
    if (std::min(m->level, match.level) == qos::at_most_once)
        return self().send_best_effort({m}, match);
    if (self().pending.empty() && self().room() > 0)
        return self().send_reliable({m}, match, {});
    self().enqueue({0, m}, match, {});
}

void session::deliver_logged(logged_message const& item, matched_subscription const& match)
{
    if (self().online() && self().durable())
        self().lasting->queue.on_logged(item, match);
}

bool session::deliver_shared(logged_message const& item, matched_subscription const& match, group_ticket const& ticket)
{
    if (!self().online())
        return false;
    if (ticket.number == 0)
        self().send_best_effort({item.message}, match);
    else if (self().pending.empty() && self().room() > 0)
        self().send_reliable({item.message, item.sequence}, match, ticket);
    else
        self().enqueue(item, match, ticket);
    return true;
}

std::size_t session::impl::room() const
{
    if (!online() || window.full() || client->backlog_bytes() > home->limit().outbox_bytes)
        return 0;
    auto const quota = std::min(receive_maximum, home->limit().inflight_max);
    return quota - std::min(quota, used);
}

void session::impl::send_best_effort(delivery const& what, matched_subscription const& match)
{
    if (client->backlog_bytes() > home->limit().outbox_bytes)
        return drop(drop_reason::outbox_full);
    auto const& m = what.message;
    auto const retain = what.retained || (m->retain && match.retain_as_published);
    outgoing const frame{m, qos::at_most_once, 0, false, retain, match.identifiers, what.position};
    if (!client->send_publish(frame))
        drop(drop_reason::too_large);
}

// Over the window and not in the log: waits in memory, within limits [a slow consumer is closed, not fed].
void session::impl::enqueue(logged_message const& item, matched_subscription const& match, group_ticket const& group)
{
    pending_bytes += item.message->footprint();
    pending.push_back({item, match, group});
    auto const& limit = home->limit();
    if (pending.size() <= limit.session_pending_messages && pending_bytes <= limit.session_pending_bytes)
        return;
    home->metrics().slow_consumers_closed.add();
    home->sessions().condemn(*this, session_end::slow_consumer);
}

void session::impl::send_reliable(delivery const& what, matched_subscription const& match, group_ticket const& group)
{
    auto const& m = what.message;
    if (m->expires_at != 0 && m->expired(home->wall())) {
        if (group.number != 0)
            home->routes().acknowledge_group(group);
        return drop(drop_reason::expired);
    }
    inflight_entry entry;
    entry.level = std::min(m->level, match.level);
    entry.retain = what.retained || (m->retain && match.retain_as_published);
    entry.sequence = what.sequence;
    entry.position = what.position;
    entry.message = m;
    entry.identifiers = match.identifiers;
    entry.group = group;
    auto& kept = window.push(std::move(entry));
    ++used;
    kept.sent = true;
    if (kept.level == qos::exactly_once && durable())
        store_and_transmit(kept);
    else
        transmit(kept, false);
}

void session::impl::transmit(inflight_entry& entry, bool duplicate)
{
    outgoing const frame{entry.message, entry.level,       entry.id,      duplicate,
                         entry.retain,  entry.identifiers, entry.position};
    if (client->send_publish(frame))
        return;
    drop(drop_reason::too_large);
    complete(entry);
}

void session::impl::put_inflight(inflight_entry const& entry, std::function<void(store_result const&)> done)
{
    inflight_record record;
    record.id = entry.id;
    record.state = entry.acknowledged ? inflight_state::completed : entry.state;
    record.level = entry.level;
    record.sequence = entry.sequence;
    record.shared_group = entry.group.number != 0 ? entry.group.group : filter_hash{};
    home->store({put_inflight_op{lasting->id, record}}, std::move(done));
}

// Exactly once across restarts: the identifier must be known to belong to this message before the client sees it.
void session::impl::store_and_transmit(inflight_entry& entry)
{
    entry.storing = true;
    put_inflight(entry, [there = home, at = address, packet = entry.id, on = connection](store_result const& stored) {
        auto* const owner = static_cast<session*>(there->resolve(at));
        if (owner == nullptr || !owner->self().online() || owner->self().connection != on)
            return;
        auto* const kept = owner->self().window.find(packet);
        if (kept == nullptr || !kept->storing)
            return;
        if (stored.error)
            return there->sessions().condemn(*owner, session_end::store_failed);
        kept->storing = false;
        owner->self().transmit(*kept, false);
    });
}

void session::on_drained() { self().pump(); }

void session::impl::pump()
{
    if (!online())
        return;
    resend();
    while (!pending.empty() && room() > 0) {
        auto const next = pending.pop_front();
        pending_bytes -= next.item.message->footprint();
        send_reliable({next.item.message, next.item.sequence}, next.match, next.group);
    }
    if (lasting && !history)
        lasting->queue.pump();
    replay_retained();
    if (!history)
        return;
    pump_history();
    if (lasting)
        lasting->queue.pump();
}

// What an earlier connection did not acknowledge and this session still holds in memory [MQTT-4.4.0-1].
void session::impl::resend()
{
    auto* const resumed = lasting ? lasting->resumed.get() : nullptr;
    if (resumed == nullptr || !resumed->resending)
        return;
    std::vector<packet_id> unsent;
    for (auto const& entry : window) {
        if (!entry.sent && !entry.acknowledged && entry.message)
            unsent.push_back(entry.id);
    }
    for (auto const packet : unsent) {
        if (room() == 0)
            return;
        auto* const entry = window.find(packet);
        entry->sent = true;
        ++used;
        transmit(*entry, true);
    }
    resumed->resending = false;
}

// --- the durable queue -------------------------------------------------------------------------------

void session::impl::take(logged_message const& item, matched_subscription const* match)
{
    auto const* const resumed = lasting->resumed.get();
    if (resumed != nullptr && item.sequence <= resumed->upto) {
        if (std::binary_search(resumed->settled.begin(), resumed->settled.end(), item.sequence))
            return;
        if (auto* const known = window.find_sequence(item.sequence)) {
            if (known->acknowledged || known->sent || known->state != inflight_state::published)
                return;
            known->message = item.message;
            known->sent = true;
            ++used;
            return transmit(*known, true);
        }
    }
    std::optional<matched_subscription> own;
    if (match == nullptr) {
        own = match_own(*item.message, item.sequence);
        match = own ? &*own : nullptr;
    }
    if (match == nullptr || !online())
        return;
    if (!may_receive(item.message->topic()))
        return drop(drop_reason::not_authorized);
    auto const told = history && follows(item.message->topic()) ? item.sequence : 0;
    send_reliable({item.message, item.sequence, told}, *match, {});
}

// What the subscriptions that begin before `sequence` say together; nothing if none matches, or No Local forbids it.
std::optional<matched_subscription> session::impl::match_all(message const& m, log_sequence sequence) const
{
    std::optional<matched_subscription> all;
    for (auto const& own : subscriptions) {
        if (own.begin >= sequence || !matches(own.filter, m.topic()))
            continue;
        auto const& options = own.options;
        if (!all)
            all.emplace();
        all->level = std::max(all->level, options.level);
        all->no_local = all->no_local && options.no_local;
        all->retain_as_published = all->retain_as_published || options.retain_as_published;
        if (options.identifier != 0)
            all->identifiers.push_back(options.identifier);
    }
    auto const own_message = m.publisher != 0 && m.publisher == client_hash;
    if (all && all->no_local && own_message)
        return std::nullopt;
    return all;
}

std::optional<matched_subscription> session::impl::match_own(message const& m, log_sequence sequence) const
{
    auto all = match_all(m, sequence);
    if (all && all->level == qos::at_most_once)
        return std::nullopt;
    return all;
}

std::vector<queue_filter> session::impl::filters() const
{
    std::vector<queue_filter> wanted;
    for (auto const& own : subscriptions) {
        if (own.options.level != qos::at_most_once && !parse_shared(own.filter))
            wanted.push_back({app, own.filter, own.begin});
    }
    return wanted;
}

void session::impl::on_passed_over(std::uint64_t gap, std::uint64_t expired, std::uint64_t skipped)
{
    drop(drop_reason::retention, gap);
    drop(drop_reason::expired, expired);
    drop(drop_reason::queue_limit, skipped);
}

log_sequence session::impl::cursor() const
{
    if (!lasting)
        return 0;
    auto const first = window.first_unacknowledged();
    auto const consumed = lasting->queue.consumed();
    return first ? std::min(*first - 1, consumed) : consumed;
}

void session::impl::list_cursor()
{
    if (!durable())
        return;
    if (++lasting->unstored_acknowledgements >= acknowledgements_per_cursor)
        return store_cursor();
    if (!lasting->cursor_listed) {
        lasting->cursor_listed = true;
        home->sessions().list_cursor(*this);
    }
}

void session::impl::store_cursor()
{
    if (!durable())
        return;
    lasting->unstored_acknowledgements = 0;
    auto const now = cursor();
    if (now <= lasting->stored_cursor)
        return;
    lasting->stored_cursor = now;
    home->store({cursor_op{lasting->id, now}});
}

// --- acknowledgements --------------------------------------------------------------------------------

error_code session::acknowledge(acknowledgement what, packet_id id, bool refused)
{
    auto* const entry = self().window.find(id);
    if (entry == nullptr || !entry->sent || entry->storing)
        return errc::unknown_packet_id;
    auto const expected = entry->level == qos::at_least_once ? acknowledgement::puback : acknowledgement::pubrec;
    if (what == acknowledgement::pubrec && expected == acknowledgement::pubrec)
        return self().on_pubrec(*entry, refused);
    auto const completes = what == acknowledgement::puback
                               ? expected == acknowledgement::puback
                               : what == acknowledgement::pubcomp && entry->level == qos::exactly_once &&
                                     entry->state == inflight_state::released;
    if (!completes)
        return errc::packet_id_in_use;
    self().complete(*entry);
    self().pump();
    return {};
}

error_code session::impl::on_pubrec(inflight_entry& entry, bool refused)
{
    if (refused && entry.state == inflight_state::published) {
        complete(entry);
        pump();
        return {};
    }
    auto const first = entry.state == inflight_state::published;
    entry.state = inflight_state::released;
    entry.message.reset();  // never sent again [MQTT-4.3.3-6]
    if (!durable() || !first) {
        client->send_pubrel(entry.id);
        return {};
    }
    put_inflight(entry, [there = home, at = address, packet = entry.id, on = connection](store_result const& stored) {
        auto* const owner = static_cast<session*>(there->resolve(at));
        if (owner == nullptr || !owner->self().online() || owner->self().connection != on)
            return;
        if (stored.error)
            return there->sessions().condemn(*owner, session_end::store_failed);
        owner->self().client->send_pubrel(packet);
    });
    return {};
}

void session::impl::complete(inflight_entry& entry)
{
    entry.acknowledged = true;
    entry.message.reset();
    if (entry.sent && used > 0)
        --used;
    if (entry.group.number != 0)
        home->routes().acknowledge_group(entry.group);
    auto const stored = durable() && entry.level == qos::exactly_once;
    // The record of a QoS 2 delivery stays until the cursor has passed its message, or a crash would send that again: after
    // a restart the window does not begin with the oldest message.
    auto const may_go = [this](inflight_entry const& settled) {
        return !durable() || settled.level != qos::exactly_once || settled.group.number != 0 ||
               settled.sequence <= cursor();
    };
    auto const goes_now = &entry == &*window.begin() && may_go(entry);
    if (stored && !goes_now)
        put_inflight(entry, {});
    auto erased = false;
    window.settle_front(may_go, [this, &erased](inflight_entry const& gone) {
        if (!durable() || gone.level != qos::exactly_once)
            return;
        home->store({erase_inflight_op{lasting->id, gone.id, false}});
        erased = true;
    });
    // With the records in one commit: a message without a record that the cursor has not passed would be sent again.
    if (stored || erased)
        store_cursor();
    else
        list_cursor();
}

}  // namespace fulmar::broker
