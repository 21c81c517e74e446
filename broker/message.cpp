#include "broker/message.hpp"

#include "broker/errors.hpp"
#include "broker/fast_hash.hpp"
#include "broker/message_pool.hpp"

#include <algorithm>
#include <cstring>

namespace fulmar::broker {

namespace {

// Where the bytes of the message that this thread is making begin.
thread_local char* made_tail = nullptr;

// Makes the block of a std::allocate_shared longer than it asks for: the bytes of the message follow the object.
template <class T>
class tail_allocator
{
public:
    using value_type = T;

    explicit tail_allocator(std::size_t tail_bytes) noexcept : tail_bytes_{tail_bytes} {}
    template <class U>
    explicit tail_allocator(tail_allocator<U> const& other) noexcept : tail_bytes_{other.tail_bytes_}
    {
    }

    [[nodiscard]] T* allocate(std::size_t count)
    {
        auto* const block = static_cast<char*>(take_message_block(count * sizeof(T) + tail_bytes_));
        made_tail = block + count * sizeof(T);
        return reinterpret_cast<T*>(block);
    }
    void deallocate(T* block, std::size_t count) noexcept
    {
        give_message_block(block, count * sizeof(T) + tail_bytes_);
    }

    template <class U>
    [[nodiscard]] bool operator==(tail_allocator<U> const&) const noexcept
    {
        return true;
    }

private:
    template <class>
    friend class tail_allocator;
    std::size_t tail_bytes_;
};

[[nodiscard]] char* copy_to(char* to, std::string_view text) noexcept
{
    if (!text.empty())
        std::memcpy(to, text.data(), text.size());
    return to + text.size();
}

}  // namespace

std::uint64_t topic_hash_of(std::string_view topic) noexcept
{
    static auto const seed = random_seed();
    return fast_hash(topic, seed);
}

message::message(message_fields&& fields, from_make)
    : app{fields.app},
      level{fields.level},
      retain{fields.retain},
      publisher{fields.publisher},
      published_at{fields.published_at},
      expires_at{fields.expires_at},
      properties{std::move(fields.properties)},
      topic_hash_{topic_hash_of(fields.topic)},
      topic_size_{static_cast<std::uint32_t>(fields.topic.size())},
      payload_size_{static_cast<std::uint32_t>(fields.payload.size())},
      event_size_{static_cast<std::uint32_t>(fields.event.size())}
{
    FULMAR_ASSERT(made_tail == bytes());  // the object ends its block, as in every standard library known
    auto* to = made_tail;
    to = copy_to(to, fields.topic);
    to = copy_to(to, fields.payload);
    static_cast<void>(copy_to(to, fields.event));
}

std::shared_ptr<message const> message::make(message_fields&& fields)
{
    auto const tail_bytes = fields.topic.size() + fields.payload.size() + fields.event.size();
    return std::allocate_shared<message const>(tail_allocator<message>{tail_bytes}, std::move(fields), from_make{});
}

std::optional<std::uint32_t> message::seconds_left(wall_ms now) const noexcept
{
    if (expires_at == 0)
        return std::nullopt;
    auto const left = expires_at > now ? (expires_at - now + 999) / 1000 : 1;
    return static_cast<std::uint32_t>(std::min<wall_ms>(left, 0xFFFFFFFF));
}

}  // namespace fulmar::broker
