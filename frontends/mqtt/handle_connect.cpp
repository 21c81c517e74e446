// CONNECT: is it acceptable, who is it, which session; CONNACK; then what was pipelined behind it (MQTT 5.0 §3.1,
// §3.2).
#include "broker/session_table.hpp"
#include "broker/topic.hpp"
#include "frontends/mqtt/protocol_state.hpp"

#include <sys/random.h>

namespace fulmar::mqtt {

namespace {

// 128 random bits: never given twice, also not by another node or after a restart [MQTT-3.2.2-16].
std::string random_client_id()
{
    unsigned char bits[16];
    FULMAR_ASSERT(getentropy(bits, sizeof bits) == 0);
    std::string id = "fulmar-";
    for (auto const byte : bits) {
        id += "0123456789abcdef"[byte >> 4U];
        id += "0123456789abcdef"[byte & 15U];
    }
    return id;
}

std::uint32_t asked_expiry(connect_packet const& c)
{
    if (c.version == protocol_version::v5)
        return c.properties.session_expiry_interval_s.value_or(0);
    return c.clean_start ? 0 : 0xFFFFFFFF;
}

std::uint32_t granted_expiry(std::uint32_t asked_s, broker::limits const& limit)
{
    return std::min(asked_s, limit.session_expiry_max_s);
}

std::optional<broker::will_record> will_of(connect_packet const& c)
{
    if (!c.will)
        return std::nullopt;
    auto const& will = *c.will;
    auto const& given = will.properties;
    broker::will_record out;
    out.topic = will.topic;
    out.payload = will.payload;
    out.level = will.level;
    out.retain = will.retain;
    out.delay_s = given.delay_interval_s;
    out.expiry_s = given.message_expiry_interval_s;
    out.properties.payload_format = given.payload_format;
    out.properties.content_type = given.content_type.value_or("");
    out.properties.response_topic = given.response_topic.value_or("");
    if (given.correlation_data)
        out.properties.correlation_data = *given.correlation_data;
    for (auto const& [name, value] : given.user)
        out.properties.user.push_back({std::string{name}, std::string{value}});
    return out;
}

}  // namespace

std::size_t protocol::take_connect(std::span<char const> in)
{
    decode_limits const limits{context_.settings.maximum_connect_size};
    auto found = decode_connect(in, limits);
    if (found.status == decode_status::needs_more)
        return 0;
    home().metrics().packets_in.add(found.status == decode_status::complete ? 1 : 0);
    if (found.status == decode_status::malformed) {
        home().metrics().protocol_errors.add();
        home().metrics().connect_failures.add();
        auto& out = scratch();
        connack_fields const answer{.reason = found.error.reason};
        if (found.error.answer_as && encode_connack(answer, {.version = *found.error.answer_as}, out))
            transmit(out);
        shut(found.error.text());
        return in.size();
    }

    handshake_ = std::make_unique<handshake>();
    handshake_->bytes.assign(in.data(), found.consumed);
    handshake_->connect = std::get<connect_packet>(decode_connect(handshake_->bytes, limits).content);
    auto const& c = handshake_->connect;
    peer_.version = c.version;
    peer_.maximum_packet_size = c.properties.maximum_packet_size.value_or(packet_bytes_max);
    peer_.problem_information = c.properties.request_problem_information;
    stage_ = stage::connecting;

    auto const consumed = found.consumed;
    if (auto const refused = acceptable(c); is_error(refused)) {
        refuse_connect(refused, "CONNECT asks for what is not offered here");
        return consumed;
    }
    handshake_->id_assigned = c.client_id.empty();
    handshake_->client_id = c.client_id.empty() ? random_client_id() : std::string{c.client_id};
    authenticate();
    wait_unread();
    return consumed;
}

// What can be refused without knowing who it is; success: nothing.
reason_code protocol::acceptable(connect_packet const& c) const
{
    auto const& settings = context_.settings;
    if (settings.redirect == redirection::temporarily)
        return reason_code::use_another_server;
    if (settings.redirect == redirection::permanently)
        return reason_code::server_moved;
    if (c.client_id.empty() && (!settings.allow_zero_length_client_id || (!v5() && !c.clean_start)))
        return reason_code::client_identifier_not_valid;
    if (!c.will)
        return reason_code::success;
    if (static_cast<std::uint8_t>(c.will->level) > settings.max_qos)
        return reason_code::qos_not_supported;
    if (c.will->retain && !settings.retain_available)
        return reason_code::retain_not_supported;
    if (c.will->properties.payload_format == 1 && !broker::valid_utf8(c.will->payload))
        return reason_code::payload_format_invalid;
    return reason_code::success;
}

// Packets behind CONNECT stay with the connection until its outcome is known, and are never looked at if it is refused
// [MQTT-3.1.4-6]. Resuming offers them again.
void protocol::wait_unread()
{
    if (stage_ == stage::connecting && !std::exchange(handshake_->reading_paused, true))
        wire_.pause_reading();
}

void protocol::authenticate()
{
    auto const& c = handshake_->connect;
    if (c.properties.authentication_method)
        return begin_exchange();
    auto const& peer = wire_.remote();
    broker::credentials const who{.client_id = handshake_->client_id,
                                  .user = c.user_name,
                                  .password = c.password,
                                  .certificate_subject = peer.certificate_subject,
                                  .peer_address = peer.address,
                                  .loopback = peer.loopback};
    context_.authenticator.authenticate(
        who, home().io(),
        [this, alive = std::weak_ptr<char const>{handshake_->alive}](broker::result<broker::identity> result) {
            if (!alive.expired())
                on_authenticated(std::move(result));
        });
}

void protocol::on_authenticated(broker::result<broker::identity> who)
{
    if (!who)
        return refuse_connect(reason_for(who.error(), packet_type::connack),
                              "authentication failed: " + who.error().message());
    rules_seen_ = context_.rules_generation.load(std::memory_order_relaxed);
    auto const& will = handshake_->connect.will;
    if (will && (will->topic.starts_with('$') || !who->allowed || !who->allowed->may_publish(will->topic)))
        return refuse_connect(reason_code::not_authorized, "the will's topic is not allowed");
    claim_session(*who);
}

void protocol::claim_session(broker::identity const& who)
{
    auto const& c = handshake_->connect;
    handshake_->expiry_asked_s = asked_expiry(c);
    handshake_->expiry_s = granted_expiry(handshake_->expiry_asked_s, home().limit());
    asked_no_expiry_ = handshake_->expiry_asked_s == 0;

    broker::claim_request request;
    request.app = who.app;
    request.client_id = handshake_->client_id;
    request.user = who.user;
    request.clean_start = c.clean_start;
    request.settings.receive_maximum = c.properties.receive_maximum.value_or(65'535);
    request.settings.maximum_packet_size = c.properties.maximum_packet_size.value_or(0);
    request.settings.expiry_s = handshake_->expiry_s;
    request.settings.allowed = who.allowed;
    request.settings.will = will_of(c);

    std::weak_ptr<char const> const alive = handshake_->alive;
    auto const ticket =
        home().sessions().claim(std::move(request), *this, [this, alive](broker::result<broker::claim_result> claimed) {
            if (!alive.expired())
                on_claimed(std::move(claimed));
        });
    if (!alive.expired())
        handshake_->claim = ticket;
}

void protocol::on_claimed(broker::result<broker::claim_result> claimed)
{
    handshake_->claim = 0;
    if (!claimed) {
        auto const error = claimed.error();
        auto const reason = error == broker::errc::shutting_down ? reason_code::server_unavailable
                                                                 : reason_for(error, packet_type::connack);
        return refuse_connect(reason, "the session is refused: " + error.message());
    }
    session_ = claimed->resumed;
    stage_ = stage::connected;
    auto done = std::move(handshake_);
    if (!send_connack(*done, claimed->present))
        return close_with(reason_code::packet_too_large, "CONNACK exceeds the client's Maximum Packet Size");
    finish_connect(std::move(done));
}

bool protocol::send_connack(handshake const& h, bool session_present)
{
    auto const& settings = context_.settings;
    auto const& c = h.connect;
    connack_fields answer;
    answer.session_present = session_present;
    if (h.expiry_s != h.expiry_asked_s)
        answer.session_expiry_interval_s = h.expiry_s;
    if (auto const maximum = home().limit().receive_maximum; maximum != 65'535)
        answer.receive_maximum = maximum;
    if (settings.max_qos < 2)
        answer.maximum_qos = settings.max_qos;
    if (!settings.retain_available)
        answer.retain_available = false;
    answer.maximum_packet_size = settings.maximum_packet_size;
    if (h.id_assigned)
        answer.assigned_client_id = h.client_id;
    if (settings.topic_alias_maximum > 0)
        answer.topic_alias_maximum = settings.topic_alias_maximum;
    if (!settings.wildcards_available)
        answer.wildcard_subscription_available = false;
    if (!settings.subscription_identifiers_available)
        answer.subscription_identifier_available = false;
    if (!settings.shared_subscriptions_available)
        answer.shared_subscription_available = false;
    if (auto const most = settings.keep_alive_max_s;
        v5() && most != 0 && (c.keep_alive_s == 0 || c.keep_alive_s > most))
        answer.server_keep_alive_s = most;
    std::string response_information;
    if (c.properties.request_response_information && !settings.response_information_prefix.empty())
        response_information = settings.response_information_prefix + h.client_id;
    answer.response_information = response_information;
    if (c.properties.authentication_method)
        answer.authentication_method = *c.properties.authentication_method;
    if (h.final_data)
        answer.authentication_data = *h.final_data;
    auto& out = scratch();
    if (!encode_connack(answer, peer_, out))
        return false;
    transmit(out);
    arm_keep_alive(answer.server_keep_alive_s.value_or(c.keep_alive_s));
    return true;
}

void protocol::finish_connect(std::unique_ptr<handshake> h)
{
    auto const& properties = h->connect.properties;
    if (auto const aliases = std::min(properties.topic_alias_maximum, context_.settings.topic_alias_maximum);
        aliases > 0)
        more().outbound = outbound_aliases{aliases};
    if (properties.authentication_method)
        more().authentication_method = *properties.authentication_method;

    home().sessions().begin(*session_);
    if (h->reading_paused && stage_ == stage::connected)
        wire_.resume_reading();
}

void protocol::refuse_connect(reason_code reason, std::string_view what)
{
    home().metrics().connect_failures.add();
    if (handshake_->claim != 0)
        home().sessions().cancel(handshake_->claim);
    connack_fields answer{.reason = reason};
    if (reason == reason_code::use_another_server || reason == reason_code::server_moved)
        answer.server_reference = context_.settings.server_reference;
    auto& out = scratch();
    if (encode_connack(answer, peer_, out))
        transmit(out);
    shut(what);
}

}  // namespace fulmar::mqtt
