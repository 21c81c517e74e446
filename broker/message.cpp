#include "broker/message.hpp"

#include <algorithm>

namespace fulmar::broker {

message::message(message_fields&& fields)
    : app{fields.app},
      level{fields.level},
      retain{fields.retain},
      publisher{fields.publisher},
      published_at{fields.published_at},
      expires_at{fields.expires_at},
      properties{std::move(fields.properties)},
      topic_size_{static_cast<std::uint32_t>(fields.topic.size())},
      payload_size_{static_cast<std::uint32_t>(fields.payload.size())}
{
    bytes_.reserve(fields.topic.size() + fields.payload.size() + fields.event.size());
    bytes_.append(fields.topic).append(fields.payload).append(fields.event);
}

std::optional<std::uint32_t> message::seconds_left(wall_ms now) const noexcept
{
    if (expires_at == 0)
        return std::nullopt;
    auto const left = expires_at > now ? (expires_at - now + 999) / 1000 : 1;
    return static_cast<std::uint32_t>(std::min<wall_ms>(left, 0xFFFFFFFF));
}

}  // namespace fulmar::broker
