#include "frontends/grpc/message_frame.hpp"

#include "broker/topic.hpp"
#include "frontends/net/message_json.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace fulmar::grpc {

namespace {

// (field number << 3) | wire type; 2: bytes with their length, 0: a number.
enum tag : std::uint8_t {
    messages_of_response = 1 << 3 | 2,
    topic_of_message = 1 << 3 | 2,
    payload_of_message = 2 << 3 | 2,
    event_of_message = 3 << 3 | 2,
    content_type_of_message = 4 << 3 | 2,
    published_at_of_message = 5 << 3 | 0,
    position_of_message = 6 << 3 | 2,
};

[[nodiscard]] std::size_t number_size(std::uint64_t number) noexcept
{
    std::size_t bytes = 1;
    for (; number >= 0x80; number >>= 7)
        ++bytes;
    return bytes;
}

void put_number(std::vector<char>& out, std::uint64_t number)
{
    for (; number >= 0x80; number >>= 7)
        out.push_back(static_cast<char>(number | 0x80));
    out.push_back(static_cast<char>(number));
}

[[nodiscard]] std::size_t text_size(std::string_view text) noexcept
{
    return text.empty() ? 0 : 1 + number_size(text.size()) + text.size();
}

void put_text(std::vector<char>& out, tag field, std::string_view text)
{
    if (text.empty())
        return;
    out.push_back(static_cast<char>(field));
    put_number(out, text.size());
    out.insert(out.end(), text.begin(), text.end());
}

// Fields of type string must be UTF-8; an event or content type of another protocol that is not is left out.
[[nodiscard]] std::string_view as_text(std::string_view bytes) noexcept
{
    return broker::valid_utf8(bytes) ? bytes : std::string_view{};
}

[[nodiscard]] std::string_view event_of(broker::message const& m) noexcept { return as_text(m.event()); }
[[nodiscard]] std::string_view content_type_of(broker::message const& m) noexcept
{
    return m.properties == nullptr ? std::string_view{} : as_text(m.properties->content_type);
}

class message_variant final : public broker::wire_variant
{
public:
    void encode(broker::message const& m, bool, broker::wall_ms, std::vector<char>& out) const override
    {
        append_frame(m, 0, out);
    }
    [[nodiscard]] broker::history_use history() const noexcept override { return broker::history_use::each; }
};

}  // namespace

void append_frame(broker::message const& m, broker::log_sequence sequence, std::vector<char>& out)
{
    auto const position = sequence == 0 ? std::string{} : net::cursor_text(sequence);
    auto const event = event_of(m);
    auto const content_type = content_type_of(m);
    auto const size = text_size(m.topic()) + text_size(m.payload()) + text_size(event) + text_size(content_type) +
                      (m.published_at == 0 ? 0 : 1 + number_size(m.published_at)) + text_size(position);
    out.push_back(static_cast<char>(messages_of_response));
    put_number(out, size);
    put_text(out, topic_of_message, m.topic());
    put_text(out, payload_of_message, m.payload());
    put_text(out, event_of_message, event);
    put_text(out, content_type_of_message, content_type);
    if (m.published_at != 0) {
        out.push_back(static_cast<char>(published_at_of_message));
        put_number(out, m.published_at);
    }
    put_text(out, position_of_message, position);
}

void fill_message(broker::logged_message const& item, v1::Message& out)
{
    auto const& m = *item.message;
    out.set_topic(m.topic().data(), m.topic().size());
    out.set_payload(m.payload().data(), m.payload().size());
    auto const event = event_of(m);
    out.set_event(event.data(), event.size());
    auto const content_type = content_type_of(m);
    out.set_content_type(content_type.data(), content_type.size());
    out.set_published_at_ms(static_cast<std::int64_t>(m.published_at));
    if (item.sequence != 0)
        out.set_position(net::cursor_text(item.sequence));
}

broker::wire_variant const& shared_frames() noexcept
{
    static message_variant const only;
    return only;
}

}  // namespace fulmar::grpc
