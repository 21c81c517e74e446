// The MQTT decoder: a stream of packets that arrives in pieces must give the same packets as one that arrives at
// once, no byte outside the input may be read, and what can be encoded again must decode to the same.
//
// Input: byte 0 chooses the version, byte 1 the sizes of the pieces; the rest is what the client sends.
#include "broker/message.hpp"
#include "broker/topic.hpp"
#include "frontends/mqtt/decoder.hpp"
#include "frontends/mqtt/encoder.hpp"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace fulmar;
using namespace fulmar::mqtt;

void require(bool holds)
{
    if (!holds)
        std::abort();
}

// An allocation of exactly this size, so that the sanitizer sees every read outside it.
class exact_bytes
{
public:
    explicit exact_bytes(std::string_view from) : size_{from.size()}, bytes_{std::make_unique<char[]>(from.size())}
    {
        if (!from.empty())
            std::memcpy(bytes_.get(), from.data(), from.size());
    }
    [[nodiscard]] std::span<char const> span() const { return {bytes_.get(), size_}; }

private:
    std::size_t size_;
    std::unique_ptr<char[]> bytes_;
};

// --- a packet as text, so that two of them can be compared ---------------------------------------------------------

class description
{
public:
    description& add(std::string_view text)
    {
        out_.append(std::to_string(text.size())).append(":").append(text).append(",");
        return *this;
    }
    template <class Number>
    requires std::is_integral_v<Number> || std::is_enum_v<Number> description& add(Number n)
    {
        out_.append(std::to_string(static_cast<std::uint64_t>(n))).append(",");
        return *this;
    }
    template <class T>
    description& add(std::optional<T> const& value)
    {
        if (value)
            return add(*value);
        out_.append("-,");
        return *this;
    }
    description& add(user_properties const& user)
    {
        std::size_t seen = 0;
        for (auto const& [name, value] : user) {
            add(name).add(value);
            require(broker::valid_utf8(name) && broker::valid_utf8(value));
            ++seen;
        }
        require(seen == user.size());
        return *this;
    }
    [[nodiscard]] std::string take() { return std::move(out_); }

private:
    std::string out_;
};

struct describe
{
    description& d;

    void operator()(std::monostate) const { require(false); }
    void operator()(pingreq_packet const&) const { d.add("ping"); }
    void operator()(connect_packet const& p) const
    {
        d.add(p.version).add(p.clean_start).add(p.keep_alive_s).add(p.client_id).add(p.user_name).add(p.password);
        auto const& q = p.properties;
        d.add(q.session_expiry_interval_s).add(q.receive_maximum).add(q.maximum_packet_size).add(q.topic_alias_maximum);
        d.add(q.authentication_method).add(q.authentication_data).add(q.user);
        require(q.receive_maximum != 0 && q.maximum_packet_size != 0U);
        if (!p.will)
            return;
        require(broker::valid_topic_name(p.will->topic) && p.will->level <= qos::exactly_once);
        d.add(p.will->topic).add(p.will->payload).add(p.will->level).add(p.will->properties.delay_interval_s);
        d.add(p.will->properties.user);
    }
    void operator()(publish_packet const& p) const
    {
        auto const& q = p.properties;
        require((p.id == 0) == (p.level == qos::at_most_once));
        require(p.topic.empty() ? q.topic_alias.has_value() : broker::valid_topic_name(p.topic));
        require(broker::valid_utf8(p.topic));
        d.add(p.topic).add(p.payload).add(p.id).add(p.level).add(p.duplicate).add(p.retain).add(q.payload_format);
        d.add(q.message_expiry_interval_s).add(q.topic_alias).add(q.content_type.value_or("")).add(q.response_topic);
        d.add(q.correlation_data).add(q.user);
    }
    void operator()(ack_packet const& p) const
    {
        require(p.id != 0 && allowed(p.reason, p.type, sender::client));
        d.add(p.type).add(p.id).add(p.reason).add(p.reason_string.value_or("")).add(p.user);
    }
    void operator()(subscribe_packet const& p) const
    {
        require(p.id != 0 && !p.subscriptions.empty());
        d.add(p.id).add(p.identifier).add(p.user);
        for (auto const& s : p.subscriptions) {
            require(s.options.level <= qos::exactly_once && broker::valid_utf8(s.filter));
            d.add(s.filter).add(s.options.level).add(s.options.no_local).add(s.options.retained);
        }
    }
    void operator()(unsubscribe_packet const& p) const
    {
        require(p.id != 0 && !p.filters.empty());
        d.add(p.id).add(p.user);
        for (auto const filter : p.filters)
            d.add(filter);
    }
    void operator()(disconnect_packet const& p) const
    {
        d.add(p.reason).add(p.session_expiry_interval_s).add(p.reason_string).add(p.user);
    }
    void operator()(auth_packet const& p) const
    {
        d.add(p.reason).add(p.authentication_method).add(p.authentication_data).add(p.reason_string).add(p.user);
    }
};

std::string text_of(packet const& p)
{
    description d;
    std::visit(describe{d}, p);
    return d.take();
}

