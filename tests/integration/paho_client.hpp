// A Paho C++ client with the few things that the integration tests do with one, each waiting for its end.
#pragma once

#include "tests/support/broker_process.hpp"

#include <mqtt/async_client.h>
#include <optional>
#include <string>

namespace fulmar::test {

enum class paho_transport { tcp, tls, websocket, websocket_tls };

struct paho_settings
{
    std::string client_id;
    int version = MQTTVERSION_5;
    paho_transport over = paho_transport::tcp;
    bool clean = true;
    std::uint32_t expiry_s = 0;    // MQTT 5 only
    std::string ca;                // TLS
    std::string certificate, key;  // TLS client certificate, may be empty
    std::optional<mqtt::message> will;
    std::string user, password;
};

class paho_client
{
public:
    paho_client(broker_process const& broker, paho_settings settings)
        : settings_(std::move(settings)),
          client_(uri(broker, settings_.over), settings_.client_id, mqtt::create_options(settings_.version), nullptr)
    {
        client_.start_consuming();
    }

    ~paho_client()
    {
        try {
            client_.stop_consuming();
            if (client_.is_connected())
                client_.disconnect()->wait_for(patience);
        } catch (mqtt::exception const&) {
            // The test has ended: there is nobody left to tell.
        }
    }

    // Returns whether the broker had a session; throws mqtt::exception if it refuses.
    bool connect()
    {
        auto const token = client_.connect(options());
        if (!token->wait_for(patience))
            throw std::runtime_error("no answer to CONNECT");
        return token->get_connect_response().is_session_present();
    }

    void disconnect() { client_.disconnect()->wait_for(patience); }

    void subscribe(std::string const& filter, int qos, mqtt::subscribe_options options = {},
                   mqtt::properties props = {})
    {
        if (!client_.subscribe(filter, qos, options, props)->wait_for(patience))
            throw std::runtime_error("no answer to SUBSCRIBE");
    }

    void publish(mqtt::const_message_ptr message)
    {
        if (!client_.publish(std::move(message))->wait_for(patience))
            throw std::runtime_error("no acknowledgement of PUBLISH");
    }

    void publish(std::string const& topic, std::string const& payload, int qos, bool retained = false)
    {
        publish(mqtt::make_message(topic, payload, qos, retained));
    }

    // The next message; null if none comes in time.
    mqtt::const_message_ptr take(std::chrono::milliseconds limit = patience)
    {
        mqtt::const_message_ptr message;
        auto const deadline = std::chrono::steady_clock::now() + limit;
        // Paho puts an empty pointer into the queue when a connection is lost.
        while (!message && std::chrono::steady_clock::now() < deadline)
            client_.try_consume_message_for(&message, std::chrono::milliseconds{200});
        return message;
    }

    std::string take_payload()
    {
        auto const message = take();
        return message ? message->to_string() : "(nothing came)";
    }

    mqtt::async_client& raw() { return client_; }

private:
    static std::string uri(broker_process const& broker, paho_transport over)
    {
        switch (over) {
        case paho_transport::tls: return broker.uri("ssl", "mqtts");
        case paho_transport::websocket: return broker.uri("ws", "http", "/mqtt");
        case paho_transport::websocket_tls: return broker.uri("wss", "https", "/mqtt");
        default: return broker.uri("tcp", "mqtt");
        }
    }

    [[nodiscard]] mqtt::connect_options options() const
    {
        mqtt::connect_options o;
        o.set_mqtt_version(settings_.version);
        o.set_keep_alive_interval(20);
        if (settings_.version == MQTTVERSION_5) {
            o.set_clean_start(settings_.clean);
            o.set_properties({{mqtt::property::SESSION_EXPIRY_INTERVAL, static_cast<int>(settings_.expiry_s)}});
        } else {
            o.set_clean_session(settings_.clean);
        }
        if (settings_.will)
            o.set_will_message(*settings_.will);
        if (!settings_.user.empty()) {
            o.set_user_name(settings_.user);
            o.set_password(settings_.password);
        }
        if (settings_.over == paho_transport::tls || settings_.over == paho_transport::websocket_tls) {
            mqtt::ssl_options ssl;
            ssl.set_trust_store(settings_.ca);
            ssl.set_verify(true);
            if (!settings_.certificate.empty()) {
                ssl.set_key_store(settings_.certificate);
                ssl.set_private_key(settings_.key);
            }
            o.set_ssl(ssl);
        }
        return o;
    }

    paho_settings const settings_;
    mqtt::async_client client_;
};

}  // namespace fulmar::test
