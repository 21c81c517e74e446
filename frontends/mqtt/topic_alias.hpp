// Topic aliases of one connection: a table per direction. Both begin empty and end with the connection [MQTT-3.3.2-7].
//
// Spec:     MQTT 5.0 §3.3.2.3.4; [MQTT-3.3.2-8..-12, 3.1.2-26, -27, 3.2.2-17, -18].
// Owner:    the protocol of the connection, by value.
// Threads:  shard-owned.
// Limits:   at most `maximum` topics each (a topic has at most 65,535 bytes).
// Cost:     empty tables allocate nothing; inbound look-up is an index, outbound one hash look-up.
#pragma once

#include "frontends/mqtt/reason_code.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace fulmar::mqtt {

// What the client's aliases mean.
class inbound_aliases
{
public:
    // `maximum`: the Topic Alias Maximum that CONNACK announced; 0: no aliases.
    explicit inbound_aliases(std::uint16_t maximum) noexcept : maximum_{maximum} {}

    // Binds or looks up. `topic` is the topic name of the PUBLISH (possibly empty); on success it is the full name,
    // as a view into the packet or into this table (valid until the next call). To be called for every PUBLISH with
    // an alias, before it can be refused for other reasons: a refused message binds its alias all the same.
    // Fails with topic_alias_invalid (alias 0 or above the maximum) or protocol_error (empty topic, alias not bound):
    // close the connection with that code.
    [[nodiscard]] reason_code resolve(std::uint16_t alias, std::string_view& topic);

private:
    std::uint16_t maximum_;
    std::vector<std::string> topics_;  // index: alias - 1; empty: not bound; grows to the highest alias used
};

// Which alias stands for which topic towards the client. The first topics seen get the aliases and keep them: no
// traffic pattern can make the table thrash.
class outbound_aliases
{
public:
    // `maximum`: the smaller of the client's Topic Alias Maximum and our own bound.
    explicit outbound_aliases(std::uint16_t maximum) noexcept : maximum_{maximum} {}

    struct choice
    {
        std::uint16_t alias = 0;  // 0: send the topic without an alias
        bool bound = false;       // the client knows it: omit the topic
    };

    // What to send for `topic`. Binds nothing: a message that is then dropped for its size leaves no trace
    // [MQTT-3.1.2-25].
    [[nodiscard]] choice choose(std::string_view topic) const noexcept;

    // The PUBLISH with this choice went into the outbox: from now on the alias stands for `topic`.
    void sent(choice const& c, std::string_view topic);

private:
    struct text_hash : std::hash<std::string_view>
    {
        using is_transparent = void;
    };

    std::uint16_t maximum_;
    std::unordered_map<std::string, std::uint16_t, text_hash, std::equal_to<>> aliases_;
};

}  // namespace fulmar::mqtt
