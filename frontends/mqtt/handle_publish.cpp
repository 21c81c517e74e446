// PUBLISH: from the client to the session, and from the session to the client (MQTT 5.0 §3.3, §4.3).
#include "broker/topic.hpp"
#include "frontends/mqtt/protocol_state.hpp"

namespace fulmar::mqtt {

namespace {

// A Message Expiry Interval of 0 means "now or never": never for anybody who is not there.
constexpr broker::wall_ms immediate_ms = 100;
// From this size on a payload is not copied into the outbox.
constexpr std::size_t kept_payload_bytes = 4096;

bool has_properties(publish_properties const& p)
{
    return p.payload_format || p.content_type || p.response_topic || p.correlation_data || !p.user.empty();
}

std::unique_ptr<broker::message_properties const> to_message_properties(publish_properties const& p)
{
    if (!has_properties(p))
        return nullptr;
    auto out = std::make_unique<broker::message_properties>();
    out->payload_format = p.payload_format;
    out->content_type = p.content_type.value_or("");
    out->response_topic = p.response_topic.value_or("");
    if (p.correlation_data)
        out->correlation_data = *p.correlation_data;
    out->user.reserve(p.user.size());
    for (auto const& [name, value] : p.user)
        out->user.push_back({std::string{name}, std::string{value}});
    return out;
}

}  // namespace

void protocol::on_publish(publish_packet const& p)
{
    home().metrics().messages_in[static_cast<std::size_t>(p.level)].add();
    auto topic = p.topic;
    // A refused message binds its alias all the same: the next one may rely on it.
    if (p.properties.topic_alias)
        if (auto const bad = more().inbound.resolve(*p.properties.topic_alias, topic); is_error(bad)) {
            home().metrics().protocol_errors.add();
            return close_with(bad, "PUBLISH: the topic alias is not valid");
        }
    bool const repeated = p.level == qos::exactly_once && session_->receiving(p.id);
    if (!publish_acceptable(p, repeated))
        return;
    auto const* const allowed = session_->allowed();
    if (!repeated && (topic.starts_with('$') || allowed == nullptr || !allowed->may_publish(topic)))
        return refuse_publish(p, broker::errc::not_authorized);
    session_->publish(make_message(p, topic), p.id);
    // A v3 client knows no Receive Maximum. Only a QoS 1 publish may stop the reading: its acknowledgement starts it
    // again, while a QoS 2 one may wait for a PUBREL that is still to be read.
    if (session_ != nullptr && !v5() && p.level == qos::at_least_once &&
        session_->unacknowledged_publishes() >= home().limit().receive_maximum)
        pause(publishes_waiting_);
}

// False: answered, or closed with the reason.
bool protocol::publish_acceptable(publish_packet const& p, bool repeated)
{
    auto const& settings = context_.settings;
    auto const forbid = [this](reason_code reason, std::string_view what) {
        home().metrics().protocol_errors.add();
        close_with(reason, what);
        return false;
    };
    if (static_cast<std::uint8_t>(p.level) > settings.max_qos)
        return forbid(reason_code::qos_not_supported, "PUBLISH above the Maximum QoS");
    if (p.retain && !settings.retain_available)
        return forbid(reason_code::retain_not_supported, "PUBLISH with RETAIN, which is not available");
    if (v5() && p.level != qos::at_most_once && !repeated &&
        session_->unacknowledged_publishes() >= home().limit().receive_maximum)
        return forbid(reason_code::receive_maximum_exceeded, "more unacknowledged publishes than the Receive Maximum");
    if (p.properties.payload_format != 1 || broker::valid_utf8(p.payload))
        return true;
    if (p.level == qos::at_most_once || repeated)
        return forbid(reason_code::payload_format_invalid, "PUBLISH: the payload is not UTF-8 as it says");
    home().metrics().publishes_refused.add();
    // The core has no error for this: it is the only refusal that is not made by a rule of ours.
    session_->refuse(p.id, p.level, make_error_code(boost::system::errc::illegal_byte_sequence));
    return false;
}

// MQTT 5 says why; MQTT 3 has no word for it: the publish is acknowledged and goes nowhere, or the connection is
// closed.
void protocol::refuse_publish(publish_packet const& p, broker::errc why)
{
    home().metrics().publishes_refused.add();
    if (!v5() && context_.settings.v3_refused_publish_closes)
        return close_with(reason_code::not_authorized, "PUBLISH to a topic that is not allowed");
    if (p.level != qos::at_most_once)
        session_->refuse(p.id, p.level, why);
}

broker::message_ptr protocol::make_message(publish_packet const& p, std::string_view topic)
{
    auto const now = home().turn_wall();
    auto const& expiry_s = p.properties.message_expiry_interval_s;
    broker::message_fields fields;
    fields.app = session_->app();
    fields.topic = topic;
    fields.payload = p.payload;
    fields.level = p.level;
    fields.retain = p.retain;
    fields.publisher = session_->publisher_hash();
    fields.published_at = now;
    if (expiry_s)
        fields.expires_at = now + (*expiry_s == 0 ? immediate_ms : broker::wall_ms{*expiry_s} * 1000);
    for (auto const& [name, value] : p.properties.user)
        if (name == "event" && fields.event.empty())
            fields.event = value;  // what Pusher clients and others bind to
    fields.properties = to_message_properties(p.properties);
    return broker::message::make(std::move(fields));
}

// --- towards the client --------------------------------------------------------------------------

bool protocol::send_publish(broker::outgoing const& p)
{
    auto const& m = *p.message;
    publish_fields fields{.message = m,
                          .level = p.level,
                          .id = p.id,
                          .duplicate = p.duplicate,
                          .retain = p.retain,
                          .now = m.expires_at == 0 ? 0 : home().wall(),
                          .subscription_identifiers = p.identifiers,
                          .position = p.position};
    outbound_aliases::choice alias;
    if (extras_ && v5()) {
        alias = extras_->outbound.choose(m.topic());
        fields.topic_alias = alias.alias;
        fields.omit_topic = alias.bound;
    }
    bool const measured = peer_.maximum_packet_size < packet_bytes_max || m.footprint() >= packet_bytes_max / 2;
    if (measured && !fits(publish_size(fields, peer_.version), peer_))
        return false;  // and binds no alias
    if (alias.alias != 0 && !alias.bound)
        extras_->outbound.sent(alias, m.topic());

    auto& head = scratch();
    encode_publish_head(fields, peer_.version, head);
    home().metrics().messages_out[static_cast<std::size_t>(p.level)].add();
    if (m.payload().size() >= kept_payload_bytes)
        transmit(head, m.payload(), p.message);
    else
        transmit(head, m.payload());
    return true;
}

}  // namespace fulmar::mqtt
