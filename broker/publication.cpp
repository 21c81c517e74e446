#include "broker/publication.hpp"

#include "broker/topic.hpp"

#include <algorithm>

namespace fulmar::broker {

namespace {

[[nodiscard]] bool printable(std::string_view text) noexcept
{
    return valid_utf8(text) && std::none_of(text.begin(), text.end(),
                                            [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

}  // namespace

std::optional<publication_problem> problem_of(publication_view const& p, std::size_t payload_bytes_max) noexcept
{
    if (p.topic.empty())
        return publication_problem{false, "no topic is given"};
    if (!valid_utf8(p.topic) || !valid_topic_name(p.topic))
        return publication_problem{false, "the topic is no valid topic name"};
    if (p.event.size() > event_name_bytes_max || !printable(p.event))
        return publication_problem{false, "the event name is longer than 200 bytes or no plain text"};
    if (p.content_type.size() > content_type_bytes_max || !printable(p.content_type))
        return publication_problem{false, "the content type is longer than 256 bytes or no plain text"};
    if (p.payload.size() > payload_bytes_max)
        return publication_problem{true, "the message is larger than http.event_bytes_max"};
    return std::nullopt;
}

message_ptr message_of(publication_view const& p, app_id app, wall_ms now)
{
    message_fields fields;
    fields.app = app;
    fields.topic = p.topic;
    fields.payload = p.payload;
    fields.event = p.event;
    fields.level = p.level;
    fields.retain = p.retain;
    fields.published_at = now;
    fields.expires_at = p.expiry_s == 0 ? 0 : now + wall_ms{p.expiry_s} * 1000;
    if (!p.content_type.empty()) {
        auto properties = std::make_unique<message_properties>();
        properties->content_type = p.content_type;
        fields.properties = std::move(properties);
    }
    return message::make(std::move(fields));
}

}  // namespace fulmar::broker
