// The properties of MQTT 5: one table of what each is and where it may stand, and a walk over an encoded block.
//
// Spec:     MQTT 5.0 §2.2.2 (table 2-4), §1.5 (data types).
// Threads:  pure functions and values, any thread.
// Limits:   a block is part of a packet whose size was checked; nothing is allocated.
#pragma once

#include "frontends/mqtt/packet_type.hpp"
#include "frontends/mqtt/reason_code.hpp"

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>
#include <string_view>

namespace fulmar::mqtt {

enum class property_id : std::uint8_t {
    payload_format_indicator = 1,
    message_expiry_interval = 2,
    content_type = 3,
    response_topic = 8,
    correlation_data = 9,
    subscription_identifier = 11,
    session_expiry_interval = 17,
    assigned_client_identifier = 18,
    server_keep_alive = 19,
    authentication_method = 21,
    authentication_data = 22,
    request_problem_information = 23,
    will_delay_interval = 24,
    request_response_information = 25,
    response_information = 26,
    server_reference = 28,
    reason_string = 31,
    receive_maximum = 33,
    topic_alias_maximum = 34,
    topic_alias = 35,
    maximum_qos = 36,
    retain_available = 37,
    user_property = 38,
    maximum_packet_size = 39,
    wildcard_subscription_available = 40,
    subscription_identifier_available = 41,
    shared_subscription_available = 42,
};

enum class property_type : std::uint8_t {
    boolean,  // one byte, 0 or 1
    two_byte,
    four_byte,
    variable,  // variable byte integer
    binary,
    utf8,
    utf8_pair,
};

// Where a property may stand: a bit per packet type; bit 0 is the will properties inside CONNECT.
using property_places = std::uint16_t;
inline constexpr property_places in_will = 1U << 0U;
[[nodiscard]] constexpr property_places in(packet_type type) noexcept
{
    return static_cast<property_places>(1U << static_cast<unsigned>(type));
}

struct property_rule
{
    property_id id{};
    property_type type{};
    property_places places = 0;
    property_places repeatable = 0;  // where it may occur more than once
    bool zero_allowed = true;        // false: a value of 0 is a protocol error
    std::string_view name;           // as in the specification; empty: no such property
};

// Null for identifiers that the specification does not know.
[[nodiscard]] property_rule const* find_rule(std::uint32_t id) noexcept;
[[nodiscard]] std::span<property_rule const> all_rules() noexcept;

struct property_value
{
    std::uint32_t number = 0;  // boolean, two_byte, four_byte, variable
    std::string_view text;     // binary, utf8; the name of a utf8_pair
    std::string_view second;   // the value of a utf8_pair
};

// What is wrong with a packet, as the protocol answers it and an operator reads it.
struct fault
{
    reason_code reason = reason_code::success;
    std::string_view what;  // a literal: "a topic name contains a wildcard"
    [[nodiscard]] explicit operator bool() const noexcept { return reason != reason_code::success; }
};

// Reads the properties in a block (without its length) one after the other and checks every rule of the table.
//
// Threads:  a value.
// Cost:     no allocation.
class property_reader
{
public:
    property_reader(std::string_view block, property_places place) noexcept : rest_{block}, place_{place} {}

    // False at the end of the block or at a fault: then `error` says which.
    [[nodiscard]] bool next(property_id& id, property_value& value) noexcept;
    [[nodiscard]] fault const& error() const noexcept { return error_; }

private:
    [[nodiscard]] bool read(property_rule const& rule, property_value& value) noexcept;

    std::string_view rest_;
    property_places place_;
    std::uint64_t seen_ = 0;  // a bit per identifier
    fault error_;
};

struct user_property_view
{
    std::string_view name;
    std::string_view value;
    friend bool operator==(user_property_view const&, user_property_view const&) = default;
};

// The user properties inside a checked block, in order, as views; empty for most packets.
// Lives as long as the input does.
class user_properties
{
public:
    user_properties() = default;
    user_properties(std::string_view checked_block, std::uint32_t count) noexcept : block_{checked_block}, count_{count}
    {
    }

    class iterator
    {
    public:
        using iterator_category = std::input_iterator_tag;
        using value_type = user_property_view;
        using difference_type = std::ptrdiff_t;
        using pointer = user_property_view const*;
        using reference = user_property_view const&;

        iterator() = default;
        iterator(std::string_view rest, std::uint32_t left) noexcept : rest_{rest}, left_{left} { advance(); }
        reference operator*() const noexcept { return current_; }
        pointer operator->() const noexcept { return &current_; }
        iterator& operator++() noexcept
        {
            --left_;
            advance();
            return *this;
        }
        void operator++(int) noexcept { ++*this; }
        friend bool operator==(iterator const& a, iterator const& b) noexcept { return a.left_ == b.left_; }

    private:
        void advance() noexcept;  // finds the next user property in rest_, if left_ says that there is one
        std::string_view rest_;
        std::uint32_t left_ = 0;
        user_property_view current_;
    };

    [[nodiscard]] iterator begin() const noexcept { return {block_, count_}; }
    [[nodiscard]] iterator end() const noexcept { return {}; }
    [[nodiscard]] bool empty() const noexcept { return count_ == 0; }
    [[nodiscard]] std::size_t size() const noexcept { return count_; }

private:
    std::string_view block_;
    std::uint32_t count_ = 0;
};

}  // namespace fulmar::mqtt