// --- round trips --------------------------------------------------------------------------------------------------

void round_trip(publish_packet const& p, protocol_version version)
{
    auto properties = std::make_unique<broker::message_properties>();
    auto const& q = p.properties;
    properties->payload_format = q.payload_format;
    properties->content_type = q.content_type.value_or("");
    properties->response_topic = q.response_topic.value_or("");
    if (q.correlation_data)
        properties->correlation_data = std::string{*q.correlation_data};
    for (auto const& [name, value] : q.user)
        properties->user.push_back({std::string{name}, std::string{value}});
    broker::message_fields fields;
    fields.topic = p.topic;
    fields.payload = p.payload;
    fields.expires_at = q.message_expiry_interval_s.value_or(0) * broker::wall_ms{1000};
    fields.properties = std::move(properties);
    bool const same_expiry = q.message_expiry_interval_s != 0U;  // 0 is what a message without expiry looks like here
    auto const m = broker::message::make(std::move(fields));
    publish_fields out{.message = *m};
    out.level = p.level;
    out.id = p.id;
    out.duplicate = p.duplicate;
    out.retain = p.retain;
    out.topic_alias = q.topic_alias.value_or(0);
    bool const same_alias = q.topic_alias != 0;
    std::vector<char> bytes;
    encode_publish(out, version, bytes);
    require(bytes.size() == publish_size(out, version));
    auto const again = decode(bytes, version, {});
    require(p.topic.empty() || again.status == decode_status::complete);
    if (same_expiry && same_alias && again.status == decode_status::complete)
        require(text_of(again.content) == text_of(packet{p}));
}

void round_trip(ack_packet const& p, protocol_version version)
{
    std::vector<broker::user_property> user;
    for (auto const& [name, value] : p.user)
        user.push_back({std::string{name}, std::string{value}});
    std::string bytes;
    explanation const why{p.reason_string.value_or(""), user};
    require(encode_ack(p.type, p.id, p.reason, {.version = version}, bytes, why));
    auto const again = decode(bytes, version, {});
    require(again.status == decode_status::complete && again.consumed == bytes.size());
    require(text_of(again.content) == text_of(packet{p}));
}

void round_trip(packet const& p, protocol_version version)
{
    if (auto const* const publish = std::get_if<publish_packet>(&p))
        round_trip(*publish, version);
    else if (auto const* const ack = std::get_if<ack_packet>(&p))
        round_trip(*ack, version);
}

// --- the stream ---------------------------------------------------------------------------------------------------

// A connection's view of the decoder; `log` is everything that it saw.
class stream
{
public:
    explicit stream(unsigned choice) : choice_{choice} {}

    // Takes packets from `in` until it needs more; returns how many bytes were consumed.
    std::size_t feed(std::string_view in)
    {
        std::size_t consumed = 0;
        while (!broken_) {
            exact_bytes const rest{in.substr(consumed)};
            auto const d = connected_ ? decode(rest.span(), version_, limits_) : decode_connect(rest.span(), limits_);
            if (d.status == decode_status::needs_more) {
                require(d.wanted == 0 || d.wanted > rest.span().size());
                require(d.wanted <= limits_.maximum_packet_size);
                break;
            }
            if (d.status == decode_status::malformed) {
                broken_ = true;
                require(is_error(d.error.reason) && !d.error.what.empty());
                log.append("! ").append(d.error.text()).append("\n");
                break;
            }
            require(d.consumed >= 2 && d.consumed <= rest.span().size());
            take(d);
            consumed += d.consumed;
        }
        return consumed;
    }

    [[nodiscard]] bool broken() const { return broken_; }
    std::string log;

private:
    void take(decoded const& d)
    {
        log.append(text_of(d.content)).append("\n");
        if (auto const* const connect = std::get_if<connect_packet>(&d.content)) {
            connected_ = true;
            version_ = connect->version;
            return;
        }
        round_trip(d.content, version_);
    }

    unsigned choice_;
    // 0..2: as if a CONNECT of that version had been seen; 3: begins with CONNECT.
    bool connected_ = choice_ % 4 != 3;
    protocol_version version_ = static_cast<protocol_version>(3 + choice_ % 4 % 3);
    decode_limits limits_{.maximum_packet_size = (choice_ & 4U) != 0 ? 64 : packet_bytes_max};
    bool broken_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* bytes, std::size_t size)
{
    if (size < 2)
        return 0;
    std::string_view const input{reinterpret_cast<char const*>(bytes) + 2, size - 2};
    stream at_once{bytes[0]};
    at_once.feed(input);

    stream in_pieces{bytes[0]};
    std::uint32_t random = bytes[1] * 2654435761U + 1;
    std::size_t begin = 0;
    std::size_t end = 0;
    while (end < input.size() && !in_pieces.broken()) {
        random = random * 1664525U + 1013904223U;
        end = std::min(input.size(), end + 1 + (random >> 16U) % (1U + bytes[1] % 32U));
        begin += in_pieces.feed(input.substr(begin, end - begin));
    }
    require(at_once.log == in_pieces.log);
    return 0;
}
