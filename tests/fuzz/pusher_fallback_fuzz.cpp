// What clients of the HTTP fallbacks send: the JSON array of xhr_send. Nothing may crash, and what is accepted keeps to the
// limits and comes back as it was when it is written again.
#include "frontends/net/websocket_codec.hpp"
#include "frontends/pusher/event.hpp"
#include "frontends/pusher/fallback_text.hpp"

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace fulmar;

constexpr std::size_t message_bytes_max = 64;

void require(bool holds)
{
    if (!holds)
        std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* bytes, std::size_t size)
{
    // Copied to the heap in its exact size, so that reading past its end is found.
    std::vector<char> const exact(bytes, bytes + size);
    std::string_view const in{exact.data(), exact.size()};
    std::vector<std::string> messages;
    if (!pusher::decode_sent(in, message_bytes_max, messages).empty())
        return 0;
    require(messages.size() <= pusher::sent_messages_max);
    std::string again = "[";
    for (auto const& message : messages) {
        net::utf8_validator text;
        require(message.size() <= message_bytes_max && text.feed(message) && text.complete());
        require(pusher::utf16_length(message) <= message.size());
        again += again.size() == 1 ? "" : ",";
        pusher::append_json_string(again, message);
    }
    std::vector<std::string> second;
    require(pusher::decode_sent(again + "]", message_bytes_max, second).empty() && second == messages);
    return 0;
}
