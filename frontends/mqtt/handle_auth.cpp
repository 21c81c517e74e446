// AUTH: enhanced authentication before CONNACK, and re-authentication while connected (MQTT 5.0 §4.12, §3.15).
#include "frontends/mqtt/protocol_state.hpp"

namespace fulmar::mqtt {

void protocol::begin_exchange()
{
    auto const& properties = handshake_->connect.properties;
    handshake_->exchange = context_.authenticator.begin(*properties.authentication_method, handshake_->client_id);
    if (!handshake_->exchange)
        return refuse_connect(reason_code::bad_authentication_method, "unknown authentication method");
    continue_exchange(properties.authentication_data.value_or(""));
}

void protocol::continue_exchange(std::string_view client_data)
{
    auto step = handshake_->exchange->next(client_data);
    if (step.error)
        return on_authenticated(step.error);
    if (step.done) {
        if (!step.data.empty())
            handshake_->final_data = std::move(step.data);
        stage_ = stage::connecting;
        return on_authenticated(std::move(*step.done));
    }
    stage_ = stage::exchanging;
    send_auth(reason_code::continue_authentication, *handshake_->connect.properties.authentication_method, step.data);
}

// Before CONNACK a client may only answer with AUTH, or give up [MQTT-3.1.2-30].
std::size_t protocol::take_exchange(std::span<char const> in)
{
    auto const found = decode(in, peer_.version, {context_.settings.maximum_connect_size});
    if (found.status == decode_status::needs_more)
        return 0;
    if (found.status == decode_status::malformed) {
        home().metrics().protocol_errors.add();
        refuse_connect(found.error.reason, found.error.text());
        return in.size();
    }
    home().metrics().packets_in.add();
    if (std::holds_alternative<disconnect_packet>(found.content)) {
        shut();
        return found.consumed;
    }
    auto const* const auth = std::get_if<auth_packet>(&found.content);
    auto const& method = *handshake_->connect.properties.authentication_method;
    if (auth == nullptr || auth->reason != reason_code::continue_authentication ||
        auth->authentication_method != method) {
        home().metrics().protocol_errors.add();
        refuse_connect(reason_code::protocol_error, "AUTH of the same method is awaited");
        return found.consumed;
    }
    continue_exchange(auth->authentication_data.value_or(""));
    wait_unread();
    return found.consumed;
}

void protocol::on_auth(auth_packet const& p)
{
    bool const begins = p.reason == reason_code::re_authenticate;
    if (!extras_ || extras_->authentication_method.empty() ||
        p.authentication_method != extras_->authentication_method || begins == (extras_->reauthentication != nullptr)) {
        home().metrics().protocol_errors.add();
        return close_with(reason_code::protocol_error, "AUTH does not continue what CONNECT began");
    }
    if (begins)
        extras_->reauthentication = context_.authenticator.begin(p.authentication_method, session_->client_id());
    if (!extras_->reauthentication)
        return close_with(reason_code::bad_authentication_method, "unknown authentication method");
    continue_reauthentication(p.authentication_data.value_or(""));
}

// Traffic goes on meanwhile. The client stays who it is: only its permissions may change [MQTT-4.12.1-1, -2].
void protocol::continue_reauthentication(std::string_view client_data)
{
    auto const step = extras_->reauthentication->next(client_data);
    if (step.error || (step.done && step.done->user != session_->user())) {
        home().metrics().connect_failures.add();
        return close_with(reason_code::not_authorized, "re-authentication failed");
    }
    auto const& method = extras_->authentication_method;
    if (!step.done)
        return send_auth(reason_code::continue_authentication, method, step.data);
    extras_->reauthentication.reset();
    session_->set_permissions(step.done->allowed);
    send_auth(reason_code::success, method, step.data);
}

void protocol::send_auth(reason_code reason, std::string_view method, std::string_view data)
{
    auth_fields fields{.reason = reason, .authentication_method = method};
    if (!data.empty())
        fields.authentication_data = data;
    auto& out = scratch();
    if (encode_auth(fields, peer_, out))
        return transmit(out);
    if (stage_ == stage::connected)
        return close_with(reason_code::packet_too_large, "AUTH exceeds the client's Maximum Packet Size");
    refuse_connect(reason_code::packet_too_large, "AUTH exceeds the client's Maximum Packet Size");
}

}  // namespace fulmar::mqtt
