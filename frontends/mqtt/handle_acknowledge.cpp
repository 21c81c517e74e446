// PUBACK, PUBREC, PUBREL, PUBCOMP in both directions, and the client's DISCONNECT (MQTT 5.0 §3.4 - §3.7, §3.14).
#include "frontends/mqtt/protocol_state.hpp"

#include <algorithm>

namespace fulmar::mqtt {

namespace {

broker::acknowledgement acknowledgement_of(packet_type type)
{
    if (type == packet_type::puback)
        return broker::acknowledgement::puback;
    return type == packet_type::pubrec ? broker::acknowledgement::pubrec : broker::acknowledgement::pubcomp;
}

bool concerns_only_this_publish(broker::error_code const& error)
{
    return error == broker::errc::not_authorized || error == broker::errc::topic_name_invalid ||
           error == boost::system::errc::illegal_byte_sequence;
}

reason_code publish_reason(broker::publish_outcome const& outcome, packet_type type)
{
    if (outcome.error == boost::system::errc::illegal_byte_sequence)
        return reason_code::payload_format_invalid;
    if (outcome.error)
        return reason_for(outcome.error, type);
    return outcome.matched ? reason_code::success : reason_code::no_matching_subscribers;
}

}  // namespace

// --- from the client -----------------------------------------------------------------------------

void protocol::on_acknowledge(ack_packet const& p)
{
    if (p.type == packet_type::pubrel)
        return session_->release(p.id);
    auto const error = session_->acknowledge(acknowledgement_of(p.type), p.id, is_error(p.reason));
    if (error == broker::errc::packet_id_in_use) {
        home().metrics().protocol_errors.add();
        return close_with(reason_code::protocol_error, "acknowledged a packet identifier of the other QoS");
    }
    // An unknown PUBREC must be answered, or the client waits for PUBREL for ever; unknown PUBACK and PUBCOMP end
    // nothing.
    if (error && p.type == packet_type::pubrec && !is_error(p.reason) && session_ != nullptr)
        send_ack(packet_type::pubrel, p.id, reason_code::packet_identifier_not_found);
}

void protocol::on_disconnect(disconnect_packet const& p)
{
    auto expiry_s = p.session_expiry_interval_s;
    if (expiry_s && *expiry_s != 0 && asked_no_expiry_) {
        home().metrics().protocol_errors.add();
        return close_with(reason_code::protocol_error, "DISCONNECT raises a Session Expiry Interval of 0");
    }
    if (expiry_s)
        *expiry_s = std::min(*expiry_s, home().limit().session_expiry_max_s);
    leave_session(p.reason != reason_code::success, expiry_s);
    shut();
}

// --- towards the client --------------------------------------------------------------------------

void protocol::send_ack(packet_type type, packet_id id, reason_code reason)
{
    auto& out = scratch();
    if (encode_ack(type, id, reason, peer_, out))
        return transmit(out);
    close_with(reason_code::packet_too_large, "an acknowledgement exceeds the client's Maximum Packet Size");
}

void protocol::on_published(packet_id id, qos level, broker::publish_outcome const& outcome)
{
    auto const type = level == qos::at_least_once ? packet_type::puback : packet_type::pubrec;
    if (outcome.error && !concerns_only_this_publish(outcome.error)) {
        home().metrics().publishes_refused.add();
        // MQTT 3 cannot say no. Without an acknowledgement the client sends the message again after it reconnects.
        if (!v5() || outcome.error == broker::errc::shutting_down)
            return close_with(reason_code::server_shutting_down,
                              "a publish could not be stored: " + outcome.error.message());
    }
    send_ack(type, id, publish_reason(outcome, type));
    ease(publishes_waiting_);
}

void protocol::on_released(packet_id id, broker::error_code error)
{
    if (error && error != broker::errc::unknown_packet_id)
        return close_with(reason_code::unspecified_error, "a release could not be stored: " + error.message());
    send_ack(packet_type::pubcomp, id, error ? reason_code::packet_identifier_not_found : reason_code::success);
}

void protocol::send_pubrel(packet_id id) { send_ack(packet_type::pubrel, id, reason_code::success); }

}  // namespace fulmar::mqtt
