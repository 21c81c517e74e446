// One subscription of one session: a filter with its options.
//
// Spec: MQTT 5.0 §3.8.3.1 (options), §3.8.2.1.2 (identifier).
#pragma once

#include "broker/ids.hpp"
#include "broker/message.hpp"

#include <string>

namespace fulmar::broker {

enum class retain_handling : std::uint8_t { send = 0, send_if_new = 1, do_not_send = 2 };

struct subscription_options
{
    qos level = qos::at_most_once;
    bool no_local = false;
    bool retain_as_published = false;
    retain_handling retained = retain_handling::send;
    std::uint32_t identifier = 0;  // 1..268'435'455; 0 = none
    friend bool operator==(subscription_options const&, subscription_options const&) = default;
};

struct subscription
{
    std::string filter;  // as the client wrote it, including "$share/<group>/"
    subscription_options options;
    log_sequence begin = 0;  // durable sessions: messages after this position belong to it
};

}  // namespace fulmar::broker
