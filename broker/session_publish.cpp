// What a client publishes: answers in order, and QoS 2 identifiers.
#include "broker/router.hpp"
#include "broker/session_state.hpp"
#include "broker/session_table.hpp"
#include "broker/shard.hpp"

#include <algorithm>

namespace fulmar::broker {

bool session::impl::is_receiving(packet_id packet) const noexcept
{
    return std::binary_search(received.begin(), received.end(), packet);
}

void session::impl::forget_received(packet_id packet)
{
    auto const place = std::lower_bound(received.begin(), received.end(), packet);
    if (place != received.end() && *place == packet)
        received.erase(place);
}

bool session::receiving(packet_id id) const noexcept { return self().is_receiving(id); }

std::size_t session::unacknowledged_publishes() const noexcept { return self().incoming_qos1 + self().received.size(); }

void session::publish(message_ptr m, packet_id id)
{
    auto& state = self();
    auto& routes = state.home->routes();
    if (m->level == qos::at_most_once)
        return routes.publish({std::move(m), {}, 0, {}, 0});
    auto const level = m->level;
    router::publish_request request{std::move(m), state.address, state.first_token + state.incoming.size(), {}, 0};
    if (level == qos::exactly_once) {
        if (state.is_receiving(id)) {
            // Sent again: answered again, never routed again [MQTT-4.3.3-10]. If the first is not settled yet, its answer will do.
            auto const waits = std::any_of(state.incoming.begin(), state.incoming.end(),
                                           [id](auto const& p) { return p.level == qos::exactly_once && p.id == id; });
            if (!waits) {
                state.incoming.push_back({id, level, true, {}});
                state.answer_settled();
            }
            return;
        }
        state.received.insert(std::lower_bound(state.received.begin(), state.received.end(), id), id);
        if (state.durable()) {
            request.received_by = state.lasting->id;
            request.received_id = id;
        }
    } else {
        ++state.incoming_qos1;
    }
    state.incoming.push_back({id, level, false, {}});
    routes.publish(std::move(request));
}

void session::refuse(packet_id id, qos level, error_code why)
{
    if (level == qos::at_least_once)
        ++self().incoming_qos1;
    self().incoming.push_back({id, level, true, {why, true, 0}});
    self().answer_settled();
}

void session::on_published(std::uint64_t token, publish_outcome const& outcome)
{
    auto& state = self();
    if (token < state.first_token || token - state.first_token >= state.incoming.size())
        return;
    auto& settled = state.incoming[token - state.first_token];
    settled.settled = true;
    settled.outcome = outcome;
    if (settled.level == qos::exactly_once && outcome.error)
        state.forget_received(settled.id);  // refused: the identifier is free [MQTT-4.3.3-9]
    state.answer_settled();
}

// Answers go out in the order of the publishes, whichever commit settled them [MQTT-4.6.0-2, -3].
void session::impl::answer_settled()
{
    while (!incoming.empty() && incoming.front().settled) {
        auto const answered = incoming.pop_front();
        ++first_token;
        if (answered.level == qos::at_least_once)
            --incoming_qos1;
        if (client != nullptr)
            client->on_published(answered.id, answered.level, answered.outcome);
    }
    if (client == nullptr && incoming.empty())
        home->sessions().became_quiet(*this);
}

void session::release(packet_id id)
{
    auto& state = self();
    if (!state.is_receiving(id)) {
        state.client->on_released(id, errc::unknown_packet_id);
        return;
    }
    state.forget_received(id);
    if (!state.durable()) {
        state.client->on_released(id, {});
        return;
    }
    // PUBCOMP frees the identifier for a new message: a crash must not make that look like a duplicate.
    state.home->store({erase_inflight_op{state.lasting->id, id, true}},
                      [there = state.home, at = state.address, id, on = state.connection](store_result const& stored) {
                          auto* const owner = static_cast<session*>(there->resolve(at));
                          if (owner == nullptr || !owner->self().online() || owner->self().connection != on)
                              return;
                          if (stored.error)
                              return there->sessions().condemn(*owner, session_end::store_failed);
                          owner->self().client->on_released(id, {});
                      });
}

}  // namespace fulmar::broker
